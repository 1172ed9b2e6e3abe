"""Verification pairs of people who were not trained on, and how well a network tells them apart."""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.plain import table_of
from bauta.recognizers.evaluate import Pair
from bauta.training.faceset import FaceSet

_FOLDS = 10


def split_people(name: str | Path) -> frozenset[str]:
    """Names of all people of a split, which no training may see.

    Args:
        name: a split of the package, such as "lfw-identification", or a JSON file of the same
            form: lists of names.

    Raises:
        UsageError: there is no such split.

    """
    path = Path(name)
    shipped = resources.files("bauta").joinpath(f"data/splits/{name}.json")
    try:
        data = table_of((path if path.suffix == ".json" else shipped).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"no split {name}: {error}") from error
    lists = [value for value in data.values() if isinstance(value, list)]
    return frozenset(str(who) for names in lists for who in names)


def held_out_pairs(names: Collection[str], *, count: int = 3000, seed: int = 0) -> list[Pair]:
    """Draw as many genuine as impostor pairs among photos ``Person/photo.jpg``.

    Genuine pairs are drawn person by person in turn, so that people with many photos do not
    outweigh the others; impostor pairs are of two people drawn alike.

    Args:
        names: photos.
        count: pairs of each kind; fewer genuine ones if there are not so many.
        seed: seed of the drawing.

    Returns:
        Pairs in ten folds.

    Raises:
        UsageError: there are fewer than two people, or nobody has two photos.

    """
    people: dict[str, list[str]] = {}
    for name in sorted(names):
        people.setdefault(name.split("/")[0], []).append(name)
    several = [who for who, photos in people.items() if len(photos) > 1]
    if len(people) < 2 or not several:
        raise UsageError("pairs need two people, and somebody with two photos")
    rng = np.random.default_rng(seed)
    genuine = _genuine([people[who] for who in several], count, rng)
    everybody = list(people.values())
    impostor: set[tuple[str, str]] = set()
    most = len(everybody) * (len(everybody) - 1) // 2
    while len(impostor) < min(len(genuine), most):
        a, b = (everybody[i] for i in sorted(rng.choice(len(everybody), 2, replace=False)))
        impostor.add((a[rng.integers(len(a))], b[rng.integers(len(b))]))
    return [
        Pair(a, b, same=same, fold=index % _FOLDS)
        for same, rows in ((True, genuine), (False, sorted(impostor)))
        for index, (a, b) in enumerate(rows)
    ]


def _genuine(
    albums: list[list[str]], count: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    queues = []
    for photos in albums:
        pairs = [(a, b) for i, a in enumerate(photos) for b in photos[i + 1 :]]
        queues.append([pairs[i] for i in rng.permutation(len(pairs))])
    out: list[tuple[str, str]] = []
    depth = 0
    while len(out) < count and any(len(queue) > depth for queue in queues):
        out += [queue[depth] for queue in queues if len(queue) > depth]
        depth += 1
    return out[:count]


def pair_similarities(
    embeddings: NDArray[np.floating], faces: FaceSet, pairs: Collection[Pair]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """Cosines of pairs, whether they are genuine, and their folds; embeddings of unit length."""
    row = {name: index for index, name in enumerate(faces.names)}
    a = embeddings[[row[pair.a] for pair in pairs]].astype(np.float64)
    b = embeddings[[row[pair.b] for pair in pairs]].astype(np.float64)
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs], dtype=np.int64)
    return (a * b).sum(axis=1), same, folds
