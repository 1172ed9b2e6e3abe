"""Tables of a run's page: rates, and how much photos change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bauta.audit.document import Html, Parts, join
from bauta.bench.contestants import Contestant
from bauta.bench.grids import Grid, Line
from bauta.bench.table import Row

_fill = Parts("bauta.bench", "report.html").fill
#: PSNR that stands for an unchanged photo.
_UNCHANGED = 100.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Listed:
    """A contestant as the page calls it.

    Attributes:
        contestant: who.
        number: its number in all tables and charts, from 1: the best leads.
        label: its title, and its budget where the plan has several.

    """

    contestant: Contestant
    number: int
    label: str

    @property
    def kind(self) -> str:
        """Which group it is coloured as."""
        return self.contestant.kind

    @property
    def clean(self) -> bool:
        """Whether it leaves photos as they are."""
        return self.contestant.entry.name == "none"

    @property
    def key(self) -> str:
        """The same in all charts."""
        return f"m{self.number}"

    @property
    def look(self) -> str:
        """Class of its rows."""
        return "clean" if self.clean else "own" if self.kind == "bauta" else ""


def listed(entries: Sequence[Contestant], grid: Grid | None) -> list[Listed]:
    """Number contestants as the leading grid sorts them; those not in it come last."""
    places = {(line.method, line.epsilon): at for at, line in enumerate(grid.lines if grid else ())}
    several = len({entry.epsilon for entry in entries if entry.epsilon}) > 1
    order = sorted(entries, key=lambda e: places.get((e.entry.title, e.epsilon), len(places)))
    return [
        Listed(
            contestant=entry,
            number=number,
            label=f"{entry.entry.title}, ε {entry.epsilon:g}"
            if several and entry.epsilon
            else entry.entry.title,
        )
        for number, entry in enumerate(order, 1)
    ]


def found(methods: Sequence[Listed], line: Line) -> Listed:
    """The contestant of a grid's line."""
    pair = (line.method, line.epsilon)
    return next(m for m in methods if (m.contestant.entry.title, m.contestant.epsilon) == pair)


def rate_table(methods: Sequence[Listed], grid: Grid, label: str) -> Html:
    """A grid as a table: the mean of strangers leads, kin of surrogates comes last, in grey."""
    groups = any(line.group for line in grid.lines)
    head = [_fill("column", look="", title="Method")]
    head += [_fill("column", look="", title="Group")] if groups else []
    head.append(_fill("column", look="number", title="ε"))
    direction = "none" if groups else "descending"
    title = "Mean of strangers" if grid.judges else "Mean"
    head.append(_fill("sorted", look="number lead", direction=direction, title=title))
    head += [
        _fill("column", look="number", title=name)
        if role == "stranger"
        else _fill("column", look="number kin", title=f"{name} (kin)")
        for name, role in grid.judges
    ]
    columns = [role for _, role in grid.judges]
    rows = [_rates(found(methods, line), line, columns, groups=groups) for line in grid.lines]
    return _table(label, "rates", head, rows)


def _rates(method: Listed, line: Line, columns: Sequence[str], *, groups: bool) -> Html:
    cells = [_fill("words", text=line.group)] if groups else []
    cells.append(_budget(line.epsilon))
    if line.mean:
        cells.append(_rate(line.mean.percent, line.mean.low, line.mean.high, "number lead"))
    else:
        cells.append(_cell(None, "", "number lead"))
    return _row(method, [*cells, *map(_judged, line.cells, columns)])


def _judged(row: Row | None, column: str) -> Html:
    """A judge's rate; who is kin to this method's surrogates alone is called so in the cell."""
    if row is None:
        return _cell(None, "")
    look = "number" if row.role == "stranger" else "number kin"
    mark = "(kin) " if row.role == "kin" and column == "stranger" else ""
    return _rate(row.percent, row.low, row.high, look, mark)


