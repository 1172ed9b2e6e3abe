"""Rates as grids: methods down, judges across, and what strangers say on average."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bauta.bench.table import Row

#: What protection means in one number, the first of these that a run has: scenario and measure.
_LEADING = (("A", "rank1_ut"), ("U", "psr_1"), ("D", "dodge_1"), ("B", "rank1_ut"))


@dataclass(frozen=True, kw_only=True)
class Mean:
    """What strangers say on average.

    Attributes:
        percent: mean of their rates.
        low: mean of their intervals' lower ends, which is at most the lower end of the mean's own
            interval: opinions of several judges vary less than those of one.
        high: likewise.
        judges: how many strangers there were.

    """

    percent: float
    low: float
    high: float
    judges: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """A method at a budget.

    Attributes:
        method: title of the entry.
        epsilon: its budget in grey levels; 0 for none.
        group: the people it is about, where rates are told apart by groups.
        mean: over strangers; None if none has spoken yet.
        cells: a rate per judge of the grid; None if it has not spoken yet.

    """

    method: str
    epsilon: float
    group: str
    mean: Mean | None
    cells: tuple[Row | None, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A measure in a scenario.

    Attributes:
        judges: name and role of each; strangers first. Who is kin to the surrogates of some methods
            only is called a stranger here: the rates say of whom.
        lines: the highest mean first, those without one last; of groups, as they come.

    """

    judges: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]


def grid_of(rows: Iterable[Row], scenario: str, measure: str, change: str = "clean") -> Grid:
    """Lay rates out; without any, the grid is empty."""
    some = [r for r in rows if (r.scenario, r.measure, r.change) == (scenario, measure, change)]
    opinions = [row for row in some if row.role in ("stranger", "kin")]
    # A judge may be kin to one method's surrogates and a stranger to another's.
    known = {row.judge for row in opinions if row.role == "stranger"}
    judges = sorted({(row.judge not in known, row.judge) for row in opinions})
    cells = {(*_key(row), row.judge): row for row in some}
    lines = []
    for key in dict.fromkeys(map(_key, some)):
        mean = stranger_mean([row for row in some if _key(row) == key])
        got = tuple(cells.get((*key, judge)) for _, judge in judges)
        lines.append(Line(method=key[0], epsilon=key[1], group=key[2], mean=mean, cells=got))
    # Groups are compared within a method, whose lines stay together.
    if not any(line.group for line in lines):
        lines.sort(key=lambda line: -line.mean.percent if line.mean else 1)
    return Grid(
        judges=tuple((name, "kin" if kin else "stranger") for kin, name in judges),
        lines=tuple(lines),
    )


def stranger_mean(rows: Sequence[Row]) -> Mean | None:
    """Mean over the judges that are strangers to the surrogates; kin counts in nothing.

    Where a row is that mean already, or needs no judge, it is taken as it is.
    """
    ready = [row for row in rows if row.role in ("mean", "")]
    strangers = ready[:1] or [row for row in rows if row.role == "stranger"]
    if not strangers:
        return None
    percent, low, high = np.mean([(r.percent, r.low, r.high) for r in strangers], axis=0).tolist()
    return Mean(percent=percent, low=low, high=high, judges=len(strangers))


def leading(rows: Iterable[Row]) -> tuple[str, str] | None:
    """Scenario and measure that stand for protection in pictures; None without any."""
    there = {(row.scenario, row.measure) for row in rows}
    return next((pair for pair in _LEADING if pair in there), None)


def _key(row: Row) -> tuple[str, float, str]:
    return row.method, row.epsilon, row.group
