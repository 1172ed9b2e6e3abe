"""Faces out of a run's photos: the same square of a photo, whoever has changed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bauta.audit.pictures import Box, cropped, scaled
from bauta.bench.contestants import Contestant
from bauta.bench.store import Store
from bauta.faces.index import main_face
from bauta.media import read_photo

#: Longer side of a picture in pixels.
_SIDE = 128
#: Pictures in a sheet, so that a page with all methods stays below eight megabytes.
_PICTURES = 420


@dataclass(frozen=True, eq=False)
class Faces:
    """Cuts faces out of a run's photos.

    Attributes:
        store: the run.
        reference: whose photos the faces are found in: unchanged ones where the run has some.

    """

    store: Store
    reference: Contestant
    _boxes: dict[int, Box] = field(default_factory=dict)

    @property
    def unchanged(self) -> bool:
        """Whether the reference is the original photos."""
        return self.reference.entry.name == "none"

    def cut(self, contestant: Contestant, number: int) -> NDArray[np.uint8] | None:
        """The face in a photo, (h, w, 3) uint8 RGB; None where there is no photo yet.

        Raises:
            MediaError: the photo is damaged.

        """
        file = self.store.photo(contestant, number)
        if not file.is_file():
            return None
        pixels = read_photo(file).pixels
        return scaled(cropped(pixels, self._box(number, pixels)), _SIDE)

    def _box(self, number: int, pixels: NDArray[np.uint8]) -> Box:
        """Where the face is in the reference, or in what there is instead."""
        if number not in self._boxes:
            file = self.store.photo(self.reference, number)
            shown = read_photo(file).pixels if file.is_file() else pixels
            face = main_face(shown)
            self._boxes[number] = face.box if face else _centre(*shown.shape[:2])
        return self._boxes[number]


def faces_of(store: Store, entries: Sequence[Contestant]) -> Faces | None:
    """Cut faces where unchanged photos have them; None if the run has no photo yet."""
    there = [entry for entry in entries if numbers_of(store, entry)]
    if not there:
        return None
    clean = [entry for entry in there if entry.entry.name == "none"]
    return Faces(store, clean[0] if clean else max(there, key=lambda e: len(numbers_of(store, e))))


def numbers_of(store: Store, contestant: Contestant) -> list[int]:
    """Numbers of the photos that a contestant has protected so far; second ones do not count."""
    stems = [path.stem for path in store.photo(contestant, 0).parent.glob("*.jpg")]
    return sorted(int(stem) for stem in stems if stem.isdigit())


def chosen(numbers: Sequence[int], rows: int, most: int = 6) -> list[int]:
    """Some of the numbers, the first and others at equal distances.

    Args:
        numbers: to choose from.
        rows: how many methods will show each; many of them leave room for fewer.
        most: how many at most.

    """
    count = min(len(numbers), most, max(2, _PICTURES // max(rows, 1)))
    places = np.linspace(0, len(numbers) - 1, count).round().astype(int)
    return [numbers[at] for at in places]


def _centre(height: int, width: int) -> Box:
    """The middle half of a photo, where data sets put their faces."""
    return (width / 4, height / 4, 3 * width / 4, 3 * height / 4)
