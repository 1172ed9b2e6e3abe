"""Charts of a run as SVG that stands in a page: its colours, fonts and dark mode are the page's.

What is drawn are a few dozen marks, so no library is needed, and numbers stay text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bauta.audit.document import Html, Parts, join

_fill = Parts("bauta.bench", "report.html").fill
_WIDTH, _HEIGHT = 520, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 14, 46
#: Width and height of a letter of a label, in units of the picture.
_LETTER, _LINE = 7.2, 15.0
#: Distances and directions in which room for a label is sought, nearest first.
_RINGS = (9, 15, 22, 30, 40, 52, 66, 82, 100, 120)
_DIRECTIONS = 16
#: Side of the square that a dot keeps free of labels.
_DOT = 9.0

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A method in a plot of one number against another.

    Attributes:
        x: in the plot's unit.
        y: in %.
        label: what stands beside it.
        title: what it is in full.
        kind: "bauta", "baseline" or "obscurer".
        key: the same in all charts, to find it again.

    """

    x: float
    y: float
    label: str
    title: str
    kind: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A method over the strengths of an adversary.

    Attributes:
        values: (rate, low, high) in % at each strength, or None where nobody has judged yet.
        label: what stands at its end.
        title: what it is in full.
        look: class of its line; empty for the many in the background.
        key: the same in all charts.

    """

    values: tuple[tuple[float, float, float] | None, ...]
    label: str
    title: str
    look: str
    key: str


@dataclass(frozen=True)
class _Axes:
    """Where numbers are in the picture.

    Attributes:
        x: left and right end; the left one is the higher where less is better.
        y: lower and upper end.

    """

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The picture's coordinates of two numbers."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )


def trade_off(
    points: Sequence[Point],
    *,
    unit: str,
    measure: str,
    level: float | None = None,
    less_is_better: bool = False,
) -> Html:
    """Draw methods by two numbers, so that the better ones are further up and to the right.

    Args:
        points: N methods, at least one.
        unit: what the numbers across are.
        measure: what the rates upwards are.
        level: rate of unprotected photos, in %.
        less_is_better: of the numbers across; their axis is turned around.

    """
    ticks = _ticks([point.x for point in points])
    ends = (ticks[0], ticks[-1])
    highest = max([20.0, level or 0.0, *(p.y for p in points)])
    axes = _Axes(ends[::-1] if less_is_better else ends, (0.0, 20.0 * math.ceil(highest / 20)))
    front = _front(points, less_is_better=less_is_better)
    parts = _scales(axes, [(tick, f"{tick:g}") for tick in ticks])
    taken = [_around(*axes.place(point.x, point.y), _DOT, _DOT) for point in points]
    if level is not None:
        parts.append(_level(axes, level, taken))
    parts.append(_steps(axes, front))
    parts += _labelled(axes, points, {point.key for point in front}, taken)
    label = f"{measure} against {unit}: {len(points)} methods. The table has the numbers."
    return _chart(parts, label=label, across=unit)


def robustness(curves: Sequence[Curve], ticks: Sequence[str], *, unit: str, measure: str) -> Html:
    """Draw rates over an adversary's strengths, with bands for the curves that have a look.

    Args:
        curves: M methods, background first.
        ticks: N strengths in words; each curve has a value for each.
        unit: what the strengths are.
        measure: what the rates are.

    """
    # The numbers at the curves' ends stand beyond the last strength.
    axes = _Axes((0.0, len(ticks) - 1 + 0.06 * len(ticks)), (0.0, 100.0))
    parts = _scales(axes, [(float(at), tick) for at, tick in enumerate(ticks)])
    drawn = sorted(curves, key=lambda curve: bool(curve.look))
    parts += [_band(axes, curve) for curve in drawn if curve.look]
    parts += [_curve(axes, curve) for curve in drawn]
    parts += _ends(axes, drawn[::-1])
    label = f"{measure} against {unit}: {len(curves)} methods. rates.csv has the numbers."
    return _chart(parts, label=label, across=unit)


def _chart(parts: Sequence[Html], *, label: str, across: str) -> Html:
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    text = _fill("text", x=_n(middle), y=_HEIGHT - 8, anchor="middle", look="unit", text=across)
    return _fill("chart", width=_WIDTH, height=_HEIGHT, label=label, parts=join([*parts, text]))


def _scales(axes: _Axes, ticks: Sequence[tuple[float, str]]) -> list[Html]:
    """Grid lines and their numbers; upwards they are rates."""
    out = []
    step = 20 if axes.y[1] > 40 else 10
    for rate in range(0, round(axes.y[1]) + 1, step):
        left, y = axes.place(axes.x[0], rate)
        out.append(_line("grid", (left, y), (_WIDTH - _RIGHT, y)))
        out.append(_text(left - 7, y + 4.5, "end", f"{rate} %" if rate else "0"))
    for value, words in ticks:
        x, y = axes.place(value, axes.y[0])
        out.append(_line("grid", (x, y), (x, y + 5)))
        out.append(_text(x, y + 20, "middle", words))
    return out


def _level(axes: _Axes, rate: float, taken: list[_Box]) -> Html:
    """The rate of unprotected photos, whose distance to themselves is none; its words take room."""
    _, y = axes.place(axes.x[0], rate)
    text = f"unprotected: {rate:.1f} %"
    width = _LETTER * len(text)
    boxes = [
        _around(x, y + shift, width, _LINE)
        for shift in (-_LINE / 2 - 1, _LINE / 2 + 2)
        for x in (_WIDTH - _RIGHT - width / 2, _LEFT + 4 + width / 2, (_LEFT + _WIDTH) / 2)
    ]
    free = [box for box in boxes if _inside(box) and not any(_meet(box, b) for b in taken)]
    box = (free or boxes)[0]
    taken.append(box)
    words = _text((box[0] + box[2]) / 2, box[3] - 3.5, "middle", text, "unit")
    return join([_line("level", (_LEFT, y), (_WIDTH - _RIGHT, y)), words])


def _front(points: Sequence[Point], *, less_is_better: bool) -> list[Point]:
    """Points that no other beats in both numbers, from the left of the picture to the right."""
    sign = -1 if less_is_better else 1
    best, out = -math.inf, []
    for point in sorted(points, key=lambda p: (-sign * p.x, -p.y)):
        if point.y > best:
            best = point.y
            out.append(point)
    return out[::-1]


def _steps(axes: _Axes, front: Sequence[Point]) -> Html:
    """The border that the front draws: to its left and below it, something better is known."""
    places = [axes.place(point.x, point.y) for point in front]
    corners = [places[0]]
    for before, after in pairwise(places):
        corners += [(before[0], after[1]), after]
    return _fill("path", look="front", path=_path(corners), key="", title="")


def _labelled(
    axes: _Axes, points: Sequence[Point], front: set[str], taken: list[_Box]
) -> list[Html]:
    """Dots and their labels; Bauta's own and the front choose their places first."""
    out = []
    order = sorted(points, key=lambda p: (p.kind != "bauta", p.key not in front))
    for point in order:
        x, y = axes.place(point.x, point.y)
        box, far = _room(x, y, point.label, taken)
        taken.append(box)
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        out.append(
            _fill(
                "dot",
                look=f"{point.kind} front" if point.key in front else point.kind,
                key=point.key,
                title=point.title,
                x=_n(x),
                y=_n(y),
                leader=_line("leader", (x, y), _edge(box, (x, y))) if far else Html(""),
                text=_text(middle[0], middle[1] + 4.5, "middle", point.label, "label"),
            )
        )
    return out[::-1]


