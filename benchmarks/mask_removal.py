"""What is left after a personal mask was taken off again, and whether other keys take off anything.

    python benchmarks/mask_removal.py --lfw lfw --people 6 --judge facexzoo --judge tight-judge

Photos of people of lfw-universal wear a mask that was fitted on ten others of theirs, are saved in
several ways, and lose it again without a record of the original. The next person's key is the wrong
one. Faces are found anew each time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bauta.audit.adversaries import apply_adversary
from bauta.audit.metrics import psnr
from bauta.bench.people import load_split, universal
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.keys.mask import PersonalMask
from bauta.masks.removal import find_mask, take_off
from bauta.masks.wearing import put_on
from bauta.media import read_photo
from bauta.methods.chameleon import Chameleon
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.zoo import get_recognizer

Pixels = NDArray[np.uint8]
#: Photos of each person.
_TESTED = 5


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--judge", action="append", default=[])
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    given = parser.parse_args()
    albums = universal(
        given.lfw, load_split("lfw-universal"), people=given.people, tested=_TESTED,
        cache=given.cache, gallery=1,
    )  # fmt: skip
    opened = {name: read_photo(given.lfw / name).pixels for name in albums.faces}
    keys = []
    for names in albums.fitting:
        faces = [albums.faces[name] for name in names]
        keys.append(Chameleon(members=given.members).fit_faces([opened[n] for n in names], faces))
    judges = [get_recognizer(name) for name in given.judge or ["tight-judge"]]
    header = " | ".join(f"{j.name}: clean / masked / removed" for j in judges)
    print(f"| saved as | mask found | PSNR masked | removed | {header} | wrong key finds |")
    print("|---" * (5 + len(judges)) + "|")
    for title, save in SAVED.items():
        rows = [
            _one(opened[name], albums.faces[name], keys[at], keys[at - 1], save, clean, judges)
            for at, tests in enumerate(albums.tests)
            for name in tests
            for clean in [(opened[albums.cleans[at]], albums.faces[albums.cleans[at]])]
        ]
        print(_line(title, np.array(rows), len(judges)), flush=True)


def _one(
    photo: Pixels,
    face: Face,
    key: PersonalMask,
    wrong: PersonalMask,
    save: Callable[[Pixels], Pixels],
    clean: tuple[Pixels, Face],
    judges: list[Judge],
) -> list[float]:
    """Found, PSNR masked and removed, found by the wrong key, and each judge's similarities."""
    masked = save(put_on(photo, [face], key))
    found = find_mask(masked, find_faces(masked), key)
    removed = take_off(masked, found, key)
    plain = save(photo)
    row = [
        float(bool(found)),
        psnr(plain, masked),
        psnr(plain, removed) if found else np.nan,
        float(bool(find_mask(masked, find_faces(masked), wrong))),
    ]
    for judge in judges:
        (own,) = judge.embed([clean[0]], [clean[1]])
        for picture in (plain, masked, removed):
            (seen,) = judge.embed([picture], [main_face(picture) or face])
            row.append(float(similarity_matrix(seen[None], own[None])[0, 0]))
    return row


def _line(title: str, rows: NDArray[np.float64], judges: int) -> str:
    found, masked, removed, wrong = np.nanmean(rows[:, :4], axis=0)
    means = rows[:, 4:].mean(axis=0).reshape(judges, 3)
    said = " | ".join(" / ".join(f"{value:.2f}" for value in row) for row in means)
    return f"| {title} | {found:.0%} | {masked:.1f} dB | {removed:.1f} dB | {said} | {wrong:.0%} |"


def _resized(factor: float) -> Callable[[Pixels], Pixels]:
    def save(pixels: Pixels) -> Pixels:
        image = Image.fromarray(pixels)
        size = (round(image.width * factor), round(image.height * factor))
        small = np.asarray(image.resize(size, Image.Resampling.LANCZOS))
        return apply_adversary("jpeg", small, 90)

    return save


#: Ways in which photos are saved.
SAVED: dict[str, Callable[[Pixels], Pixels]] = {
    "PNG": lambda pixels: pixels,
    **{f"JPEG {q}": partial(apply_adversary, "jpeg", strength=q) for q in (95, 85, 70, 50)},
    "70 % of the size, JPEG 90": _resized(0.7),
    "50 % of the size, JPEG 90": _resized(0.5),
}


if __name__ == "__main__":
    main()
