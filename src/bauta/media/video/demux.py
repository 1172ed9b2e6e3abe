"""Opening video files with PyAV: only files, only videos, and errors that say what to do."""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from bauta.errors import (
    CorruptVideoError,
    ImageTooLargeError,
    MediaError,
    MissingExtraError,
    NotAVideoError,
)
from bauta.media.video.kinds import HEAD, is_photo, recognise
from bauta.media.video.tally import Tally

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

# A file may name others, even on the network: nothing but the file itself is ever opened.
_PROTOCOLS = "file"
_MICROSECOND = Fraction(1, 1_000_000)
# Containers round their length, and some do not count how long the last packet lasts.
_TOLERANCE = Fraction(3, 10)


def check_extra() -> None:
    """Raise MissingExtraError unless PyAV is installed."""
    try:
        import av  # noqa: F401  imported where it is used, so that starting up stays quick
    except ImportError as error:
        raise MissingExtraError("reading and writing video", "video") from error


def kind_of(path: Path) -> str:
    """Return FFmpeg's name of the container of the file at ``path``.

    Raises:
        MediaError: there is no such file, or it cannot be read.
        NotAVideoError: it is no video in a format that Bauta reads.

    """
    head = _head(path)
    if not head:
        raise NotAVideoError(f"{path} is empty: copy it again from its source")
    if is_photo(head):
        raise NotAVideoError(f"{path} is a picture, not a video: treat it as a photo")
    kind = recognise(head)
    if kind is None:
        raise NotAVideoError(
            f"{path} is not a video that Bauta reads: give an MP4, MOV, MKV, WebM, AVI, MPEG, FLV "
            "or WMV file"
        )
    return kind


def open_file(path: Path, kind: str, max_pixels: int) -> "InputContainer":
    """Open the file at ``path``, of a ``kind`` from :func:`kind_of`, for reading.

    Decoders refuse pictures of more than ``max_pixels`` while FFmpeg looks into the file.

    Raises:
        CorruptVideoError: FFmpeg cannot open it.
        ImageTooLargeError: there is not enough memory.

    """
    import av

    with _reading(path):
        return av.open(
            f"file:{path}",
            "r",
            format=kind,
            options=decoder_options(max_pixels),
            container_options={"protocol_whitelist": _PROTOCOLS},
            metadata_errors="replace",
        )


@contextmanager
def opened(path: Path, kind: str, max_pixels: int) -> Iterator["InputContainer"]:
    """Open a file as :func:`open_file` does; what FFmpeg raises in the block comes out alike."""
    with open_file(path, kind, max_pixels) as container, _reading(path):
        yield container


def decoder_options(max_pixels: int) -> dict[str, str]:
    """Options by which decoders refuse pictures of many more than ``max_pixels``.

    They count what they allocate, which is rounded up to whole blocks, so that the exact limit is
    left to whoever gets the picture.
    """
    return {"max_pixels": str(2 * max_pixels + 65536)}


def main_stream(container: "InputContainer", name: str) -> "VideoStream":
    """Return the stream that a player shows: the one with the largest picture.

    Args:
        container: an open file.
        name: of the file, for messages.

    Raises:
        NotAVideoError: there is no moving picture.
        MediaError: FFmpeg does not know the codec.

    """
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    if not moving:
        raise NotAVideoError(f"{name} has no moving picture in it: there is nothing to protect")
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise MediaError(f"{name} has a codec that is not known here: convert it to H.264 first")
    return max(known, key=lambda stream: stream.width * stream.height)


def packets(
    container: "InputContainer", streams: "Iterable[Stream]", tally: Tally
) -> "Iterator[Packet[Stream]]":
    """Yield the packets of ``streams`` in the order of the file, as far as it can be read."""
    import av

    try:
        for packet in container.demux(*streams):
            if packet.size == 0 and packet.dts is None and packet.pts is None:
                continue  # PyAV's mark for the end of a stream
            yield packet
    except av.FFmpegError:
        tally.broken = True


def pictures(
    container: "InputContainer", stream: "VideoStream", tally: Tally
) -> "Iterator[av.VideoFrame]":
    """Yield the pictures of ``stream`` in the order of presentation, as far as it can be read.

    Packets of all tracks are looked at, so that a file that breaks off is told from one that ends.
    """
    for packet in packets(container, container.streams, tally):
        start = packet.dts if packet.pts is None else packet.pts
        if start is not None and packet.time_base:
            tally.end = max(tally.end, (start + (packet.duration or 0)) * packet.time_base)
        if packet.stream_index == stream.index:
            yield from decoded(stream, packet, tally)
    yield from decoded(stream, None, tally)


def decoded(
    stream: "VideoStream", packet: "Packet[Stream] | None", tally: Tally
) -> "list[av.VideoFrame]":
    """Return the pictures that the decoder of ``stream`` gives after ``packet``; None ends it."""
    import av

    try:
        found = stream.decode(packet)
    except av.FFmpegError:
        tally.lost += packet is not None
        return []
    tally.damaged += sum(picture.is_corrupt for picture in found)
    return found


def listed(container: "InputContainer", stream: "VideoStream", unknown: int) -> int:
    """How many pictures the index of an MP4 or MOV file shows; ``unknown`` for other files.

    An edit list may cut off pictures that are in the file.
    """
    if not container.format.name.startswith("mov"):
        return unknown
    return sum(not entry.is_discard for entry in stream.index_entries)


def compare(container: "InputContainer", stream: "VideoStream", tally: Tally) -> None:
    """Note in ``tally``, after a full pass, what the file promises but does not hold."""
    tally.missing = max(0, listed(container, stream, 0) - tally.frames - tally.lost)
    if container.duration:
        promised = ((container.start_time or 0) + container.duration) * _MICROSECOND
        tally.broken = tally.broken or tally.end + _TOLERANCE < promised


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import av

    try:
        yield
    except MemoryError as error:
        raise ImageTooLargeError(f"{path} is too large to open: make it smaller") from error
    except av.FFmpegError as error:
        raise CorruptVideoError(
            f"{path} is a damaged or truncated video ({error.strerror}): copy it again from its "
            "source; a recording that was broken off has to be repaired first"
        ) from error


def _head(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{path} is a folder: give the videos in it")
        if not stat.S_ISREG(mode):
            raise MediaError(f"{path} is not an ordinary file: copy it to a file first")
        with path.open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError as error:
        raise MediaError(f"no such file: {path}; check the name and the folder") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MediaError(f"cannot read {path}: {reason}; check its permissions") from error