def _room(x: float, y: float, label: str, taken: Sequence[_Box]) -> tuple[_Box, bool]:
    """The nearest free place for a label, and whether a line must lead to it.

    Where all is taken, labels overlap: a wrong place would be worse.
    """
    width = _LETTER * len(label) + 4
    for ring in _RINGS:
        for step in range(_DIRECTIONS):
            # To the right first, then alternately up and down.
            turn = 2 * math.pi / _DIRECTIONS * ((step + 1) // 2) * (-1) ** step
            across, up = math.cos(turn), math.sin(turn)
            box = _around(
                x + across * (ring + width / 2 - 2), y + up * (ring + _LINE / 2 - 2), width, _LINE
            )
            if _inside(box) and not any(_meet(box, other) for other in taken):
                return box, ring > _RINGS[1]
    return _around(x + _RINGS[0] + width / 2, y, width, _LINE), False


def _around(x: float, y: float, width: float, height: float) -> _Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _inside(box: _Box) -> bool:
    return box[0] > _LEFT and box[2] < _WIDTH - 2 and box[1] > 2 and box[3] < _HEIGHT - _BOTTOM


def _meet(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _edge(box: _Box, place: tuple[float, float]) -> tuple[float, float]:
    """The point of a box that is nearest to a place."""
    x = min(max(place[0], box[0] + 2), box[2] - 2)
    return x, min(max(place[1], box[1] + 3), box[3] - 3)


def _band(axes: _Axes, curve: Curve) -> Html:
    known = [(at, value) for at, value in enumerate(curve.values) if value]
    lower = [axes.place(at, value[1]) for at, value in known]
    upper = [axes.place(at, value[2]) for at, value in known]
    look = f"band {curve.look}"
    return _fill("path", look=look, path=_path([*lower, *upper[::-1]]), key=curve.key, title="")


def _curve(axes: _Axes, curve: Curve) -> Html:
    places = [axes.place(at, value[0]) for at, value in enumerate(curve.values) if value]
    look = f"curve {curve.look or 'other'}"
    return _fill("path", look=look, path=_path(places), key=curve.key, title=curve.title)


def _ends(axes: _Axes, curves: Sequence[Curve]) -> list[Html]:
    """Labels at the curves' ends, moved apart; where there is no room, later curves go without."""
    taken: list[float] = []
    out = []
    for curve in curves:
        known = [(at, value) for at, value in enumerate(curve.values) if value]
        if not known:
            continue
        x, y = axes.place(known[-1][0], known[-1][1][0])
        # Far from its thin line, a number would seem to be another's.
        shifts = (0, -7, 7, -14, 14, -21, 21) if curve.look else (0, -5, 5)
        room = [
            z
            for z in (y + shift for shift in shifts)
            if all(abs(z - other) >= _LINE - 1 for other in taken)
        ]
        if room:
            taken.append(room[0])
            look = f"end {curve.look or 'other'}"
            out.append(_text(x + 7, room[0] + 4.5, "start", curve.label, look))
    return out


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around values, about six of them."""
    low, high = min(values), max(values)
    span = max(high - low, 1e-3, 0.02 * abs(high))
    magnitude = 10.0 ** math.floor(math.log10(span / 5))
    step = next(f * magnitude for f in (1, 2, 2.5, 5, 10) if span / (f * magnitude) <= 6)
    first, last = math.floor((low - 0.05 * span) / step), math.ceil((high + 0.05 * span) / step)
    # Nothing that is measured here can be negative.
    return [round(at * step, 10) for at in range(max(first, 0), last + 1)]


def _line(look: str, a: tuple[float, float], b: tuple[float, float]) -> Html:
    return _fill("line", look=look, x1=_n(a[0]), y1=_n(a[1]), x2=_n(b[0]), y2=_n(b[1]))


def _text(x: float, y: float, anchor: str, text: str, look: str = "tick") -> Html:
    return _fill("text", x=_n(x), y=_n(y), anchor=anchor, text=text, look=look)


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places) if places else ""


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
