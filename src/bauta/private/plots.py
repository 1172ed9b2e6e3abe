"""Accuracy against what is kept private, a plot for every score, each point with its name."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from bauta.errors import MissingExtraError

if TYPE_CHECKING:
    from bauta.private.report import Row

#: Columns of the plots: attribute, and what it is called.
_COLUMNS = (
    ("s1", "S1: unlike, at a glimpse"),
    ("s2", "S2: unknown, at a glimpse"),
    ("s3", "S3: unlike, as drawn"),
    ("s4", "S4: unknown, as drawn"),
    ("privacy", "privacy score"),
    ("unlinked", "not linked"),
)

#: Where a name may stand beside its point: offset in points, and how it is aligned there.
_PLACES: tuple[tuple[tuple[int, int], str], ...] = (
    ((5, 3), "left"), ((-5, 3), "right"), ((5, -8), "left"), ((-5, -8), "right"),
    ((5, 10), "left"), ((-5, 10), "right"), ((5, -16), "left"), ((-5, -16), "right"),
    ((5, 18), "left"), ((-5, 18), "right"), ((5, -24), "left"), ((-5, -24), "right"),
)  # fmt: skip


def plots(rows: Sequence[Row], best: Collection[str]) -> bytes:
    """A PNG of the plots.

    Args:
        rows: the defences.
        best: names of those that are drawn in red.

    Raises:
        MissingExtraError: matplotlib is not installed.

    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing a report", "bench") from error
    figure = Figure(figsize=(13, 8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    named = [
        (axes, _points(axes, rows, best, column, title))
        for axes, (column, title) in zip(figure.subplots(2, 3).flatten(), _COLUMNS, strict=True)
    ]
    # Names come last, when it is known where everything lies; they move nothing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, points in named:
        _name(axes, points)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _points(
    axes: Any, rows: Sequence[Row], best: Collection[str], column: str, title: str
) -> list[tuple[str, float, float]]:
    """Draw the points of a plot; return their names and places."""
    points = []
    for row in rows:
        value = getattr(row, column)
        if value is None:
            continue
        axes.errorbar(
            value, 100 * row.accuracy, yerr=100 * row.error,
            xerr=(row.spread if column == "s4" else 0) or None, fmt="o",
            color="tab:red" if row.name in best else "tab:blue", ms=4, lw=1,
        )  # fmt: skip
        points.append((row.name, value, 100 * row.accuracy))
    axes.set(title=title, xlim=(-0.05, 1.1), xlabel="more private →")
    axes.set_ylabel("accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return points


def _name(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write every name where it covers least of points and names that are there."""
    from matplotlib.transforms import Bbox

    spots = axes.transData.transform([(x, y) for _, x, y in points])
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in spots]
    for name, x, y in sorted(points, key=lambda point: -point[2]):
        tried: list[tuple[float, int, Any, Any]] = []
        for offset, align in _PLACES:
            text = axes.annotate(
                name, (x, y), xytext=offset, textcoords="offset points", ha=align, fontsize=7
            )
            box = text.get_window_extent()
            cost = sum(_shared(box, other) for other in taken)
            outside = box.width * box.height - _shared(box, axes.bbox)
            tried.append((cost + outside, len(tried), text, box))
            if cost + outside == 0:
                break
        _, _, chosen, box = min(tried, key=lambda one: one[:2])
        taken.append(box)
        for _, _, text, _ in tried:
            if text is not chosen:
                text.remove()


def _shared(one: Any, other: Any) -> float:
    """Area that two boxes share, in pixels."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, float(wide)) * max(0.0, float(high))
