"""Which moments of a clip are looked at afterwards: evenly spread, in little memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bauta.faces.face import Face

#: Moments kept of each face while a clip goes by; of these at most as many are looked at as asked.
_KEPT = 256


@dataclass(eq=False)
class Sample:
    """A face in a frame.

    Attributes:
        index: number of the frame.
        face: where.
        then: where it is in the frame after; None if it is not there.

    """

    index: int
    face: Face
    then: Face | None = None


class Samples:
    """The moments of one face: the first, the last, and every so-manyth in between.

    Attributes:
        frames: how many frames show the face.

    """

    def __init__(self) -> None:
        self.frames = 0
        self._kept: list[Sample] = []
        self._every = 1
        self._last: Sample | None = None

    def add(self, index: int, face: Face) -> None:
        """Note where the face is in the next frame that shows it."""
        if self._last and self._last.index == index - 1:
            self._last.then = face
        self._last = Sample(index, face)
        if self.frames % self._every == 0:
            self._kept.append(self._last)
        self.frames += 1
        if len(self._kept) == _KEPT:
            self._kept = self._kept[::2]
            self._every *= 2

    def spread(self, most: int) -> list[Sample]:
        """At most so many, two at least if there are two; the first and the last among them."""
        if self._last is None:
            return []
        kept = self._kept if self._kept[-1] is self._last else [*self._kept, self._last]
        count = min(len(kept), max(2, most))
        return [kept[round(at)] for at in np.linspace(0, len(kept) - 1, count)]
