"""The file that is written: its container, and the encoder of its pictures."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from bauta.cores import usable_cores
from bauta.errors import MediaError
from bauta.media.video.change import padded
from bauta.media.video.colour import Coding, Planes, picture_of, usual_matrix
from bauta.media.video.encoders import Encoder
from bauta.media.video.facts import ColourTags, VideoFacts
from bauta.media.video.tags import kept_tags
from bauta.memory import raise_if_short

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_SILENT, _RESERVED = 2, 3
_USUAL_RATE = 30
# FFmpeg's flag for files that do not tell by which program and when they were made.
_BIT_EXACT = 0x400
# x264 notes its settings, the number of cores among them, in a message to the decoder (SEI).
_NOTES = {"h264": "filter_units=remove_types=6"}


@contextmanager
def encoding(target: Path) -> Iterator[None]:
    """Turn what FFmpeg or the system raises while ``target`` is written into a MediaError."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise_if_short(error)
        raise MediaError(
            f"cannot write {target}: {error.strerror or error}; check the free space of the disk, "
            "or give the output another suffix"
        ) from error


@contextmanager
def muxing(
    temporary: Path,
    target: Path,
    muxer: str,
    source: "InputContainer",
    *,
    time_base: Fraction,
    keep: bool,
) -> Iterator["OutputContainer"]:
    """Open a container that is written to ``temporary``; it is complete when the block ends.

    Args:
        temporary: the file to make.
        target: what to call it in messages.
        muxer: FFmpeg's name of the container.
        source: the open source, for its tags.
        time_base: seconds per tick of the pictures.
        keep: whether tags and chapters of the source are kept.

    """
    import av

    tags = kept_tags(source.metadata, keep=keep)
    with _opened(temporary, target) as stream:
        with encoding(target):
            container = av.open(
                stream, "w", format=muxer, container_options=_options(muxer, time_base, tags)
            )
        _describe(container, source, tags, keep=keep)
        try:
            yield container
        except BaseException:
            with suppress(Exception):
                container.close()
            raise
        with encoding(target):
            container.close()


@contextmanager
def _opened(temporary: Path, target: Path) -> Iterator[IO[bytes]]:
    """The file itself: one that FFmpeg opens stays open if there is no room for its header."""
    with encoding(target):
        stream = temporary.open("xb")
    try:
        yield stream
    except BaseException:
        with suppress(OSError):
            stream.close()
        raise
    with encoding(target):
        stream.close()


def _describe(
    container: "OutputContainer", source: "InputContainer", tags: dict[str, str], *, keep: bool
) -> None:
    container.metadata.update(tags)
    if keep:
        container.set_chapters(source.chapters())
    else:
        container.flags |= _BIT_EXACT


class Pictures:
    """The encoder of the pictures, and their track in the written file."""

    def __init__(
        self,
        output: "OutputContainer",
        encoder: Encoder,
        facts: VideoFacts,
        coding: Coding,
        tags: dict[str, str],
    ) -> None:
        """Make the track.

        Args:
            output: the container, before its first packet.
            encoder: what to encode with.
            facts: of the source.
            coding: of its samples.
            tags: of the track.

        """
        import av

        self._encoder = encoder
        self._time_base = facts.time_base
        self._durations: dict[int, int] = {}
        added = output.add_stream(
            encoder.name,
            facts.average_rate or _USUAL_RATE,
            options={"crf": str(encoder.crf), **encoder.options},
            time_base=facts.time_base,
        )
        self._stream = cast("VideoStream", added)
        self._stream.metadata.update(tags)
        self._configure(facts, coding)
        if encoder.tag and output.format.name in ("mp4", "mov"):
            self._stream.codec_context.codec_tag = encoder.tag
        notes = _NOTES.get(encoder.codec)
        self._filter = av.BitStreamFilterContext(notes, self._stream) if notes else None

    def encode(self, planes: Planes, pts: int, duration: int) -> "list[Packet[VideoStream]]":
        """Take the upright ``planes`` of the next picture, shown at ``pts`` for ``duration`` ticks.

        Returns:
            The packets that are ready, which may belong to earlier pictures.

        """
        picture = picture_of(planes if self._encoder.odd_sizes else padded(planes))
        picture.pts, picture.time_base = pts, self._time_base
        self._durations[pts] = duration
        return self._ready(self._stream.encode(picture))

    def finish(self) -> "list[Packet[VideoStream]]":
        """Return the packets that are left after the last picture."""
        return self._ready(self._stream.encode(None))

    def _configure(self, facts: VideoFacts, coding: Coding) -> None:
        context = self._stream.codec_context
        width, height = facts.width, facts.height
        if not self._encoder.odd_sizes:
            width, height = width + width % 2, height + height % 2
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.sample_aspect_ratio = facts.pixel_aspect
        tags = _tags(facts, coding)
        context.color_range, context.color_primaries = tags.range, tags.primaries
        context.color_trc, context.colorspace = tags.transfer, tags.matrix
        context.max_b_frames = 0  # pictures are stored in the order in which they are shown
        context.bit_rate = self._encoder.bit_rate
        context.thread_count = usable_cores()

    def _ready(self, packets: "list[Packet[VideoStream]]") -> "list[Packet[VideoStream]]":
        if self._filter is not None:
            packets = [one for packet in packets for one in self._filter.filter(packet)]
        for packet in packets:
            packet.stream, packet.time_base = self._stream, self._time_base
            duration = self._durations.pop(packet.pts or 0, 0)
            packet.duration = duration or packet.duration
        return packets


def _tags(facts: VideoFacts, coding: Coding) -> ColourTags:
    """The colour tags of the source; its matrix is said where players would guess another."""
    silent = facts.colour.matrix in (_SILENT, _RESERVED)
    guessed = silent and usual_matrix(facts.width, facts.height) == coding.matrix
    return replace(facts.colour, matrix=facts.colour.matrix if guessed else coding.matrix)


def _options(muxer: str, time_base: Fraction, tags: dict[str, str]) -> dict[str, str]:
    if muxer not in ("mp4", "mov"):
        return {}
    # When a track starts is told by the clock of the file, milliseconds unless it is set.
    options = {"movie_timescale": str(_ticks(time_base))}
    if any("." in key for key in tags):  # names such as com.apple.quicktime.make
        options["movflags"] = "use_metadata_tags"
    return options


def _ticks(time_base: Fraction) -> int:
    """A rate, as fine as that of sound, by which every time of the pictures is whole."""
    ticks = time_base.denominator
    while ticks < 40_000:
        ticks *= 2
    return ticks
