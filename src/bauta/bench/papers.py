"""A run beside what a paper says: plans that repeat a paper's table have its numbers at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bauta.named import names_of, read_named

if TYPE_CHECKING:
    from bauta.bench.table import Row

_MEASURES = ("rank1_t", "rank1_ut")


def beside_paper(plan: str, rows: Sequence[Row]) -> str:
    """Rank-1-T and Rank-1-UT of scenario A beside the paper's, as Markdown.

    Args:
        plan: name of the plan; only some repeat a paper's table.
        rows: of the run.

    Returns:
        A table with a heading, or nothing if the plan repeats no paper.

    """
    if plan not in names_of("paper"):
        return ""
    paper = read_named("paper", plan)
    lines = [["the paper", "its judges: T / UT", "here", "judges here: T / UT"], ["---"] * 4]
    for row in paper["rows"]:
        here = _measured(row["here"], rows)
        lines.append([row["paper"] or "–", _cells(row["cells"]), row["here"], _cells(here)])
    table = "\n".join(f"| {' | '.join(words)} |" for words in lines)
    return f"## Beside the paper\n\n{paper['source']}. {paper['about']}\n\n{table}\n"


def _measured(method: str, rows: Sequence[Row]) -> dict[str, list[float]]:
    """Of each stranger, what it was measured at."""
    some = [r for r in rows if (r.method, r.scenario, r.change) == (method, "A", "clean")]
    found = {(r.judge, r.measure): r.percent for r in some if r.role == "stranger"}
    judges = dict.fromkeys(judge for judge, _ in found)
    return {judge: [found[judge, measure] for measure in _MEASURES] for judge in judges}


def _cells(cells: Mapping[str, Sequence[Any]]) -> str:
    """Judges and their numbers, and the mean of all judges."""
    if not cells:
        return "–"
    words = [f"{judge} {_numbers(values)}" for judge, values in cells.items()]
    return f"**{_numbers(np.mean(list(cells.values()), axis=0))}** ({'; '.join(words)})"


def _numbers(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.0f}" for value in values)
