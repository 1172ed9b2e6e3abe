"""Evaluation protocols as pure functions over embeddings."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from bauta.recognizers.base import similarity_matrix


def ranked(
    probes: NDArray[np.floating], gallery: NDArray[np.floating], names: Sequence[str]
) -> NDArray[np.str_]:
    """Names of the gallery's entries, most similar first.

    Args:
        probes: (N, D) embeddings.
        gallery: (M, D) embeddings.
        names: the M people in the gallery's photos.

    Returns:
        (N, M) names.

    """
    order = np.argsort(-similarity_matrix(probes, gallery), axis=1, kind="stable")
    sorted_names: NDArray[np.str_] = np.asarray(names)[order]
    return sorted_names


def rank_untargeted(rows: NDArray[np.str_], own: Sequence[str], n: int) -> NDArray[np.bool_]:
    """Rank-n-UT, (N,): the person is not among the first n (Yang et al., ICCV 2021)."""
    return np.array([name not in row[:n] for name, row in zip(own, rows, strict=True)])


def rank_targeted(rows: NDArray[np.str_], targets: Collection[str], n: int) -> NDArray[np.bool_]:
    """Rank-n-T, (N,): one of the targets is among the first n (Yang et al., ICCV 2021)."""
    hits: NDArray[np.bool_] = np.isin(rows[:, :n], list(targets))
    return np.asarray(hits.any(axis=1))


def first_ranks(rows: NDArray[np.str_], wanted: Sequence[Collection[str]]) -> NDArray[np.int64]:
    """(N,) rank, from 1, of the first entry of each row that shows one of the wanted people.

    From it follow Rank-n-UT (the person's own rank is above n) and Rank-n-T (a target's is not).
    A row without any of them has the rank after its last.
    """
    length = rows.shape[1]
    out = np.empty(len(rows), dtype=np.int64)
    for index, (row, people) in enumerate(zip(rows, wanted, strict=True)):
        hits = np.flatnonzero(np.isin(row, list(people)))
        out[index] = hits[0] + 1 if len(hits) else length + 1
    return out


def pair_similarities(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) similarity of each of N embeddings to its partner: 1:1 verification."""
    apart = a.astype(np.float64) - b.astype(np.float64)
    similarities: NDArray[np.float64] = 1 - np.square(apart).sum(axis=1) / 2
    return similarities


def interval(
    values: NDArray[np.floating] | NDArray[np.bool_], seed: int = 0
) -> tuple[float, float]:
    """Bootstrap 95 % interval of a mean over people, from 2,000 resamples."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(values), (2000, len(values)))
    means = np.asarray(values, dtype=np.float64)[draws].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
