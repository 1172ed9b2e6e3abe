"""Reading videos: frame by frame, upright, in the order of presentation."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from bauta.errors import MediaError, UsageError
from bauta.media.kinds import Pixels
from bauta.media.orient import upright
from bauta.media.video.colour import Coding, coding_of, rgb_of
from bauta.media.video.demux import (
    check_extra,
    compare,
    kind_of,
    main_stream,
    open_file,
    opened,
    pictures,
)
from bauta.media.video.facts import VideoFacts
from bauta.media.video.probe import prepare, probe
from bauta.media.video.tally import Tally

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

DEFAULT_MAX_PIXELS = 67_000_000
"""Pixels of the largest picture that is read by default; a video in 8K has 33 million."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: its number in the order of presentation, from 0.
        pixels: (H, W, 3) uint8, 0-255: RGB in the primaries and the transfer curve of the video,
            upright, C-contiguous and read-only. Deeper samples are rounded to 8 bits, transparency
            is left out.
        pts: when it is shown, in ticks.
        duration: how long it is shown, in ticks; 0 if the file is silent.
        time_base: seconds per tick.

    """

    index: int
    pixels: Pixels = field(repr=False)
    pts: int
    duration: int
    time_base: Fraction
    _picture: "av.VideoFrame" = field(repr=False)
    """The decoded samples, as they are stored, for the writer."""

    @property
    def seconds(self) -> float:
        """When the frame is shown, in seconds."""
        return float(self.pts * self.time_base)


class Video:
    """A video file, from :func:`read_video`; iterate over it for its frames.

    Each iteration reads the file anew, so that several passes are possible, also at once. Frames
    are decoded as they are asked for, so memory does not grow with the length of the video.
    Leaving the context ends all passes and closes the file.

    Attributes:
        path: the file, under its absolute name.
        facts: what the file says about itself.

    """

    def __init__(self, path: Path, facts: VideoFacts, findings: list[str], max_pixels: int) -> None:
        """Take what :func:`read_video` found out."""
        self.path = path
        self.facts = facts
        self._findings = findings
        self._max_pixels = max_pixels
        self._passes: WeakSet[Generator[Frame]] = WeakSet()
        self._tally: Tally | None = None
        self._closed = False

    def __repr__(self) -> str:
        """Name the file, and what is in it."""
        facts = self.facts
        return f"Video({str(self.path)!r}, {facts.codec}, {facts.width} x {facts.height})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all passes over the frames, and close the file."""
        self._closed = True
        for one in list(self._passes):
            one.close()

    @property
    def frames_read(self) -> int | None:
        """How many frames the last full pass yielded; None before one has come to its end."""
        return self._tally.frames if self._tally else None

    @property
    def notes(self) -> list[str]:
        """Plain words for what a person should know, such as damage; complete after a full pass."""
        facts = self.facts
        notes = []
        if facts.bit_depth > 8:
            notes.append(f"{facts.bit_depth} bits per sample are rounded to 8")
        if facts.interlaced:
            notes.append("fields are not told apart: the frames are taken as a whole")
        return notes + (self._tally.words() if self._tally else [])

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            UsageError: the video was closed.
            MediaError: the video is HDR, its colours are stored in an unusual way, or its pictures
                change their size.

        """
        frames = self._frames(self._coding())
        self._passes.add(frames)
        return frames

    def _coding(self) -> Coding:
        """How the samples of the pictures stand for colours, if they can be read at all."""
        if self._closed:
            raise UsageError(f"{self.path} was closed: read it within its with block")
        facts = self.facts
        if facts.hdr:
            raise MediaError(
                f"{self.path} is an HDR video, whose brightness would be lost: convert it to SDR "
                "first, or switch HDR off before you record"
            )
        return coding_of(facts.colour, *facts.stored_size, str(self.path))

    def _open(self) -> "InputContainer":
        """The file, opened once more for what is not a picture; the caller closes it."""
        return open_file(self.path, self.facts.container, self._max_pixels)

    def _check_picture(self, picture: "av.VideoFrame") -> None:
        if (picture.width, picture.height) != self.facts.stored_size:
            raise MediaError(
                f"{self.path} changes the size of its picture at {picture.time:.1f} s: convert it "
                "to one size first"
            )

    def _frames(self, coding: Coding) -> Generator[Frame]:
        tally = Tally()
        clock = _Clock(self.facts, tally)
        with opened(self.path, self.facts.container, self._max_pixels) as container:
            stream = main_stream(container, str(self.path))
            prepare(stream, self._max_pixels)
            for picture in pictures(container, stream, tally):
                self._check_picture(picture)
                pixels = upright(rgb_of(picture, coding), self.facts.orientation).view()
                pixels.flags.writeable = False
                time = clock.next(picture.pts)
                duration = picture.duration or 0
                yield Frame(tally.frames, pixels, time, duration, self.facts.time_base, picture)
                tally.frames += 1
            compare(container, stream, tally)
        self._tally = tally


class _Clock:
    """Timestamps that rise: those of the file, mended where it has none or they run backwards."""

    def __init__(self, facts: VideoFacts, tally: Tally) -> None:
        rate = facts.average_rate
        self._step = max(1, round(1 / (rate * facts.time_base))) if rate else 1
        self._last: int | None = None
        self._tally = tally

    def next(self, pts: int | None) -> int:
        """Return ``pts`` in ticks, or the time that takes its place."""
        last = self._last
        time = pts
        if time is None:
            time = 0 if last is None else last + self._step
        elif last is not None and time <= last:
            time = last + 1
        self._tally.mended += time != pts
        self._last = time
        return time


def read_video(path: str | os.PathLike[str], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Video:
    """Open the video at ``path``: MP4, MOV, MKV, WebM, AVI, MPEG, FLV or WMV.

    The container is told from the content, not from the name. The first picture is decoded, so
    that what opens can be read.

    A video that breaks off yields the frames that are there; :attr:`Video.notes` tells of it. HDR
    video opens, so that its facts can be shown, but yields no frames.

    Args:
        path: the file.
        max_pixels: refuse videos whose pictures have more pixels than this, before they are
            decoded.

    Raises:
        MediaError: there is no such file, it cannot be read, or its codec is unknown.
        NotAVideoError: it is no video in one of these formats, or has no moving picture.
        CorruptVideoError: it is so damaged that no picture is left.
        ImageTooLargeError: its pictures have more than ``max_pixels`` pixels.
        MissingExtraError: the extra "video" is not installed.

    """
    file = Path(path)
    kind = kind_of(file)
    check_extra()
    facts, findings = probe(file, kind, max_pixels)
    return Video(file.absolute(), facts, findings, max_pixels)


def describe_metadata(video: Video) -> list[str]:
    """List in plain words the private items that the file of ``video`` contains.

    These are what the policy "private" removes, for example "GPS position" or "hidden data track
    (GoPro MET)". What FFmpeg does not see, such as boxes of some camera makers, is not listed, and
    not written either.
    """
    return list(video._findings)
