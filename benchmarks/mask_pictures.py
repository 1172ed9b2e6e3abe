"""The pictures of docs/results/masks.md: one person in six pictures without and with a mask.

    python benchmarks/mask_pictures.py --output docs/pictures

The sample and five views of it; the mask is fitted on eight others. ``mask.jpg`` shows the mask.
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.masks.picture import mask_picture
from bauta.masks.wearing import put_on
from bauta.media import read_photo
from bauta.methods.chameleon import Chameleon
from bauta.views.base import engines

_SIDE, _GAP, _QUALITY = 260, 6, 88

Shown = tuple[NDArray[np.uint8], Face]


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epsilon", type=float, default=Chameleon.epsilon)
    given = parser.parse_args()
    sample = read_photo(Path(str(resources.files("bauta").joinpath("data/sample.jpg")))).pixels
    face = find_faces(sample)[0]
    fitting, others = (_views(sample, face, count, seed) for count, seed in ((8, 1), (5, 0)))
    method = Chameleon(epsilon=given.epsilon, members=1)
    key = method.fit_faces([photo for photo, _ in fitting], [whose for _, whose in fitting])
    rows: list[list[Shown]] = [[(sample, face), *others], []]
    rows[1] = [(put_on(photo, [whose], key), whose) for photo, whose in rows[0]]
    sheet = Image.new("RGB", (6 * (_SIDE + _GAP) - _GAP, 2 * _SIDE + _GAP), "white")
    for row, shown in enumerate(rows):
        for column, one in enumerate(shown):
            sheet.paste(_cropped(*one), (column * (_SIDE + _GAP), row * (_SIDE + _GAP)))
    sheet.save(given.output / "masks-worn.jpg", quality=_QUALITY)
    Image.fromarray(mask_picture(key)).save(given.output / "mask.jpg", quality=_QUALITY)


def _views(photo: NDArray[np.uint8], face: Face, count: int, seed: int) -> list[Shown]:
    views = engines["embedded"]().make(photo, face, count, seed=seed)
    return [(view.pixels, view.face) for view in views]


def _cropped(photo: NDArray[np.uint8], face: Face) -> Image.Image:
    """The face with what is around it, as a square."""
    middle = face.corners().mean(axis=0)
    half = 0.42 * face.frame_side
    box = (*(middle - half), *(middle + half))
    return Image.fromarray(photo).resize(
        (_SIDE, _SIDE), Image.Resampling.LANCZOS, box=_held(box, photo)
    )


def _held(box: tuple[float, ...], photo: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """A box moved until it lies in the photo."""
    height, width = photo.shape[:2]
    side = min(box[2] - box[0], width, height)
    left = min(max(box[0], 0.0), width - side)
    top = min(max(box[1], 0.0), height - side)
    return (left, top, left + side, top + side)


if __name__ == "__main__":
    main()
