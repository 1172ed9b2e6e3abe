"""Check estimates of how many other photos still match, made from the original alone.

python benchmarks/estimate.py --lfw ../shared/data/lfw --people 100 --judge tight-judge
"""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bauta.audit.scores import PROTECTED, WEAKENED
from bauta.faces.index import index_faces
from bauta.media import read_photo
from bauta.optimisation import change_photos
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import default_surrogates, get_recognizer, get_surrogate
from bauta.settings import Settings

CACHE = Path(".cache")
_BATCH = 8
#: Other photos per person, so that nobody with many outweighs the others.
_OTHERS = 10


def main() -> None:
    """Protect people's first photos and compare estimate and truth on their others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--epsilon", type=float, nargs="+", default=[6.0, 8.0])
    parser.add_argument("--judge", action="append", required=True)
    args = parser.parse_args()
    text = resources.files("bauta").joinpath("data/splits/lfw-identification.json").read_text()
    people = json.loads(text)["protected"][: args.people]
    albums = [
        [f"{w}/{p.name}" for p in sorted((args.lfw / w).glob("*.jpg"))[: 1 + _OTHERS]]
        for w in people
    ]
    faces = index_faces(args.lfw, sorted(n for album in albums for n in album), CACHE)
    albums = [[n for n in album if faces[n] is not None] for album in albums]
    albums = [album for album in albums if len(album) > 1]
    photos = [read_photo(args.lfw / album[0]).pixels for album in albums]
    found = [faces[album[0]] for album in albums]
    print("| ε | judge | verdict | people | estimated share | true share |\n" + "|---" * 6 + "|")
    for epsilon in args.epsilon:
        settings = Settings(epsilon=epsilon)
        team = [get_surrogate(name) for name in default_surrogates(settings.preset)]
        changed: list[NDArray[np.uint8]] = []
        for at in track(range(0, len(photos), _BATCH), description="protecting"):
            some = slice(at, at + _BATCH)
            boxes = [[face] for face in found[some]]
            changed += change_photos(photos[some], boxes, settings, team)
        for name in args.judge:
            judge = get_recognizer(name)
            known = {n: faces[n] for album in albums for n in album}
            rows = embed_photos(judge, args.lfw, known, CACHE)
            _report(epsilon, judge, albums, rows, judge.embed(changed, found))


def _report(
    epsilon: float,
    judge: Judge,
    albums: list[list[str]],
    rows: dict[str, NDArray[np.float32]],
    protected: NDArray[np.float32],
) -> None:
    limit = judge.thresholds["far-1%"]
    pairs = []
    for album, copy in zip(albums, protected, strict=True):
        table = similarity_matrix(copy[None], np.stack([rows[name] for name in album]))[0]
        true = float((table[1:] >= limit.similarity).mean())
        pairs.append((limit.other_photos(float(table[0])), true))
    said, true = np.array(pairs).T
    bounds = {"protected": (-1, PROTECTED), "weakened": (PROTECTED, WEAKENED)}
    for verdict, (low, high) in {**bounds, "recognisable": (WEAKENED, 1), "all": (-1, 1)}.items():
        some = (said > low) & (said <= high)
        if some.any():
            print(
                f"| {epsilon:g} | {judge.name} | {verdict} | {some.sum()} "
                f"| {100 * said[some].mean():.0f} % | {100 * true[some].mean():.0f} % |"
            )


if __name__ == "__main__":
    main()
