"""Pictures of measurements: ROC curves of recognizers, and tables of numbers as heat maps.

Drawn with matplotlib's objects, never with its global state, so that they can be made in any thread
and without a display.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.errors import MissingExtraError, UsageError
from bauta.media import atomic_write
from bauta.media.atomic import check_target
from bauta.recognizers.evaluate import FARS, Evaluation, roc_curve

_SUFFIXES = (".png", ".svg")
_DPI = 100
#: Colours that stay apart for colour-blind readers (M. Okabe and K. Ito, 2008), darkest first. Line
#: styles change when they are used up.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_STYLES = ("-", "--", ":", "-.")
#: Side of a heat map's cell in inches: room for "-0.12".
_CELL = 0.62
_GREY = "#666666"


def check_picture(path: Path) -> None:
    """Raise what drawing into ``path`` would raise, before anything is measured.

    Raises:
        UsageError: the name ends neither in .png nor in .svg.
        MissingExtraError: matplotlib is not installed.
        MediaError: the folder is missing.

    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"cannot draw {path}: give it a name that ends in .png or .svg")
    check_target(path, overwrite=True)
    _figure(1, 1)


def draw_roc(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Draw the ROC curves of recognizers into a PNG or SVG file, replacing it.

    The false accept rate is logarithmic and begins where a single impostor pair is accepted. Marks
    show FAR 1 % and 0.1 %, where thresholds are read.

    Args:
        evaluations: one per recognizer.
        path: the picture; its suffix says which kind.

    Raises:
        UsageError: the name ends neither in .png nor in .svg, or there is nothing to draw.
        MissingExtraError: matplotlib is not installed.
        MediaError: the file cannot be written.

    """
    if not evaluations:
        raise UsageError("no recognizer to draw a curve of")
    check_picture(path)
    figure = _figure(7.2, 5.0)
    axes = figure.add_subplot()
    least = min(1 / int((~one.same).sum()) for one in evaluations)
    bottom = min([0.9, *(_lowest(one, least) for one in evaluations)])
    for index, one in enumerate(evaluations):
        _draw_curve(axes, one, index)
    for far in FARS.values():
        axes.axvline(far, color=_GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.set_xlim(least, 1)
    axes.set_ylim(max(0, bottom - 0.05 * (1 - bottom)), 1 + 0.03 * (1 - bottom))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_xlabel("False accept rate: impostor pairs taken for one person")
    axes.set_ylabel("True accept rate: genuine pairs accepted")
    axes.set_title(_data_of(evaluations), fontsize=10)
    axes.grid(color="#dddddd", linewidth=0.6)
    # Below the axes, where it hides no curve however many there are.
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "ncols": 2}
    axes.legend(title="True accept rate at FAR 1 % | 0.1 %", **below, fontsize=9, title_fontsize=9)
    _save(figure, path)


def draw_heat_map(
    names: Sequence[str], table: NDArray[np.float64], path: Path, *, title: str
) -> None:
    """Draw a symmetric table of numbers between -1 and 1 into a PNG or SVG file, replacing it.

    Args:
        names: of the M rows, which are the columns' too.
        table: (M, M), -1 to 1 or NaN, which is drawn as a dash.
        path: the picture; its suffix says which kind.
        title: what the numbers are.

    Raises:
        UsageError: the name ends neither in .png nor in .svg.
        MissingExtraError: matplotlib is not installed.
        MediaError: the file cannot be written.

    """
    check_picture(path)
    side = _CELL * len(names)
    figure = _figure(side, side)
    # The axes fill the figure; what lies around them makes the picture larger when it is saved.
    axes = figure.add_axes((0, 0, 1, 1))
    # Zero, not the middle of what occurs, is the colour of independence.
    image = axes.imshow(table, cmap=_colours(), vmin=-1, vmax=1)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, names)
    axes.tick_params(length=0)
    axes.set_title(title, fontsize=10, pad=10)
    for row in ticks:
        for column in ticks:
            value = table[row, column]
            text = "–" if np.isnan(value) else f"{value:.2f}"
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    bar = figure.add_axes((1 + 0.2 / side, 0, 0.16 / side, 1))
    figure.colorbar(image, cax=bar, ticks=[-1, -0.5, 0, 0.5, 1])
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    """An empty figure of that many inches."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing pictures of measurements", "bench") from error
    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def _draw_curve(axes: Any, one: Evaluation, index: int) -> None:
    """Draw a curve and mark its thresholds, with their own rates: what every other table says."""
    colour = _COLOURS[index % len(_COLOURS)]
    style = _STYLES[index // len(_COLOURS) % len(_STYLES)]
    limits = [one.thresholds[name] for name in FARS]
    label = f"{one.recognizer}: " + " | ".join(f"{100 * limit.tar:.1f} %" for limit in limits)
    far, tar = roc_curve(one.similarities, one.same)
    axes.step(far, tar, where="post", color=colour, linestyle=style, linewidth=1.6, label=label)
    rates = [limit.far for limit in limits]
    tars = [limit.tar for limit in limits]
    axes.plot(rates, tars, "o", color=colour, markeredgecolor="white", markersize=7, zorder=3)


def _lowest(one: Evaluation, rate: float) -> float:
    """True accept rate of the curve where it enters the picture."""
    far, tar = roc_curve(one.similarities, one.same)
    return float(tar[far <= rate].max())


def _data_of(evaluations: Sequence[Evaluation]) -> str:
    """What was measured on, as far as the thresholds agree about it."""
    data = {limit.data for one in evaluations for limit in one.thresholds.values()}
    return f"Verification on {data.pop()}" if len(data) == 1 else "Verification"


def _colours() -> Any:
    """Blue to white to orange, whose ends colour-blind readers tell apart; grey for NaN."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("blue-orange", ["#0072B2", "#ffffff", "#B34700"])
    return colours.with_extremes(bad="#d0d0d0")


def _save(figure: Any, path: Path) -> None:
    content = io.BytesIO()
    kind = path.suffix.lower()[1:]
    # Without the time of drawing, one measurement makes one file.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(content, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.1)
    atomic_write(path, content.getvalue(), overwrite=True)
