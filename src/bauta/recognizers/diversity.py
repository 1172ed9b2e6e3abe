"""Which recognizers fail together: error correlation and focal diversity of teams.

All functions take errors as (M, N) booleans: whether member m of M judges sample n of N wrongly.

Focal diversity is that of Y. Wu et al., "Boosting Ensemble Accuracy by Revisiting Ensemble
Diversity Metrics", CVPR 2021, with the generalised diversity of D. Partridge and W. Krzanowski
("Software diversity: practical statistics for its measurement and exploitation", 1997) as its
measure; K.-H. Chow et al. choose the surrogates of Chameleon by it (ECCV 2024, arXiv 2407.13975).
For a team of S members and a set of samples let q(j) be the share of samples that exactly j members
get wrong:

    p(1) = sum over j of j / S * q(j)                      one member, picked at random, fails
    p(2) = sum over j of j (j - 1) / (S (S - 1)) * q(j)    two members, picked at random, both fail
    generalised diversity = 1 - p(2) / p(1)

The focal score of a member is the generalised diversity of the whole team, that member included, on
the samples that this member gets wrong (its negative samples). The focal diversity of the team is
the mean of its members' focal scores. This is what the authors' own code computes (git-disl,
EnsembleBench: generalized_diversity, calFocalDiversityScores), except that it draws three times 100
negative samples at random to save time, and here all of them count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError

Errors = NDArray[np.bool_]
Table = NDArray[np.float64]


def error_correlation(errors: Errors) -> Table:
    """Correlation of each two members' errors: the phi coefficient, which is Pearson's.

    Returns:
        (M, M) symmetric, -1 to 1: 1 for members that fail on the same samples, 0 for members that
        fail independently. Rows and columns of a member that never fails, or always, are NaN,
        because its errors do not vary.

    """
    centred = errors - errors.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    # Rounding leaves a constant row a norm of about 1e-16 instead of 0.
    constant = errors.all(axis=1) | ~errors.any(axis=1)
    norms[constant] = np.nan
    table: Table = (centred @ centred.T) / np.outer(norms, norms)
    return np.clip(table, -1, 1)


def disagreement(errors: Errors) -> Table:
    """Share of samples that exactly one of two members gets wrong: (M, M), 0 to 1, diagonal 0."""
    table: Table = (errors[:, None] ^ errors[None]).mean(axis=2)
    return table


def double_fault(errors: Errors) -> Table:
    """Share of samples that both of two members get wrong: (M, M), diagonal their error rates."""
    wrong = errors.astype(np.float64)
    table: Table = wrong @ wrong.T / errors.shape[1]
    return table


def generalised_diversity(errors: Errors) -> float:
    """1 - p(2) / p(1) of a team; see the module.

    Returns:
        0 (all members fail together) to 1 (no two ever do); NaN where nobody fails, since then
        nothing can be known.

    Raises:
        UsageError: the team has fewer than two members.

    """
    size = _checked_size(errors)
    failing = errors.sum(axis=0)
    one = float((failing / size).sum())
    two = float((failing * (failing - 1) / (size * (size - 1))).sum())
    return 1 - two / one if one else float("nan")


def focal_scores(errors: Errors) -> Table:
    """Generalised diversity of the team on the samples that each member gets wrong.

    Returns:
        (M,) 0 to 1; NaN for a member without errors, which gives no evidence.

    Raises:
        UsageError: the team has fewer than two members.

    """
    scores: Table = _scores(errors, np.ones((1, errors.shape[1])))[0]
    return scores


def focal_diversity(errors: Errors) -> float:
    """Mean focal score of a team's members; see the module.

    Members without errors are left out of the mean: they show nothing about failing together.

    Returns:
        0 to 1: higher is better for a team of surrogates; NaN where no member has errors.

    Raises:
        UsageError: the team has fewer than two members.

    """
    return float(_mean_known(focal_scores(errors)[None])[0])


def _scores(errors: Errors, weights: Table) -> Table:
    """Focal scores, (R, M), of (M, N) errors whose samples count ``weights`` (R, N) times."""
    size = _checked_size(errors)
    failing = errors.sum(axis=0)
    one = weights @ (errors * failing / size).T
    two = weights @ (errors * failing * (failing - 1) / (size * (size - 1))).T
    shared: Table = np.divide(two, one, out=np.full_like(one, np.nan), where=one > 0)
    return 1 - shared


def _mean_known(scores: Table) -> Table:
    """Mean of each row of (R, M) over what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(scores)
    count = known.sum(axis=1)
    total = scores.sum(axis=1, where=known)
    mean: Table = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _checked_size(errors: Errors) -> int:
    if len(errors) < 2:
        raise UsageError(f"diversity needs a team of at least 2, not of {len(errors)}")
    return len(errors)


@dataclass(frozen=True)
class Team:
    """A team and how rarely it fails together.

    Attributes:
        members: names.
        focal_diversity: see :func:`focal_diversity`.
        interval: its bootstrap 95 % interval over samples.
        all_fail: number of samples that every member gets wrong.
        some_fail: number of samples that at least one gets wrong: the evidence.

    """

    members: tuple[str, ...]
    focal_diversity: float
    interval: tuple[float, float]
    all_fail: int
    some_fail: int


def rank_teams(names: Sequence[str], errors: Errors, size: int, *, seed: int = 0) -> list[Team]:
    """All teams of a size, the most diverse first.

    Teams of different sizes are not to be compared: the paper ranks each size by itself.

    Args:
        names: the M members to choose from.
        errors: (M, N) their errors.
        size: members of a team, 2 to M.
        seed: of the resampling behind the intervals.

    Returns:
        Teams by falling focal diversity, those where it is NaN last, ties in the order of names.

    Raises:
        UsageError: the size is out of range.

    """
    if not 2 <= size <= len(names):
        raise UsageError(f"a team has 2 to {len(names)} members here, not {size}")
    weights = _resamples(errors.shape[1], seed)
    teams = [
        _team([names[i] for i in chosen], errors[list(chosen)], weights)
        for chosen in combinations(range(len(names)), size)
    ]
    return sorted(teams, key=lambda t: (np.isnan(t.focal_diversity), -t.focal_diversity))


def _resamples(count: int, seed: int, draws: int = 500) -> Table:
    """How often each of ``count`` samples is drawn in each bootstrap resample: (draws, count)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), draws).astype(np.float64)


def _team(members: Sequence[str], errors: Errors, weights: Table) -> Team:
    # Samples that nobody gets wrong change nothing but the time this takes.
    some = errors.any(axis=0)
    failed = errors[:, some]
    values = _mean_known(_scores(failed, weights[:, some]))
    values = values[~np.isnan(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
    return Team(
        members=tuple(members),
        focal_diversity=focal_diversity(failed),
        interval=(float(low), float(high)),
        all_fail=int(failed.all(axis=0).sum()),
        some_fail=failed.shape[1],
    )
