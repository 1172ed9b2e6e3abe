"""Whom judges still find: the people whom a method protects worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bauta.bench.changes import CLEAN
from bauta.bench.contestants import Contestant
from bauta.bench.people import TESTED
from bauta.bench.store import Store


@dataclass(frozen=True, kw_only=True)
class Case:
    """A protected photo, and who still found the person in it first.

    Attributes:
        number: of the photo in the store.
        judges: strangers to the surrogates; kin is not asked.
        similarity: mean over strangers to another photo of the person; 0 if none was measured.

    """

    number: int
    judges: tuple[str, ...]
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Failures:
    """What strangers found in a method's photos.

    Attributes:
        strangers: those who have judged.
        cases: all photos, those that most strangers found first.

    """

    strangers: tuple[str, ...]
    cases: tuple[Case, ...]

    @property
    def found(self) -> Counter[int]:
        """How many photos were found by how many strangers."""
        return Counter(len(case.judges) for case in self.cases)


def failures_of(store: Store, contestant: Contestant, judges: Mapping[str, str]) -> Failures | None:
    """Read what strangers said of a method: of scenario A, or of personal masks.

    Args:
        store: the run.
        contestant: the method.
        judges: their roles; who is not a "stranger" is left out.

    Returns:
        Photos, worst first; None if no stranger has judged yet.

    Raises:
        UsageError: a file of the run is damaged.

    """
    files = {n: store.outcome(contestant, n, CLEAN) for n, r in judges.items() if r == "stranger"}
    read = {name: store.read(file) for name, file in files.items() if file.is_file()}
    # Groups are compared one to one, and nobody is searched for.
    said = {name: one for name, one in read.items() if "A" in one or "U" in one}
    if not said:
        return None
    ranks = {name: (one.get("U") or one["A"])["own_rank"] for name, one in said.items()}
    alike = np.mean([_similarities(one) for one in said.values()], axis=0)
    numbers = _numbers(next(iter(said.values())))
    cases = [
        Case(
            number=number,
            judges=tuple(name for name, row in ranks.items() if row[at] == 1),
            similarity=float(alike[at]),
        )
        for at, number in enumerate(numbers)
    ]
    cases.sort(key=lambda case: (-len(case.judges), -case.similarity))
    return Failures(strangers=tuple(said), cases=tuple(cases))


def _similarities(outcome: Mapping[str, Any]) -> list[float]:
    """To another photo of the same person."""
    for scenario in ("D", "U"):
        if "own_similarity" in outcome.get(scenario, {}):
            return list(outcome[scenario]["own_similarity"])
    return [0.0] * len(_numbers(outcome))


def _numbers(outcome: Mapping[str, Any]) -> list[int]:
    """What the photos of an outcome are numbered in the store."""
    if "U" not in outcome:
        return list(range(len(outcome["A"]["own_rank"])))
    seen: Counter[int] = Counter()
    out = []
    for person in outcome["U"]["own_rank_of"]:
        out.append(TESTED * person + seen[person])
        seen[person] += 1
    return out
