"""Tables of a run's page: rates, and how much photos change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bauta.audit.document import Html, Parts, join
from bauta.bench.contestants import Contestant
from bauta.bench.grids import Grid, Line
from bauta.bench.table import Row
from bauta.bench.visibility import Quality, measured_columns

_fill = Parts("bauta.bench", "report.html").fill


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


def quality_table(methods: Sequence[Listed], quality: Quality) -> Html:
    """How far files are from originals; "" before anything was measured.

    Args:
        methods: in their order.
        quality: what was measured.

    """
    columns = measured_columns(quality)
    rows = [
        _row(
            method,
            [
                _budget(method.contestant.epsilon),
                *(_cell(column.of(measured), column.text(measured)) for column in columns),
            ],
        )
        for method in methods
        if (measured := quality.get(method.contestant.key)) is not None
    ]
    if not rows:
        return Html("")
    titles = ["ε", *(column.title[0].upper() + column.title[1:] for column in columns)]
    head = [_fill("column", look="", title="Method")]
    head += [_fill("column", look="number", title=title) for title in titles]
    return _table("Quality", "quality", head, rows)


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
