"""From what judges said, chip by chip, to rates and means of groups, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.bench.changes import CLEAN
from bauta.bench.chips import groups_of
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.plan import Plan
from bauta.bench.store import Store
from bauta.bench.table import Row, rate
from bauta.recognizers.thresholds import thresholds_of

#: What the mean over all strangers is called in the place of a judge.
MEAN = "mean of strangers"
#: Visibility out of a run's quality file, and what it is multiplied with.
_VISIBILITY = {"psnr": 1, "ssim": 100, "largest": 1, "lpips": 100}
#: Of each judge, what was measured of each chip, (N,).
_Said = dict[str, dict[str, NDArray[np.float64]]]


def rows_of_groups(store: Store, plan: Plan, roles: Mapping[str, str]) -> list[Row]:
    """Rates and means of all groups, by each judge, by the mean of strangers, and by no judge.

    The mean of strangers is one of each chip's mean over them, so that its interval is over chips.

    Args:
        store: a run, as far as it has come.
        plan: what it was to do.
        roles: its judges, each "stranger" or "kin".

    Raises:
        UsageError: a file of the run is damaged.

    """
    outcomes = [(entry, _outcomes(store, entry, roles)) for entry in contestants(plan)]
    nothing = [said for entry, said in outcomes if entry.entry.name == "none"]
    clean = nothing[0] if nothing else {}
    rows: list[Row] = []
    for entry, outcome in outcomes:
        if not outcome:
            continue
        inside = groups_of(next(iter(outcome.values()))["chips"])
        said = {judge: _measured(judge, values, clean) for judge, values in outcome.items()}
        strangers = {name: said[name] for name in said if roles[name] == "stranger"}
        for judge, role, values in [
            *((judge, roles[judge], values) for judge, values in said.items()),
            (MEAN, "mean", _mean(strangers)),
            ("", "", _visibility(store, entry)),
        ]:
            rows += _rows(entry, judge, role, values, inside)
    return rows


def _outcomes(
    store: Store, contestant: Contestant, roles: Mapping[str, str]
) -> dict[str, Mapping[str, Any]]:
    """What each judge said in scenario F, of those that did."""
    files = {judge: store.outcome(contestant, judge, CLEAN) for judge in roles}
    read = {judge: store.read(file) for judge, file in files.items() if file.is_file()}
    return {judge: outcome["F"] for judge, outcome in read.items() if "F" in outcome}


def _measured(
    judge: str, values: Mapping[str, Any], clean: Mapping[str, Mapping[str, Any]]
) -> dict[str, NDArray[np.float64]]:
    """All measures of each chip, (N,), in percent or hundredths."""
    similar = np.asarray(values["similarity"], dtype=np.float64)
    out: dict[str, NDArray[np.float64]] = {"likeness": 100 * similar}
    if judge in clean:
        before = np.asarray(clean[judge]["similarity"], dtype=np.float64)
        out["drop"] = 100 * (before - similar)
    table = thresholds_of(judge)
    for measure, name in (("hidden_1", "far-1%"), ("hidden_01", "far-0.1%")):
        # A recognizer that was never evaluated has no threshold to be below.
        if name in table:
            out[measure] = np.where(similar < table[name].similarity, 100.0, 0.0)
    return out


def _mean(strangers: _Said) -> dict[str, NDArray[np.float64]]:
    """Of each measure, each chip's mean over the judges that have it."""
    by_measure: dict[str, list[NDArray[np.float64]]] = {}
    for values in strangers.values():
        for measure, numbers in values.items():
            by_measure.setdefault(measure, []).append(numbers)
    return {measure: sum(some[1:], some[0]) / len(some) for measure, some in by_measure.items()}


def _visibility(store: Store, contestant: Contestant) -> dict[str, NDArray[np.float64]]:
    """How much each chip's face was changed, as far as it was measured."""
    file = store.quality(contestant)
    face = store.read(file)["face"] if file.is_file() else {}
    return {m: by * np.asarray(face[m], np.float64) for m, by in _VISIBILITY.items() if m in face}


def _rows(
    contestant: Contestant,
    judge: str,
    role: str,
    values: Mapping[str, NDArray[np.float64]],
    inside: Mapping[str, NDArray[np.bool_]],
) -> Iterator[Row]:
    for measure, numbers in values.items():
        for group, members in inside.items():
            some = numbers[members]
            yield rate(contestant, judge, role, "F", CLEAN, measure, some, group)
