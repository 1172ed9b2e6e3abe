"""Faces of nobody in particular, with labels of sex, age and race: UTKFace's chips.

Each is made into two pictures, once: the photo that is protected, and another picture of the same
face, which stands in for another photo of the person, because chips name nobody.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.index import index_faces
from bauta.media import atomic_write, encode_photo, photo_from_array, read_photo
from bauta.training.faceset import CHIP_MARGIN, SUFFIXES, attributes_of, unpacked

#: What UTKFace calls its numbers; bands of age in years, both ends within.
SEXES = ("male", "female")
RACES = ("white", "black", "asian", "indian", "other")
AGES = (("0-17", 0, 17), ("18-34", 18, 34), ("35-59", 35, 59), ("60+", 60, 200))
#: Part of the folder's name: to be raised when the pictures are made differently.
_VERSION = 1
#: How far the other picture is turned (degrees), scaled, lit and its contrast changed, at most.
_TURN, _SCALE, _LIGHT = 8.0, 0.1, 0.15
_QUALITY = 75


@dataclass(frozen=True, kw_only=True, eq=False)
class Chips:
    """The chips of a run; a face was found in both pictures of each.

    Attributes:
        root: folder of the pictures.
        names: N chips, as the split names them.
        probes: the N photos that are protected, relative to ``root``.
        others: the N other pictures of the same faces, relative to ``root``.
        strangers: photos of chips that nobody protects.
        faces: the main face of each picture.

    """

    root: Path
    names: Sequence[str]
    probes: Sequence[str]
    others: Sequence[str]
    strangers: Sequence[str]
    faces: Mapping[str, Face]

    @property
    def numbers(self) -> Sequence[int]:
        """What the probes' protected copies are numbered in the store."""
        return range(len(self.probes))


