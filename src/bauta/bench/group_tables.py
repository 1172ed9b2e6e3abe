"""Tables of groups down and methods across, which show whether anybody is protected worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bauta.bench.table import Row

#: Measures that get a table; all are in the CSV.
_SHOWN = ("hidden_1", "likeness", "drop", "psnr", "ssim", "largest", "lpips")
_ABOUT = (
    "Groups are those of UTKFace's labels. Each number is the mean over the judges named, all "
    "strangers (visibility needs none), with the 95 % interval over chips. What counts is how far "
    "a group is from the others, and from itself without protection: judges, too, differ between "
    "groups.\n"
)


def group_tables(rows: Sequence[Row], measures: Mapping[str, str]) -> str:
    """All tables of scenario F as Markdown, each with the largest gaps within an attribute.

    Args:
        rows: of a run; only those of the mean over strangers, and of no judge, are shown.
        measures: name of a measure to what is said of it.

    """
    of_groups = [row for row in rows if row.scenario == "F"]
    shown = [row for row in of_groups if row.role in ("mean", "")]
    parts = [_ABOUT]
    for measure in _SHOWN:
        some = [row for row in shown if row.measure == measure]
        if some:
            parts.append(f"## Scenario F, {measures[measure]}\n")
            parts.append(_judges(of_groups, measure))
            parts.append(_table(some))
            parts.append("".join(f"- {line}\n" for line in _gaps(some)))
    return "\n".join(part for part in parts if part)


def _judges(rows: Sequence[Row], measure: str) -> str:
    """Who is in the mean: not every stranger has thresholds."""
    some = [r.judge for r in rows if r.role == "stranger" and r.measure == measure]
    return f"Judges: {', '.join(dict.fromkeys(some))}.\n" if some else ""


def _table(rows: Sequence[Row]) -> str:
    cells = {(row.group, row.method, row.epsilon): row for row in rows}
    columns = list(dict.fromkeys((row.method, row.epsilon) for row in rows))
    chips = {row.group: row.people for row in rows}
    titles = [f"{name}, ε {epsilon:g}" if epsilon else name for name, epsilon in columns]
    lines = [["group", "chips", *titles], ["---"] * (2 + len(columns))]
    for group, count in chips.items():
        words = [_cell(cells.get((group, *column))) for column in columns]
        lines.append([group, str(count), *words])
    return "\n".join(f"| {' | '.join(words)} |" for words in lines) + "\n"


def _cell(row: Row | None) -> str:
    return f"{row.percent:.1f} ({row.low:.1f}–{row.high:.1f})" if row else ""


def _gaps(rows: Sequence[Row]) -> Iterator[str]:
    """A sentence for each method: the largest gap between two groups of one attribute, if any."""
    for method, epsilon in dict.fromkeys((row.method, row.epsilon) for row in rows):
        some = [row for row in rows if (row.method, row.epsilon) == (method, epsilon)]
        pair = largest_gap(some)
        if pair is None or pair[0].percent == pair[1].percent:
            continue
        low, high = pair
        overlap = "overlap" if high.low <= low.high else "do not overlap"
        title = f"{method}, ε {epsilon:g}" if epsilon else method
        yield (
            f"{title}: largest gap {high.percent - low.percent:.1f}, between {low.group} "
            f"({low.percent:.1f}) and {high.group} ({high.percent:.1f}); the intervals {overlap}"
        )


def largest_gap(rows: Sequence[Row]) -> tuple[Row, Row] | None:
    """The two groups of one attribute that are furthest apart, the lower first.

    Args:
        rows: one measure of one method, a row per group.

    Returns:
        Their rows, or None if no attribute has two groups.

    """
    pairs = [
        (a, b) if a.percent <= b.percent else (b, a)
        for a, b in combinations([row for row in rows if ": " in row.group], 2)
        if a.group.split(":")[0] == b.group.split(":")[0]
    ]
    return max(pairs, key=lambda pair: pair[1].percent - pair[0].percent, default=None)
