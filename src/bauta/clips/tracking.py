"""Faces followed through a video, each under its number, in little memory.

Frames are handled in chunks. A detector looks at the last frame of each, at the first of a shot,
and wherever a face was lost; in between faces are followed. A face that the detector sees for the
first time is followed backwards as well, so that it is known from where it came into view.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

import numpy as np
from numpy.typing import NDArray

from bauta.clips.cuts import is_cut, thumbnail
from bauta.clips.following import Sighting, centre, follow, look_at
from bauta.clips.identities import SAME_PLACE, People, by_place
from bauta.clips.smoothing import RADIUS, smoothed
from bauta.faces.face import Face, overlap
from bauta.faces.finders import find
from bauta.media.video import Frame
from bauta.recognizers.base import Recognizer

#: Frames that are handled together: what memory holds, and how often the detector looks.
CHUNK = 8
#: Faces of a frame, and whether a shot begins there.
_Faces = tuple[Mapping[int, Face], bool]
#: Two followed faces that overlap more are one, and a followed face that overlaps less with what
#: the detector sees has gone astray.
_ONE_FACE, _ASTRAY = 0.5, 0.6


@dataclass(frozen=True, eq=False)
class Shown:
    """A frame and who is in it.

    Attributes:
        frame: the frame.
        faces: faces by number; the same number is the same person.
        cut: whether a shot begins here.

    """

    frame: Frame
    faces: Mapping[int, Face]
    cut: bool


@dataclass
class _Seen:
    """A frame of the chunk at hand."""

    frame: Frame
    cut: bool
    faces: dict[int, Sighting]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        return self.frame.pixels


class Tracker:
    """Follows faces; one for each pass over a video.

    Args:
        recognizer: who tells people apart after cuts and gaps.
        detector: "hog" or "yunet".
        min_face: side of the smallest face to find, in pixels; None: the detector's own.

    """

    def __init__(
        self, recognizer: Recognizer, *, detector: str = "hog", min_face: float | None = None
    ) -> None:
        self.people = People(recognizer)
        self._detector = detector
        self._min_face = min_face
        self._live: dict[int, tuple[Sighting, NDArray[np.float64] | None]] = {}
        self._thumbnail: NDArray[np.float32] | None = None

    def track(self, frames: Iterable[Frame]) -> Iterator[Shown]:
        """Yield frames with their faces, in order; some dozen are held at a time."""
        return _smooth(self._chunk_by_chunk(frames))

    def _chunk_by_chunk(self, frames: Iterable[Frame]) -> Iterator[Shown]:
        rest = iter(frames)
        while chunk := deque(map(self._opened, islice(rest, CHUNK))):
            self._fill(chunk)
            while chunk:
                # Let go of each frame before the next chunk is read.
                seen = chunk.popleft()
                faces = {number: one.face for number, one in sorted(seen.faces.items())}
                yield Shown(seen.frame, faces, seen.cut)
                del seen

    def _opened(self, frame: Frame) -> _Seen:
        before, self._thumbnail = self._thumbnail, thumbnail(frame.pixels)
        return _Seen(frame, before is None or is_cut(before, self._thumbnail), {})

    def _fill(self, chunk: Sequence[_Seen]) -> None:
        for at, seen in enumerate(chunk):
            if seen.cut:
                self._live.clear()
            lost = self._follow(seen)
            if seen.cut or lost or at == len(chunk) - 1:
                self._detect(chunk, at)

    def _follow(self, seen: _Seen) -> bool:
        """Follow everybody into a frame; True if somebody was lost."""
        before, self._live = self._live, {}
        for number, (last, motion) in before.items():
            now = follow(seen.pixels, last, motion)
            if now is None and motion is not None:
                now = follow(seen.pixels, last)
            if now is not None:
                self._live[number] = (now, centre(now.face) - centre(last.face))
                seen.faces[number] = now
        return len(self._live) < len(before)

    def _detect(self, chunk: Sequence[_Seen], at: int) -> None:
        """Look for everybody in a frame of the chunk, and follow newcomers back to its start."""
        seen = chunk[at]
        found = find(seen.pixels, detector=self._detector, min_face=self._min_face)
        known = by_place({n: one.face for n, one in seen.faces.items()}, found)
        for index, number in known.items():
            self._anchor(seen, number, found[index])
        self._drop_doubles(seen, set(known.values()))
        new = [face for index, face in enumerate(found) if index not in known]
        absent = set(range(1, len(self.people) + 1)) - set(seen.faces)
        numbers = self.people.recognise(seen.pixels, new, absent=absent)
        self.people.remember(seen.pixels, {n: seen.faces[n].face for n in known.values()})
        for number, face in zip(numbers, new, strict=True):
            sighting = look_at(seen.pixels, face)
            seen.faces[number] = sighting
            self._live[number] = (sighting, None)
            _follow_back(chunk, at, number, sighting)

    def _anchor(self, seen: _Seen, number: int, found: Face) -> None:
        """Put a followed face back to where the detector sees it, if it has gone astray."""
        sighting = look_at(seen.pixels, found)
        if overlap(sighting.face, seen.faces[number].face) < _ASTRAY:
            seen.faces[number] = sighting
            self._live[number] = (sighting, None)

    def _drop_doubles(self, seen: _Seen, confirmed: set[int]) -> None:
        """Forget followed faces that have slipped onto those of others."""
        for number in set(seen.faces) - confirmed:
            here = seen.faces[number].face
            if any(overlap(here, seen.faces[other].face) > _ONE_FACE for other in confirmed):
                del seen.faces[number], self._live[number]


def _follow_back(chunk: Sequence[_Seen], at: int, number: int, sighting: Sighting) -> None:
    motion: NDArray[np.float64] | None = None
    while at > 0 and not chunk[at].cut:
        at -= 1
        here = chunk[at]
        earlier = follow(here.pixels, sighting, motion)
        if earlier is None or number in here.faces:
            return
        if any(overlap(earlier.face, other.face) > SAME_PLACE for other in here.faces.values()):
            return
        here.faces[number] = earlier
        motion = centre(earlier.face) - centre(sighting.face)
        sighting = earlier


def _smooth(shown: Iterable[Shown]) -> Iterator[Shown]:
    """The same frames with landmarks smoothed over a few of them."""
    # Of frames that were yielded only the faces are kept.
    before: deque[_Faces] = deque(maxlen=RADIUS)
    waiting: deque[Shown] = deque()
    for one in shown:
        waiting.append(one)
        del one
        if len(waiting) > RADIUS:
            yield _smoothed_one(before, waiting)
    while waiting:
        yield _smoothed_one(before, waiting)


def _smoothed_one(before: deque[_Faces], waiting: deque[Shown]) -> Shown:
    now = waiting.popleft()
    coming = [(one.faces, one.cut) for one in waiting]
    faces = {}
    for number, face in now.faces.items():
        past = [] if now.cut else _past(number, before)
        faces[number] = smoothed(past, face, _future(number, coming))
    before.append((now.faces, now.cut))
    return replace(now, faces=faces)


def _past(number: int, frames: Iterable[_Faces]) -> list[Face]:
    """A person's faces in the last of the frames, since they came into view or a cut."""
    run: list[Face] = []
    for faces, cut in frames:
        if cut or number not in faces:
            run = []
        if number in faces:
            run.append(faces[number])
    return run


def _future(number: int, frames: Iterable[_Faces]) -> list[Face]:
    """A person's faces in the next of the frames, until they go out of view or a cut."""
    run = takewhile(lambda one: number in one[0] and not one[1], frames)
    return [faces[number] for faces, _ in run]
