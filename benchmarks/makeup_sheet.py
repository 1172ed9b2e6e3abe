"""A sheet of faces in several styles of makeup that hides them, to be looked at.

    python benchmarks/makeup_sheet.py face1.jpg face2.jpg ... --style tan --style rose -o sheet.png

One row per style, below a row of the originals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.media import read_photo
from bauta.optimisation import change_photos
from bauta.recognizers.zoo import default_surrogates, get_surrogate
from bauta.settings import Settings

Pixels = NDArray[np.uint8]
#: How much of a face's surroundings is shown, in sides of its frame.
_SHOWN = 0.95


def main() -> None:
    """Write a sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--style", action="append", required=True)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=240, help="of a tile, in pixels")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    photos = [read_photo(path).pixels for path in given.photos]
    faces = [find_faces(photo)[0] for photo in photos]
    rows = [[tile(photo, face, given.side) for photo, face in zip(photos, faces, strict=True)]]
    team = [get_surrogate(name) for name in default_surrogates(given.preset)]
    for style in given.style:
        settings = Settings(method="dfpp", style=style, preset=given.preset, seed=given.seed)
        pairs = list(zip(photos, faces, strict=True))
        row = []
        for photo, face in track(pairs, style):
            (changed,) = change_photos([photo], [[face]], settings, team)
            row.append(tile(changed, face, given.side))
        rows.append(row)
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
    Image.fromarray(sheet).save(given.output, quality=92)


def tile(photo: Pixels, face: Face, side: int) -> Pixels:
    """(side, side, 3) the face and a little around it."""
    x, y = face.corners().mean(axis=0)
    half = face.frame_side * _SHOWN / 2
    box = tuple(round(value) for value in (x - half, y - half, x + half, y + half))
    shown = Image.fromarray(photo).crop(box).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(shown)


if __name__ == "__main__":
    main()