def quality_table(methods: Sequence[Listed], quality: Mapping[str, Mapping[str, Any]]) -> Html:
    """How far files are from originals; "" before anything was measured.

    Args:
        methods: in their order.
        quality: what :func:`bauta.bench.quality.quality` gave, by the contestant's key.

    """
    columns = [c for c in _COLUMNS if any(c.of(one) is not None for one in quality.values())]
    rows = [
        _row(method, [_budget(method.contestant.epsilon), *(c.cell(measured) for c in columns)])
        for method in methods
        if (measured := quality.get(method.contestant.key)) is not None
    ]
    if not rows:
        return Html("")
    titles = ["ε", *(column.title for column in columns)]
    head = [_fill("column", look="", title="Method")]
    head += [_fill("column", look="number", title=title) for title in titles]
    return _table("Quality", "quality", head, rows)


@dataclass(frozen=True)
class _Column:
    """A number of a method's quality.

    Attributes:
        part: "photo", "face", or "" for what is of neither.
        key: what it is called in the file.
        title: what it is called in the table.
        digits: behind the point.

    """

    part: str
    key: str
    title: str
    digits: int

    def of(self, measured: Mapping[str, Any]) -> float | None:
        """Mean over people; the largest change is that of all."""
        values = (measured.get(self.part, {}) if self.part else measured).get(self.key)
        if values is None or (isinstance(values, list) and not values):
            return None
        return float(np.max(values) if self.key == "largest" else np.mean(values))

    def cell(self, measured: Mapping[str, Any]) -> Html:
        """The number in the table."""
        value = self.of(measured)
        if value is not None and self.key == "psnr" and value >= _UNCHANGED:
            return _cell(value, "unchanged")
        return _cell(value, "" if value is None else f"{value:.{self.digits}f}")


_COLUMNS = (
    _Column("face", "psnr", "Face: PSNR, dB", 1),
    _Column("face", "ssim", "SSIM", 3),
    _Column("face", "lpips", "LPIPS", 3),
    _Column("photo", "psnr", "Photo: PSNR, dB", 1),
    _Column("photo", "ssim", "SSIM", 3),
    _Column("photo", "ms_ssim", "MS-SSIM", 3),
    _Column("photo", "lpips", "LPIPS", 3),
    _Column("photo", "largest", "Largest change", 0),
    _Column("", "mmd", "MMD", 4),
    _Column("", "seconds", "Seconds", 2),
)
_FACE = {column.key: column for column in _COLUMNS if column.part == "face"}


def face_quality(measured: Mapping[str, Any] | None, key: str) -> float | None:
    """Mean of "psnr", "ssim" or "lpips" within faces; None if unknown or if nothing was changed."""
    if measured is None or (_FACE["psnr"].of(measured) or 0) >= _UNCHANGED:
        return None
    return _FACE[key].of(measured)


def _table(label: str, look: str, head: Sequence[Html], rows: Sequence[Html]) -> Html:
    return _fill("table", label=label, look=look, head=Html("".join(head)), rows=join(rows))


def _row(method: Listed, cells: Sequence[Html]) -> Html:
    # The budget has a column of its own.
    title = method.contestant.entry.title
    hint = _fill("hint", text="unprotected") if method.clean else Html("")
    return _fill(
        "row", look=method.look, number=method.number, method=title, hint=hint,
        cells=Html("".join(cells)),
    )  # fmt: skip


def _budget(epsilon: float) -> Html:
    return _cell(epsilon or None, f"{epsilon:g}" if epsilon else "")


def _rate(value: float, low: float, high: float, look: str, mark: str = "") -> Html:
    return _fill(
        "rate", look=look, value=f"{value:.6g}", text=f"{mark}{value:.1f}",
        low=f"{low:.0f}", high=f"{high:.0f}",
    )  # fmt: skip


def _cell(value: float | None, text: str, look: str = "number") -> Html:
    kept = "" if value is None else f"{value:.6g}"
    return _fill("cell", look=look, value=kept, text=text or "–")
