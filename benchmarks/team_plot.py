"""Draw what teams of surrogates hide, against their size and time.

python benchmarks/team_plot.py docs/results/teams.jsonl docs/results/teams.png
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bauta.recognizers.zoo import lineage_of

_HEIGHT, _WIDTH = 0.42, 2.3
_OPEN, _KIN = "#1f6f8b", "#c9c9c9"


def main() -> None:
    """Draw one row per team, one column per judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.rows.read_text("utf-8").splitlines()]
    rows.sort(key=lambda row: (len(row["surrogates"]), _strangers(row)))
    draw(rows).savefig(args.out)


def draw(rows: Sequence[dict[str, Any]]) -> Figure:
    """Bars of Rank-1-UT with 95 % intervals; grey where judge and team are kin."""
    judges = list(dict.fromkeys(name for row in rows for name in row["judges"]))
    size = (4.2 + _WIDTH * len(judges), 1.3 + _HEIGHT * len(rows))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(judges), sharey=True, squeeze=False)[0]
    fastest = min(row["seconds_per_face"] for row in rows)
    labels = [
        f"{' + '.join(row['surrogates'])}  ({row['seconds_per_face'] / fastest:.1f}x)"
        for row in rows
    ]
    for axis, judge in zip(axes, judges, strict=True):
        for place, row in enumerate(rows):
            _bar(axis, place, row, judge)
        axis.set_title(judge, fontsize=9)
        axis.set_xlim(0, 100)
        axis.axvline(95, color="#b03a2e", linewidth=0.8, linestyle=":")
        axis.grid(axis="x", linewidth=0.3)
        axis.tick_params(labelsize=8)
    axes[0].set_yticks(range(len(rows)), labels, fontsize=8)
    axes[0].invert_yaxis()
    first = rows[0]
    figure.supxlabel(
        f"Rank-1-UT in %, {first['people']} people, {first['goal']}, "
        f"epsilon {first['epsilon']:g}; grey: kin of the team; dotted: 95 %; "
        "in brackets: time per face",
        fontsize=8,
    )
    return figure


def _bar(axis: Any, place: int, row: dict[str, Any], judge: str) -> None:
    if judge not in row["judges"]:
        return
    rate = row["judges"][judge]["rank1_ut"]
    low, high = rate["interval_95"]
    value = rate["percent"]
    axis.barh(
        place,
        value,
        xerr=[[max(0, value - low)], [max(0, high - value)]],
        color=_KIN if _kin(row, judge) else _OPEN,
        error_kw={"linewidth": 0.8},
        height=0.7,
    )
    ink = "black" if _kin(row, judge) else "white"
    axis.text(2, place, f"{value:.0f}", va="center", fontsize=7, color=ink)


def _kin(row: dict[str, Any], judge: str) -> bool:
    return any(lineage_of(judge) & lineage_of(name) for name in row["surrogates"])


def _strangers(row: dict[str, Any]) -> float:
    """Mean rate of the judges that are not kin."""
    rates = [r["rank1_ut"]["percent"] for n, r in row["judges"].items() if not _kin(row, n)]
    return sum(rates) / max(1, len(rates))


if __name__ == "__main__":
    main()
