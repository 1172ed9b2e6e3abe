"""Evaluation of a recognizer on verification pairs: accuracy, TAR at fixed FAR, thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.index import Progress, index_faces
from bauta.faces.landmarks import find_landmarks
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.thresholds import Threshold

FARS = {"far-1%": 0.01, "far-0.1%": 0.001}


@dataclass(frozen=True)
class Pair:
    """Two photos, relative to the data's root, and whether they show one person."""

    a: str
    b: str
    same: bool
    fold: int


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        recognizer: its name.
        accuracy: mean accuracy over the folds, each judged at the threshold that is best on the
            others, 0 to 1.
        deviation: standard error of that mean.
        thresholds: by name, such as "far-1%".
        pairs: number of pairs.
        assumed: photos in which no face was found, whose middle was taken instead.
        similarities: (N,) similarity of each pair.
        same: (N,) whether it is one person.

    """

    recognizer: str
    accuracy: float
    deviation: float
    thresholds: Mapping[str, Threshold]
    pairs: int
    assumed: int
    similarities: NDArray[np.float64]
    same: NDArray[np.bool_]


def read_pairs(path: Path) -> list[Pair]:
    """Read LFW's ``pairs.txt``: ten folds of 300 genuine and 300 impostor pairs.

    Raises:
        UsageError: the file is not of that form.

    """
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
        folds, size = (int(word) for word in lines[0])
        rows = [_pair(words, (i // (2 * size))) for i, words in enumerate(lines[1:])]
    except (OSError, ValueError, IndexError) as error:
        raise UsageError(f"{path} is not a file of LFW pairs: {error}") from error
    if len(rows) != 2 * folds * size:
        raise UsageError(f"{path} announces {2 * folds * size} pairs and holds {len(rows)}")
    return rows


def _pair(words: Sequence[str], fold: int) -> Pair:
    if len(words) == 3:
        name, first, second = words
        return Pair(_photo(name, first), _photo(name, second), same=True, fold=fold)
    name, first, other, second = words
    return Pair(_photo(name, first), _photo(other, second), same=False, fold=fold)


def _photo(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def evaluate(
    judge: Judge,
    root: Path,
    pairs: Sequence[Pair],
    *,
    cache: Path,
    data: str,
    command: str,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a recognizer on pairs.

    Args:
        judge: the recognizer.
        root: folder that the pairs' photos are in.
        pairs: the pairs.
        cache: folder where found faces are kept.
        data: name of data and pairs, for the thresholds' provenance.
        command: how to repeat this, likewise.
        progress: told the photos done and in all: first of finding faces, then of embedding.

    """
    names = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    found = index_faces(root, names, cache, progress=progress)
    embeddings = _embed(judge, root, found, progress)
    a = np.stack([embeddings[pair.a] for pair in pairs]).astype(np.float64)
    b = np.stack([embeddings[pair.b] for pair in pairs]).astype(np.float64)
    similarities = 1 - ((a - b) ** 2).sum(axis=1) / 2
    same = np.array([pair.same for pair in pairs])
    accuracies = fold_accuracies(similarities, same, np.array([pair.fold for pair in pairs]))
    return Evaluation(
        recognizer=judge.name,
        accuracy=float(accuracies.mean()),
        deviation=float(accuracies.std(ddof=1) / np.sqrt(len(accuracies))),
        thresholds={
            name: threshold_at(far, similarities, same, data, command) for name, far in FARS.items()
        },
        pairs=len(pairs),
        assumed=sum(face is None for face in found.values()),
        similarities=similarities,
        same=same,
    )


def _embed(
    judge: Judge, root: Path, found: Mapping[str, Face | None], progress: Progress | None
) -> dict[str, NDArray[np.float32]]:
    """Embedding of the main face of every photo."""
    names = list(found)
    out: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(names), 64):
        some = names[start : start + 64]
        photos = [read_photo(root / name).pixels for name in some]
        faces = [found[n] or _assumed(p) for n, p in zip(some, photos, strict=True)]
        out.update(zip(some, judge.embed(photos, faces), strict=True))
        if progress:
            progress(start + len(some), len(names))
    return out


def _assumed(pixels: NDArray[np.uint8]) -> Face:
    """A face in the middle, 42 % of the photo wide, as data sets like LFW frame theirs."""
    height, width = pixels.shape[:2]
    half = 0.21 * min(height, width)
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    return Face(box, -1.0, find_landmarks(pixels, box))


def fold_accuracies(
    similarities: NDArray[np.float64], same: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Accuracy of each fold at the threshold that is best on the other folds."""
    out = []
    for fold in np.unique(folds):
        rest = folds != fold
        threshold = _best_threshold(similarities[rest], same[rest])
        out.append(float(((similarities[~rest] >= threshold) == same[~rest]).mean()))
    return np.array(out)


def _best_threshold(similarities: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Threshold of the highest accuracy, in the middle of its gap."""
    values = np.unique(similarities)
    # Accepting from values[i] on: impostors below it and genuine pairs from it on are right. The
    # last entry refuses everything.
    edges = np.append(values, np.inf)
    impostors, genuine = np.sort(similarities[~same]), np.sort(similarities[same])
    right = np.searchsorted(impostors, edges) + len(genuine) - np.searchsorted(genuine, edges)
    best = int(right.argmax())
    low = values[best - 1] if best > 0 else values[0] - 1
    high = values[best] if best < len(values) else values[-1] + 1
    return float((low + high) / 2)


def threshold_at(
    far: float,
    similarities: NDArray[np.float64],
    same: NDArray[np.bool_],
    data: str,
    command: str,
) -> Threshold:
    """Lowest threshold at which at most a share ``far`` of the impostor pairs is accepted.

    Raises:
        UsageError: there are too few impostor pairs to tell.

    """
    impostors = np.sort(similarities[~same])[::-1]
    allowed = int(far * len(impostors))
    if allowed < 1:
        raise UsageError(f"FAR {far:.1%} needs at least {round(1 / far)} impostor pairs")
    # Between the first refused impostor and the next above, rounded away from the refused one.
    refused = impostors[min(allowed, len(impostors) - 1)]
    above = impostors[impostors > refused]
    middle = (refused + above[-1]) / 2 if len(above) else refused
    threshold = math.ceil(middle * 1e4) / 1e4
    while threshold <= refused:
        threshold += 1e-4
    threshold = round(threshold, 4)
    return Threshold(
        similarity=threshold,
        far=float((impostors >= threshold).mean()),
        tar=round(float((similarities[same] >= threshold).mean()), 4),
        data=data,
        command=command,
    )
