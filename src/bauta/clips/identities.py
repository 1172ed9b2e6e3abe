"""Who is who in a clip: faces that a detector finds, and those that are known already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bauta.faces.face import Face, overlap
from bauta.recognizers.base import Recognizer, similarity_matrix

#: Boxes that overlap less than this are not one face.
SAME_PLACE = 0.3


def by_place(known: Mapping[int, Face], found: Sequence[Face]) -> dict[int, int]:
    """Which found faces are known ones, by their overlap in one frame.

    Args:
        known: faces that were followed into the frame, by number.
        found: faces that a detector sees there.

    Returns:
        Index of a found face to the number of the known one, best pairs first.

    """
    pairs = [
        (overlap(face, other), number, at)
        for number, face in known.items()
        for at, other in enumerate(found)
    ]
    return _best((shared, number, at) for shared, number, at in pairs if shared > SAME_PLACE)


class People:
    """What everybody in a clip looks like, as far as they were seen.

    Args:
        recognizer: who tells people apart.

    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._faces: dict[int, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._faces)

    def recognise(
        self, pixels: NDArray[np.uint8], faces: Sequence[Face], *, absent: Collection[int]
    ) -> list[int]:
        """Numbers of faces that were not followed into a frame: old ones if known, else new ones.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            faces: N faces in it.
            absent: numbers, of those who are known, that may be meant.

        """
        if not faces:
            return []
        rows = self._recognizer.embed([pixels] * len(faces), faces)
        there = {number: self._faces[number] for number in absent if number in self._faces}
        again: dict[int, int] = {}
        if there:
            table = similarity_matrix(np.stack(list(there.values())), rows)
            again = _best(
                (float(table[row, at]), number, at)
                for row, number in enumerate(there)
                for at in range(len(rows))
                if table[row, at] >= self._recognizer.threshold
            )
        numbers = []
        for at, row in enumerate(rows):
            number = again.get(at, len(self._faces) + 1)
            # The latest view is the likeliest to match where somebody comes back.
            self._faces[number] = row
            numbers.append(number)
        return numbers

    def remember(self, pixels: NDArray[np.uint8], faces: Mapping[int, Face]) -> None:
        """Note what people who are known already look like now."""
        if faces:
            rows = self._recognizer.embed([pixels] * len(faces), list(faces.values()))
            self._faces.update(zip(faces, rows, strict=True))


def _best(pairs: Iterable[tuple[float, int, int]]) -> dict[int, int]:
    """Pair greedily, the largest first: index to number."""
    taken: dict[int, int] = {}
    for _, number, at in sorted(pairs, reverse=True):
        if at not in taken and number not in taken.values():
            taken[at] = number
    return taken
