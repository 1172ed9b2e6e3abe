"""Whether views of one photo show the same person, differ, and resemble other photos.

python benchmarks/views.py --lfw ../shared/data/lfw --people 100 --out views.csv

People are drawn from those on whom no network of Bauta was trained (lfw-identification). A
person's first photo is the one that views are made of; up to five others are only compared with.
Every row of the file is one pair of pictures and one judge.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from bauta.faces.detect import find_near
from bauta.faces.face import Face
from bauta.faces.geometry import apply, invert
from bauta.faces.index import main_face
from bauta.media import read_photo
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.zoo import default_judges, get_recognizer
from bauta.views.base import DEFAULT_COUNT, DEFAULT_ENGINE, View, engines
from bauta.views.pose import guess_yaw
from bauta.views.turning import head_to_photo

#: Other photos per person, so that nobody with many outweighs the others.
_OTHERS = 5
#: Columns of the table, what with what: a view, the photo that views are made of, the best match of
#: photo and views; another photo of the person, the first photo of somebody else.
_KINDS = (
    "view-photo", "view-other", "photo-other", "best-other", "photo-stranger", "best-stranger",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody's photos and the views of the first of them.

    Attributes:
        name: as LFW has it.
        photos: (H, W, 3) uint8 RGB, the first is the one that views are made of.
        faces: one in each photo.
        views: of the first photo.
        found: the face found anew in each view, or None.
        seconds: that making the views took.

    """

    name: str
    photos: list[NDArray[np.uint8]]
    faces: list[Face]
    views: list[View]
    found: list[Face | None]
    seconds: float


@dataclass(frozen=True)
class Row:
    """How alike two pictures are to a judge; see the head of the table for kinds."""

    person: str
    judge: str
    kind: str
    about: str
    similarity: float
    same: bool


def main() -> None:
    """Print the tables and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT)
    parser.add_argument("--engine", default=DEFAULT_ENGINE)
    parser.add_argument("--judge", nargs="+", default=default_judges())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    engine = engines[args.engine]()
    people = []
    for number, name in enumerate(track(_drawn(args.people, args.seed), "making views")):
        photos, faces = _album(args.lfw / name)
        if len(photos) < 2:
            continue
        begun = time.perf_counter()
        views = engine.make(photos[0], faces[0], args.count, seed=args.seed + number)
        seconds = time.perf_counter() - begun
        found = [find_near(view.pixels, view.face) for view in views]
        people.append(Person(name, photos, faces, views, found, seconds))
    print(f"{args.engine}, {len(people)} people, {args.count} views each, seed {args.seed}")
    print(f"on {platform.machine()}, one thread")
    _print_geometry(people)
    rows = [row for name in args.judge for row in _judged(get_recognizer(name), people)]
    _print_table(rows, args.judge)
    if args.out:
        _write(args.out, rows)


def _drawn(count: int, seed: int) -> list[str]:
    text = resources.files("bauta").joinpath("data/splits/lfw-identification.json").read_text()
    return random.Random(seed).sample(json.loads(text)["protected"], count)


def _album(folder: Path) -> tuple[list[NDArray[np.uint8]], list[Face]]:
    """The first photos of a folder in which a face is found."""
    photos, faces = [], []
    for path in sorted(folder.glob("*.jpg"))[: 1 + _OTHERS]:
        pixels = read_photo(path).pixels
        face = main_face(pixels)
        if face is not None:
            photos.append(pixels)
            faces.append(face)
    return photos, faces


def _judged(judge: Judge, people: Sequence[Person]) -> Iterator[Row]:
    """All rows of a judge."""
    real = [judge.embed(person.photos, person.faces) for person in people]
    made = [
        judge.embed([v.pixels for v in person.views], [v.face for v in person.views])
        for person in people
    ]
    for at, person in enumerate(people):
        # A mask is fitted on the photo as well as on its views.
        both = np.vstack([real[at][:1], made[at]])
        others = real[at][1:]
        stranger = real[(at + 1) % len(people)][:1]
        tables = {
            "view-photo": similarity_matrix(made[at], real[at][:1]),
            "view-other": similarity_matrix(made[at], others),
            "photo-other": similarity_matrix(real[at][:1], others),
            "best-other": similarity_matrix(both, others).max(0, keepdims=True),
            "photo-stranger": similarity_matrix(real[at][:1], stranger),
            "best-stranger": similarity_matrix(both, stranger).max(0, keepdims=True),
            "view-view": similarity_matrix(made[at], made[at]),
            "real-real": similarity_matrix(real[at], real[at]),
        }
        abouts = [view.about for view in person.views]
        for kind, table in tables.items():
            for i, j in _pairs(kind, table):
                value = float(table[i, j])
                about = abouts[i] if kind.startswith("view") else ""
                yield Row(person.name, judge.name, kind, about, value, value >= judge.threshold)


def _pairs(kind: str, table: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Places of a table, those of pictures with themselves left out."""
    symmetric = kind in ("view-view", "real-real")
    for i in range(table.shape[0]):
        for j in range(i + 1 if symmetric else 0, table.shape[1]):
            yield i, j


def _per_person(rows: Sequence[Row], what: str) -> float:
    """Mean over people of each one's mean."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.person, []).append(float(getattr(row, what)))
    return float(np.mean([np.mean(values) for values in groups.values()]))


def _print_table(rows: Sequence[Row], judges: Sequence[str]) -> None:
    print("| judge | " + " | ".join(_KINDS) + " | spread |")
    print("|---" * (len(_KINDS) + 2) + "|")
    for name in judges:
        share, apart = {}, {}
        for kind in (*_KINDS, "view-view", "real-real"):
            own = [row for row in rows if row.judge == name and row.kind == kind]
            share[kind] = 100 * _per_person(own, "same")
            apart[kind] = 1 - _per_person(own, "similarity")
        cells = [f"{share[kind]:.1f} % ({1 - apart[kind]:.2f})" for kind in _KINDS]
        spread = 100 * apart["view-view"] / apart["real-real"]
        print(f"| {name} | " + " | ".join(cells) + f" | {spread:.0f} % |")


def _print_geometry(people: Sequence[Person]) -> None:
    yaws = [[guess_yaw(_in_head(f), f.scheme) for f in p.found if f] for p in people]
    ranges = np.array([(min(row), max(row)) for row in yaws if row])
    errors = [
        float(np.linalg.norm(f.landmarks - v.face.landmarks, axis=1).mean()) / _eye_distance(f)
        for p in people for v, f in zip(p.views, p.found, strict=True) if f
    ]  # fmt: skip
    found = 100 * len(errors) / sum(len(p.views) for p in people)
    middle, most = (100 * np.quantile(errors, q) for q in (0.5, 0.95))
    low, high = ranges.mean(0)
    print(f"seconds per set, median: {np.median([p.seconds for p in people]):.2f}")
    print(f"face found anew in {found:.1f} % of the views; its landmarks are {middle:.1f} % "
          f"(median) and {most:.1f} % (95 of 100) of the eyes' distance off")  # fmt: skip
    print(f"yaw of a set, estimated from these: {low:+.0f} to {high:+.0f} on average")


def _in_head(face: Face) -> NDArray[np.float64]:
    return apply(invert(head_to_photo(face)), face.landmarks.astype(np.float64))


def _eye_distance(face: Face) -> float:
    points = face.landmarks
    return float(np.linalg.norm(points[:2].mean(0) - points[2:4].mean(0)))


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
