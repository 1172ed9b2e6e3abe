"""Writing videos: the same video again, with changed pixels."""

import os
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np

from bauta.errors import MediaError, UsageError
from bauta.media.atomic import atomic_file, check_target
from bauta.media.kinds import Policy
from bauta.media.photo import check_pixels
from bauta.media.video.change import changed_planes
from bauta.media.video.colour import Planes
from bauta.media.video.demux import main_stream
from bauta.media.video.encoders import Encoder, encoder_for
from bauta.media.video.kinds import MUXERS
from bauta.media.video.output import Pictures, encoding, muxing
from bauta.media.video.read import Frame, Video
from bauta.media.video.tags import kept_track_tags
from bauta.media.video.tracks import Tracks

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Containers whose clock starts anywhere.
_ADRIFT = ("mpegts", "mpeg")
_MICROSECOND = Fraction(1, 1_000_000)
_FAMILIES = {"mov": ("mp4", "mov"), "matroska": ("matroska", "webm")}


class VideoWriter:
    """Writes a video anew with other pixels; a context manager.

    Every frame has to be written, once and in order. The file appears, whole, when the context is
    left; after an exception in it nothing appears.

    The pictures are encoded in the codec of the source where the new container may hold it, else
    in H.264 (MP4, MOV, MKV) or VP9 (WebM), with 8 bits and 4:2:0. They are stored upright, so
    that nothing is left for players to turn. Timestamps are those of the source, to the tick,
    where the container can tell them; Matroska and WebM round to milliseconds. Sound and
    subtitles are copied.

    Attributes:
        path: the new file.

    Example:
        with read_video("in.mp4") as video, VideoWriter(video, "out.mp4") as writer:
            for frame in video:
                writer.write(frame, protect(frame.pixels))

    """

    def __init__(
        self,
        video: Video,
        path: str | os.PathLike[str],
        *,
        metadata: Policy = "private",
        overwrite: bool = False,
        crf: int | None = None,
    ) -> None:
        """Check what can be checked before any work is done.

        Args:
            video: the source, whose own file is never replaced.
            path: the new file, which ends in .mp4, .m4v, .mov, .mkv or .webm; see
                :func:`output_suffix` for a name that fits.
            metadata: "private" keeps only what plays the video; "keep" keeps the tags of the
                container and its tracks, and chapters. Cover pictures, further video tracks, data
                tracks and attached files are always left out.
            overwrite: replace an existing file.
            crf: quality on the scale of the encoder, where smaller is better; None for one at
                which a difference can hardly be seen.

        Raises:
            OutputExistsError: ``path`` exists, or is the source itself under any name.
            MediaError: the suffix is none of these, the folder is missing, or the video is HDR or
                otherwise of a kind that yields no frames.
            UsageError: ``metadata`` is neither word, or the video was closed.

        """
        if metadata not in get_args(Policy):
            raise UsageError(f'metadata must be "private" or "keep", not {metadata!r}')
        self.path = Path(path)
        self._video = video
        self._keep = metadata == "keep"
        self._overwrite = overwrite
        self._coding = video._coding()
        self._muxer = _muxer_of(self.path)
        self._encoder = _chosen(video, self._muxer, crf)
        self._stack: ExitStack | None = None
        self._job: _Job | None = None
        self._count = 0
        check_target(self.path, overwrite=overwrite, protect=[video.path])

    def __enter__(self) -> Self:
        """Start the file, under a temporary name in the same folder.

        Raises:
            UsageError: the writer has been used before.
            MediaError: the container cannot hold a track, or the system refuses the write.

        """
        if self._job is not None:
            raise UsageError("a writer writes one file: make another one")
        with ExitStack() as stack:
            temporary = stack.enter_context(
                atomic_file(self.path, overwrite=self._overwrite, protect=[self._video.path])
            )
            source = stack.enter_context(self._video._open())
            output = stack.enter_context(
                muxing(
                    temporary,
                    self.path,
                    self._muxer,
                    source,
                    time_base=self._video.facts.time_base,
                    keep=self._keep,
                )
            )
            with encoding(self.path):
                self._job = self._start(source, output)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it after an exception.

        Raises:
            MediaError: frames are missing, or the system refuses the write.

        """
        stack, self._stack = self._stack, None
        if stack is None or self._job is None:
            return
        if kind is not None:
            stack.__exit__(kind, error, trace)
            return
        with stack:
            self._check_complete()
            with encoding(self.path):
                self._job.finish()

    @property
    def notes(self) -> list[str]:
        """Plain words for what a person should know; complete after the context was left.

        For example damage of the source, or that the codec or the size is another.
        """
        facts, encoder = self._video.facts, self._encoder
        notes = list(self._video.notes)
        if encoder.codec != facts.codec:
            notes.append(f"written in {encoder.codec}, because {facts.codec} cannot be")
        if not encoder.odd_sizes and (facts.width % 2 or facts.height % 2):
            notes.append("an odd width or height grew by one pixel, as the codec needs it even")
        return notes + (self._job.tracks.notes if self._job else [])

    def write(self, frame: Frame, pixels: np.ndarray[Any, Any]) -> None:
        """Write the next frame.

        Where ``pixels`` equal those of the frame, its own samples are encoded, unchanged.

        Args:
            frame: of the video, in order.
            pixels: (H, W, 3) uint8 RGB, 0-255, upright, of the frame's size.

        Raises:
            UsageError: it is not this frame's turn, the writer is not open, or ``pixels`` has
                another shape or type.
            MediaError: the system refuses the write.

        """
        facts = self._video.facts
        if self._stack is None or self._job is None:
            raise UsageError("the writer is not open: use it in a with block")
        if frame.index != self._count:
            raise UsageError(
                f"frame {frame.index} was given where frame {self._count} is due: write every "
                "frame once, in order"
            )
        check_pixels(pixels, (facts.height, facts.width, 3))
        planes = changed_planes(frame, pixels, self._coding, facts.orientation)
        with encoding(self.path):
            self._job.write(planes, frame.pts, frame.duration)
        self._count += 1

    def _start(self, source: "InputContainer", output: "OutputContainer") -> "_Job":
        facts = self._video.facts
        adrift = facts.container in _ADRIFT and source.start_time
        start = source.start_time * _MICROSECOND if adrift else Fraction(0)
        shown = main_stream(source, str(self._video.path))
        tags = kept_track_tags(shown.metadata, keep=self._keep)
        pictures = Pictures(output, self._encoder, facts, self._coding, tags)
        own = output_suffix(self._video)
        way_out = own if own.lower() != self.path.suffix.lower() else ".mkv"
        tracks = Tracks(source, output, keep=self._keep, start=start, way_out=way_out)
        output.start_encoding()  # so that what can fail does so before the work
        return _Job(output, pictures, tracks, round(start / facts.time_base))

    def _check_complete(self) -> None:
        expected = self._video.frames_read
        if self._count != expected:
            there = "it was not read to its end" if expected is None else f"it has {expected}"
            raise MediaError(
                f"cannot write {self.path}: {self._count} frames of the video were written, and "
                f"{there}; write every frame"
            )


class _Job:
    """A file that is being written: its pictures, and the tracks that keep step with them."""

    def __init__(
        self, output: "OutputContainer", pictures: Pictures, tracks: Tracks, start: int
    ) -> None:
        """Take the parts; ``start`` is taken off the timestamps of the pictures, in ticks."""
        self.tracks = tracks
        self._output = output
        self._pictures = pictures
        self._start = start

    def write(self, planes: Planes, pts: int, duration: int) -> None:
        self._mux(self._pictures.encode(planes, pts - self._start, duration))

    def finish(self) -> None:
        self._mux(self._pictures.finish())
        self.tracks.copy()

    def _mux(self, packets: "list[Packet[VideoStream]]") -> None:
        for packet in packets:
            if packet.pts is not None:
                self.tracks.copy(until=packet.pts * packet.time_base)
            self._output.mux(packet)


def output_suffix(video: Video) -> str:
    """Return the file suffix that fits what writing ``video`` makes: its own if it can be written.

    MP4 stands in for containers that Bauta only reads, such as AVI.
    """
    container, own = video.facts.container, video.path.suffix
    if MUXERS.get(own.lower()) in _FAMILIES.get(container, ()):
        return own
    return ".mkv" if container == "matroska" else ".mp4"


def _muxer_of(path: Path) -> str:
    muxer = MUXERS.get(path.suffix.lower())
    if muxer is None:
        raise MediaError(f"cannot write {path}: let the name end in {', '.join(MUXERS)}")
    return muxer


def _chosen(video: Video, muxer: str, crf: int | None) -> Encoder:
    square = video.facts.pixel_aspect == 1
    encoder = encoder_for(video.facts.codec, muxer, square=square)
    return encoder if crf is None else replace(encoder, crf=crf)
