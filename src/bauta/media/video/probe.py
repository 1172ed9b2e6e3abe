"""Looking into a video before its frames are read: its facts, and the private things in it."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bauta.cores import usable_cores
from bauta.errors import CorruptVideoError
from bauta.media.guard import check_size
from bauta.media.video.demux import decoded, decoder_options, main_stream, opened, packets
from bauta.media.video.facts import ColourTags, TrackFacts, VideoFacts
from bauta.media.video.findings import findings_of
from bauta.media.video.side import orientation_of
from bauta.media.video.tally import Tally

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

_SAMPLE = 300
# Matroska rounds to milliseconds, and what was copied from it keeps that.
_JITTER = Fraction(1, 1000)
_DOLBY_VISION = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}
_MICROSECOND = Fraction(1, 1_000_000)


def probe(path: Path, kind: str, max_pixels: int) -> tuple[VideoFacts, list[str]]:
    """Read what the video at ``path`` says about itself, and decode its first picture.

    Args:
        path: the file.
        kind: from :func:`bauta.media.video.demux.kind_of`.
        max_pixels: refuse larger pictures.

    Returns:
        The facts, and the private items in plain words.

    Raises:
        MediaError: as for :func:`bauta.media.video.read_video`.

    """
    with opened(path, kind, max_pixels) as container:
        stream = main_stream(container, str(path))
        check_size((stream.width, stream.height), max_pixels, str(path))
        prepare(stream, max_pixels)
        picture, times = _sample(container, stream)
        if picture is None:
            raise CorruptVideoError(f"{path} has no picture that can be decoded: copy it again")
        facts = _facts(container, stream, picture, kind, _vary(times))
        return facts, findings_of(container, stream, picture)


def prepare(stream: "VideoStream", max_pixels: int) -> None:
    """Let the decoder of ``stream`` use all cores, and refuse pictures beyond ``max_pixels``."""
    stream.options = dict[str, object](decoder_options(max_pixels))
    stream.thread_count = usable_cores()
    stream.thread_type = "AUTO"


def _facts(
    container: "InputContainer",
    stream: "VideoStream",
    picture: "av.VideoFrame",
    kind: str,
    variable: bool,
) -> VideoFacts:
    orientation = orientation_of(picture)
    width, height = picture.width, picture.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation >= 5:
        width, height, aspect = height, width, 1 / aspect
    colour = _colour(stream, picture)
    return VideoFacts(
        container=kind,
        codec=stream.codec_context.codec.canonical_name,
        width=width,
        height=height,
        orientation=orientation,
        pixel_aspect=aspect,
        pixel_format=picture.format.name,
        bit_depth=max(part.bits for part in picture.format.components),
        colour=colour,
        hdr=colour.hdr or stream.codec_context.codec_tag in _DOLBY_VISION,
        interlaced=picture.interlaced_frame,
        time_base=stream.time_base or _MICROSECOND,
        average_rate=stream.average_rate or None,
        base_rate=stream.base_rate or None,
        variable=variable,
        duration=_duration(container, stream),
        frame_count=stream.frames or None,
        tracks=_tracks(container),
    )


def _colour(stream: "VideoStream", picture: "av.VideoFrame") -> ColourTags:
    context = stream.codec_context
    return ColourTags(
        range=int(picture.color_range),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
        matrix=int(picture.colorspace),
    )


def _duration(container: "InputContainer", stream: "VideoStream") -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration * _MICROSECOND) if container.duration else None


def _tracks(container: "InputContainer") -> tuple[TrackFacts, ...]:
    return tuple(
        TrackFacts(kind=stream.type, codec=_codec(stream), language=stream.language)
        for stream in container.streams
        if stream.type in ("audio", "subtitle")
    )


def _codec(stream: "Stream") -> str | None:
    return stream.codec_context.codec.canonical_name if stream.codec_context else None


def _sample(
    container: "InputContainer", stream: "VideoStream"
) -> tuple["av.VideoFrame | None", list[Fraction]]:
    """The first picture, and the times in seconds of the first packets."""
    tally = Tally()
    shown: list[av.VideoFrame] = []
    times: list[Fraction] = []
    for packet in packets(container, [stream], tally):
        if packet.pts is not None and packet.time_base:
            times.append(packet.pts * packet.time_base)
        if not shown:
            shown = decoded(stream, packet, tally)
        elif len(times) >= _SAMPLE:
            break
    shown = shown or decoded(stream, None, tally)
    return (shown[0] if shown else None), times


def _vary(times: list[Fraction]) -> bool:
    gaps = [after - before for before, after in pairwise(sorted(times))]
    return bool(gaps) and max(gaps) - min(gaps) > _JITTER
