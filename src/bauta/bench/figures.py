"""Charts of a run's page: protection against visibility, and against what adversaries do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bauta.audit.document import Html, Parts, join
from bauta.bench.changes import CLEAN, LEARNERS, changes_of, curve_of
from bauta.bench.grids import Grid, Mean, grid_of
from bauta.bench.listing import Listed, found
from bauta.bench.plan import Plan
from bauta.bench.plots import Curve, Point, robustness, trade_off
from bauta.bench.table import Row
from bauta.bench.visibility import Quality, face_quality

_fill = Parts("bauta.bench", "report.html").fill
#: Curves that get a colour, Bauta's own aside; more of them would hide each other.
_COLOURED = 6
#: Names that have room in a plot; more of Bauta's own methods are numbers as all others are.
_NAMED = 6
#: What a plot's numbers across are called, by the key in a quality file; and whether less is
#: better.
_VISIBILITY = {
    "psnr": ("PSNR of the face, dB", False),
    "lpips": ("LPIPS of the face, less is better", True),
}


def trade_offs(
    methods: Sequence[Listed],
    grid: Grid,
    quality: Quality,
    measure: str,
) -> Html:
    """Protection against how much of a face changes; "" where that was not measured.

    Args:
        methods: all of them.
        grid: protection, as it leads the page.
        quality: what was measured.
        measure: protection in words.

    """
    means = _means(methods, grid)
    level = next((means[m.key].percent for m in methods if m.clean and m.key in means), None)
    few = sum(method.kind == "bauta" for method in methods) <= _NAMED
    figures = []
    for key, (unit, less_is_better) in _VISIBILITY.items():
        points = [
            _point(method, means[method.key], x, unit, named=few and method.kind == "bauta")
            for method in methods
            if method.key in means and not method.clean
            if (x := face_quality(quality.get(method.contestant.key), key)) is not None
        ]
        if points:
            chart = trade_off(
                points, unit=unit, measure=measure, level=level, less_is_better=less_is_better
            )
            title = f"Protection against {key.upper()}"
            figures.append(_fill("figure", title=title, caption=f"Upwards: {measure}", chart=chart))
    if not figures:
        return Html("")
    legend = [_legend(method, method.kind, Html("")) for method in methods if method.key in means]
    return _fill("charts", figures=join(figures), legend=join(legend))


def _means(methods: Sequence[Listed], grid: Grid) -> dict[str, Mean]:
    return {found(methods, line).key: line.mean for line in grid.lines if line.mean}


def _point(method: Listed, mean: Mean, x: float, unit: str, *, named: bool) -> Point:
    return Point(
        x=x,
        y=mean.percent,
        label=method.label if named else str(method.number),
        title=f"{method.label}: {mean.percent:.1f} % ({mean.low:.0f}–{mean.high:.0f}), "
        f"{unit} {x:.3g}",
        kind=method.kind,
        key=method.key,
    )


def robustness_figures(
    methods: Sequence[Listed], rows: Sequence[Row], plan: Plan, lead: tuple[str, str], measure: str
) -> Html:
    """A chart per adversary of a plan; "" where nobody has judged any yet.

    Args:
        methods: all of them.
        rows: all rates.
        plan: what was to be done.
        lead: scenario and measure of what is drawn.
        measure: the same in words.

    """
    looks = _looks(methods)
    changes = changes_of(plan)
    at_change = {c.name: _means(methods, grid_of(rows, *lead, c.name)) for c in changes}
    figures = []
    for name in plan.adversaries:
        some = [change for change in changes if change.adversary == name]
        if not any(at_change[change.name] for change in some):
            continue
        # Recognizers that learn are judges of their own, and begin at nothing learnt.
        first = [] if name in LEARNERS else [CLEAN]
        series = [at_change[change] for change in (*first, *(change.name for change in some))]
        curves = [_curve(m, series, looks) for m in methods if any(m.key in one for one in series)]
        ticks = [*(["before"] * len(first)), *(f"{change.strength:g}" for change in some)]
        unit = curve_of(name).unit
        chart = robustness(curves, ticks, unit=unit, measure=measure)
        figures.append(_fill("figure", title=name, caption=f"Across: {unit}", chart=chart))
    if not figures:
        return Html("")
    legend = [_legend(m, m.kind, _fill("swatch", look=looks.get(m.key, "other"))) for m in methods]
    return _fill("charts", figures=join(figures), legend=join(legend))


def _curve(method: Listed, series: Sequence[Mapping[str, Mean]], looks: Mapping[str, str]) -> Curve:
    means = [one.get(method.key) for one in series]
    return Curve(
        values=tuple((mean.percent, mean.low, mean.high) if mean else None for mean in means),
        label=str(method.number),
        title=method.label,
        look=looks.get(method.key, ""),
        key=method.key,
    )


def _looks(methods: Sequence[Listed]) -> dict[str, str]:
    """Colours for Bauta's own and for the best others; dashes where they are used up."""
    own = [method for method in methods if method.kind == "bauta"]
    others = [method for method in methods if method.kind != "bauta" and not method.clean]
    chosen = [*own, *others[: max(_COLOURED - len(own), 2)]]
    looks = {m.key: f"s{at % 6} dash{at // 6 % 3}" for at, m in enumerate(chosen)}
    return looks | {method.key: "clean" for method in methods if method.clean}


def _legend(method: Listed, look: str, swatch: Html) -> Html:
    return _fill(
        "legend", key=method.key, look=look, swatch=swatch, number=method.number, text=method.label
    )
