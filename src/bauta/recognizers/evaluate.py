"""Evaluation of a recognizer on verification pairs: accuracy, TAR at fixed FAR, thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.index import Progress, index_faces
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.thresholds import Threshold

FARS = {"far-1%": 0.01, "far-0.1%": 0.001}
#: Name of the threshold at which both kinds of error are as frequent.
EQUAL_ERROR = "equal-error"
#: Quantiles of genuine similarities that are kept with a threshold, ends included.
_QUANTILES = 21


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
        thresholds: by name: "far-1%", "far-0.1%" and "equal-error".
        pairs: number of pairs.
        assumed: photos in which no face was found, whose middle was taken instead.
        similarities: (N,) similarity of each pair.
        same: (N,) whether it is one person.
        guessed: (N,) whether no face was found in one of its photos, so that an error is not the
            recognizer's own.

    """

    recognizer: str
    accuracy: float
    deviation: float
    thresholds: Mapping[str, Threshold]
    pairs: int
    assumed: int
    similarities: NDArray[np.float64]
    same: NDArray[np.bool_]
    guessed: NDArray[np.bool_]

    def errors(self, at: str = EQUAL_ERROR) -> NDArray[np.bool_]:
        """Pairs that are judged wrongly at one of the thresholds.

        Args:
            at: its name. The default balances both kinds of error; at a low FAR almost all errors
                of a good recognizer are refused genuine pairs.

        Returns:
            (N,) impostors accepted and genuine pairs refused.

        Raises:
            UsageError: no threshold has this name.

        """
        if at not in self.thresholds:
            raise UsageError(f"no threshold is called {at!r}; known: {', '.join(self.thresholds)}")
        wrong: NDArray[np.bool_] = (
            self.similarities >= self.thresholds[at].similarity
        ) != self.same
        return wrong


def read_pairs(path: Path) -> list[Pair]:
    """Read LFW's ``pairs.txt``: ten folds of 300 genuine and 300 impostor pairs.

    Raises:
        UsageError: the file is not of that form.

    """
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
        folds, size = (int(word) for word in lines[0])
        if folds < 1 or size < 1:
            raise ValueError(f"{folds} folds of {size} pairs")
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
        cache: folder where found faces and embeddings are kept.
        data: name of data and pairs, for the thresholds' provenance.
        command: how to repeat this, likewise.
        progress: told the photos done and in all: first of finding faces, then of embedding.

    """
    names = sorted({name for pair in pairs for name in (pair.a, pair.b)})
    found = index_faces(root, names, cache, progress=progress)
    embeddings = embed_photos(judge, root, found, cache, progress=progress)
    a = np.stack([embeddings[pair.a] for pair in pairs]).astype(np.float64)
    b = np.stack([embeddings[pair.b] for pair in pairs]).astype(np.float64)
    similarities = 1 - ((a - b) ** 2).sum(axis=1) / 2
    same = np.array([pair.same for pair in pairs])
    limits = {
        name: threshold_at(far, similarities, same, data, command) for name, far in FARS.items()
    }
    limits[EQUAL_ERROR] = equal_error_threshold(similarities, same, data, command)
    accuracies = fold_accuracies(similarities, same, np.array([pair.fold for pair in pairs]))
    return Evaluation(
        recognizer=judge.name,
        accuracy=float(accuracies.mean()),
        deviation=float(accuracies.std(ddof=1) / np.sqrt(len(accuracies))),
        thresholds=limits,
        pairs=len(pairs),
        assumed=sum(face is None for face in found.values()),
        similarities=similarities,
        same=same,
        guessed=np.array([found[pair.a] is None or found[pair.b] is None for pair in pairs]),
    )


def fold_accuracies(
    similarities: NDArray[np.float64], same: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Accuracy of each fold at the threshold that is best on the other folds.

    Raises:
        UsageError: there is one fold only.

    """
    if len(np.unique(folds)) < 2:
        raise UsageError("accuracy is measured fold by fold: the pairs need two folds at least")
    out = []
    for fold in np.unique(folds):
        rest = folds != fold
        threshold = _best_threshold(similarities[rest], same[rest])
        out.append(float(((similarities[~rest] >= threshold) == same[~rest]).mean()))
    return np.array(out)


def _best_threshold(similarities: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """Threshold of the highest accuracy, in the middle of its gap."""
    values, accepted, refused = _mistakes(similarities, same)
    return _middle_of_gap(values, int((accepted + refused).argmin()))


def roc_curve(
    similarities: NDArray[np.float64], same: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Receiver operating characteristic.

    Args:
        similarities: (N,) similarities.
        same: (N,) whether each is of one person; both kinds must be there.

    Returns:
        False accept rates, (K,), rising from 0 to 1, and the true accept rates that belong to
        them, (K,), rising to 1: one point for each distinct similarity, and one for refusing all.

    """
    _, accepted, refused = _mistakes(similarities, same)
    far = accepted[::-1] / (~same).sum()
    tar = 1 - refused[::-1] / same.sum()
    return far, tar


def _mistakes(
    similarities: NDArray[np.float64], same: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int_], NDArray[np.int_]]:
    """Distinct similarities, (K,), and what goes wrong when accepting from each on, (K + 1,).

    That is impostors accepted and genuine pairs refused. The last entry refuses everything.
    """
    values = np.unique(similarities)
    edges = np.append(values, np.inf)
    impostors, genuine = np.sort(similarities[~same]), np.sort(similarities[same])
    accepted = len(impostors) - np.searchsorted(impostors, edges)
    return values, accepted, np.searchsorted(genuine, edges)


def _middle_of_gap(values: NDArray[np.float64], index: int) -> float:
    """Middle between ``values[index - 1]`` and ``values[index]``; either may not exist."""
    low = values[index - 1] if index > 0 else values[0] - 1
    high = values[index] if index < len(values) else values[-1] + 1
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
    found = _threshold(threshold, similarities, same, data, command)
    if not same.any():
        return found
    genuine = np.quantile(similarities[same], np.linspace(0, 1, _QUANTILES)).round(3)
    return replace(found, genuine=tuple(genuine.tolist()))


def equal_error_threshold(
    similarities: NDArray[np.float64], same: NDArray[np.bool_], data: str, command: str
) -> Threshold:
    """Threshold at which the shares of accepted impostors and refused genuine pairs are nearest.

    It lies in the middle of its gap between similarities; of several such gaps, the lowest.

    Raises:
        UsageError: there are no impostor pairs, or no genuine ones.

    """
    if same.all() or not same.any():
        raise UsageError("an equal error rate needs pairs of one person and of two")
    values, accepted, refused = _mistakes(similarities, same)
    apart = np.abs(accepted / (~same).sum() - refused / same.sum())
    middle = _middle_of_gap(values, int(apart.argmin()))
    return _threshold(middle, similarities, same, data, command)


def _threshold(
    similarity: float,
    similarities: NDArray[np.float64],
    same: NDArray[np.bool_],
    data: str,
    command: str,
) -> Threshold:
    """Record of a threshold, with the rates that it has as it is stored."""
    stored = round(similarity, 4)
    return Threshold(
        similarity=stored,
        far=float((similarities[~same] >= stored).mean()),
        tar=round(float((similarities[same] >= stored).mean()), 4),
        data=data,
        command=command,
    )
