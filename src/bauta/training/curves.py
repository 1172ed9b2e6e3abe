"""The log of a training run, and its picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from bauta.errors import MissingExtraError
from bauta.media import atomic_write
from bauta.training.loop import LOG
from bauta.training.recipe import Recipe
from bauta.training.running import epochs_done, read_rows

_TERMS = ("cosine", "relation", "contrast", "identity", "triplet", "attributes")
#: Columns of the log that say how well held-out people are told apart, and their names.
SCORES = {
    "accuracy": "accuracy",
    "tar_far_1": "TAR at FAR 1 %",
    "tar_far_01": "TAR at FAR 0.1 %",
}
_WIDTH, _HEIGHT = 9.0, 3.6


def read_log(folder: Path) -> list[dict[str, str]]:
    """Rows of a run's log, one per epoch; empty before the first has ended."""
    return read_rows(folder / LOG)


def finished(folder: Path, recipe: Recipe) -> bool:
    """Whether a run has done all epochs of its recipe."""
    return epochs_done(folder / LOG) >= recipe.schedule.epochs


def plot_curves(folder: Path) -> Sequence[Mapping[str, str]]:
    """Draw a run's losses and accuracy into ``curves.png`` and return the rows of its log.

    Raises:
        MissingExtraError: matplotlib is not installed.

    """
    rows = read_log(folder)
    if len(rows) > 1:
        atomic_write(folder / "curves.png", _picture(rows), overwrite=True)
    return rows


def _picture(rows: Sequence[Mapping[str, str]]) -> bytes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing curves", "bench") from error
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = [int(row["epoch"]) for row in rows]
    for term in _TERMS:
        values = [float(row[term]) for row in rows if row[term]]
        if len(values) == len(epochs) and values[0] > 0:
            # Terms differ by orders of magnitude; as shares of their first value all are seen.
            losses.plot(epochs, [value / values[0] for value in values], label=term)
    losses.set(title="loss terms, as a share of the first epoch's", xlabel="epoch", ylim=(0, None))
    losses.legend(frameon=False)
    for key, label in SCORES.items():
        known = [
            (e, 100 * float(row[key])) for e, row in zip(epochs, rows, strict=True) if row[key]
        ]
        if known:
            scores.plot(*zip(*known, strict=True), label=f"{label}: {known[-1][1]:.1f}")
    scores.set(title="pairs of people never trained on, %", xlabel="epoch")
    scores.legend(frameon=False, loc="lower right")
    for axes in (losses, scores):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