def lay_out(
    source: Path,
    split: Mapping[str, Any],
    *,
    people: int,
    cache: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Chips:
    """Make the pictures of a run, as far as they are not there, and find the face in each.

    Args:
        source: UTKFace's folder or zip archive.
        split: names of "chips" and "strangers", without suffixes.
        people: how many chips of each cell of sex, race and age; cells that have fewer give all.
        cache: folder in which pictures and found faces are kept.
        progress: told the pictures looked at and in all.

    Raises:
        UsageError: a chip is missing or has no labels, or no cell of the split has so many.

    """
    names = select(split["chips"], people)
    strangers = split["strangers"]
    root = make_pictures(source, [*names, *strangers], cache)
    wanted = [picture(kind, name) for name in names for kind in ("photo", "other")]
    wanted += [picture("photo", name) for name in strangers]
    found = index_faces(root, wanted, cache, progress=progress)
    faces = {name: face for name, face in found.items() if face is not None}
    usable = [n for n in names if {picture("photo", n), picture("other", n)} <= faces.keys()]
    shown = [picture("photo", name) for name in strangers]
    return Chips(
        root=root,
        names=usable,
        probes=[picture("photo", name) for name in usable],
        others=[picture("other", name) for name in usable],
        strangers=[name for name in shown if name in faces],
        faces=faces,
    )


def picture(kind: str, name: str) -> str:
    """Path of a chip's "photo" or "other" picture, relative to the folder of all."""
    return f"{kind}/{name}.jpg"


def cell_of(name: str) -> tuple[str, str, str]:
    """Words for sex, race and band of age on a chip's label.

    Raises:
        UsageError: its name has no labels.

    """
    age, sex, race = attributes_of(name)
    if age < 0:
        raise UsageError(f"{name} has no labels: names must begin with age_sex_race_, as UTKFace's")
    return SEXES[sex], RACES[race], next(word for word, low, high in AGES if low <= age <= high)


def groups_of(names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which of N chips belong to "all" and to each group ("sex: female") that has some, (N,)."""
    cells = [cell_of(name) for name in names]
    out = {"all": np.ones(len(names), dtype=bool)}
    ages = [word for word, _, _ in AGES]
    for column, (what, words) in enumerate((("sex", SEXES), ("race", RACES), ("age", ages))):
        for word in words:
            inside = np.array([cell[column] == word for cell in cells], dtype=bool)
            if inside.any():
                out[f"{what}: {word}"] = inside
    return out


def select(names: Sequence[str], people: int) -> list[str]:
    """The first ``people`` chips of each cell of sex, race and age, in the order given.

    Raises:
        UsageError: a name has no labels, or no cell has so many.

    """
    taken: dict[tuple[str, str, str], int] = {}
    out = []
    for name in names:
        cell = cell_of(name)
        taken[cell] = taken.get(cell, 0) + 1
        if taken[cell] <= people:
            out.append(name)
    most = max(taken.values(), default=0)
    if most < people:
        raise UsageError(f"the split has at most {most} chips of a kind, not {people}")
    return out


def make_pictures(source: Path, names: Iterable[str], cache: Path) -> Path:
    """Write both pictures of each chip, as far as they are not there.

    Returns:
        Their folder, in the cache.

    Raises:
        UsageError: the source is no folder or archive, or lacks a chip.

    """
    folder = source if source.is_dir() else unpacked(source, cache)
    files = chip_files(folder)
    digest = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:12]
    root = cache / f"chips-v{_VERSION}-{digest}"
    for name in names:
        if name not in files:
            raise UsageError(
                f"{source} holds {len(files)} photos, but not the chip {name}: give UTKFace's zip "
                "archive, or its folder"
            )
        _make(files[name], root, name)
    return root


def chip_files(folder: Path) -> dict[str, Path]:
    """All photos of a folder and those in it, by their names up to the first dot."""
    return {
        path.name.split(".")[0]: path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    }


def _make(file: Path, root: Path, name: str) -> None:
    photo, other = (root / picture(kind, name) for kind in ("photo", "other"))
    if photo.is_file() and other.is_file():
        return
    pixels = read_photo(file).pixels
    # As people share photos: in JPEG, so that protected ones are written in kind.
    data = encode_photo(source := photo_from_array(padded(pixels), format="JPEG"), source.pixels)
    for path, content in ((photo, data), (other, another(pixels, name))):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content, overwrite=True)


def padded(pixels: NDArray[np.uint8], margin: float = CHIP_MARGIN) -> NDArray[np.uint8]:
    """Repeat the border of an (H, W, 3) chip by a share of its longer side, on all sides."""
    pad = round(margin * max(pixels.shape[:2]))
    return np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge")


def another(pixels: NDArray[np.uint8], name: str) -> bytes:
    """Another picture of a chip's face, as a JPEG file: always the same one of the same chip.

    Mirrored, turned by up to 8 degrees, 10 % larger or smaller, 15 % brighter or darker, with
    15 % more or less contrast, at JPEG quality 75.

    Args:
        pixels: (H, W, 3) uint8 RGB chip.
        name: of the chip, which decides how much of each.

    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    turn, scale, light, contrast = np.random.default_rng(seed).uniform(-1, 1, 4)
    height, width = padded(pixels).shape[:2]
    # Turned corners come out of a wider border, and are not black.
    image = ImageOps.mirror(Image.fromarray(padded(pixels, 2 * CHIP_MARGIN)))
    image = _turned(image, _TURN * turn, 1 + _SCALE * scale)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    image = image.crop((left, top, left + width, top + height))
    image = ImageEnhance.Brightness(image).enhance(1 + _LIGHT * light)
    image = ImageEnhance.Contrast(image).enhance(1 + _LIGHT * contrast)
    out = BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _turned(image: Image.Image, degrees: float, scale: float) -> Image.Image:
    """Turn and scale about the middle; the size stays."""
    x, y = image.width / 2, image.height / 2
    cos, sin = (f(math.radians(degrees)) / scale for f in (math.cos, math.sin))
    matrix = (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
