"""The log of a private training, and its picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bauta.errors import MissingExtraError
from bauta.masking.strategy import COUNTS
from bauta.media import atomic_write
from bauta.private.loop import LOG, SHARES
from bauta.training.running import epochs_done, read_rows

_WIDTH, _HEIGHT = 10.0, 6.4
#: Panels of what goes up and down: title, and columns with what they are called.
_PANELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("recognition", {"loss": "loss on mixtures"}),
    ("strategy", {"strategy": "loss", "entropy": "entropy", "price": "price of a miss"}),
    ("how far faces are missed, 0 to 1", {"missed": "missed", "allowed": "allowed"}),
)


def read_log(folder: Path) -> list[dict[str, str]]:
    """Rows of a run's log, one per epoch; empty before the first has ended."""
    return read_rows(folder / LOG)


def finished(folder: Path, epochs: int) -> bool:
    """Whether a run has done all its epochs."""
    return epochs_done(folder / LOG) >= epochs


def plot_curves(folder: Path) -> None:
    """Draw a run's losses, the strategy's choices, and accuracy into ``curves.png``.

    Raises:
        MissingExtraError: matplotlib is not installed.

    """
    rows = read_log(folder)
    if len(rows) > 1:
        atomic_write(folder / "curves.png", _picture(rows), overwrite=True)


def _picture(rows: Sequence[Mapping[str, str]]) -> bytes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing curves", "bench") from error
    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 3).flatten().tolist()
    for axes, (title, columns) in zip(panels, _PANELS, strict=False):
        for column, label in columns.items():
            axes.plot(*_known(rows, column), label=label)
        axes.set(title=title)
    _counts(panels[3], rows)
    panels[4].plot(*_known(rows, "count"))
    panels[4].set(title="faces per mixture")
    panels[5].plot(*_known(rows, "accuracy", 100), label="accuracy")
    panels[5].plot(*_known(rows, "tar_far_1", 100), label="TAR at FAR 1 %")
    panels[5].set(title="pairs of people never trained on, %")
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("epoch")
        if axes.get_legend_handles_labels()[0] and not axes.get_legend():
            axes.legend(frameon=False, fontsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _known(
    rows: Sequence[Mapping[str, str]], column: str, scale: float = 1
) -> tuple[list[int], list[float]]:
    """Epochs and values where the log has any."""
    found = [(int(row["epoch"]), scale * float(row[column])) for row in rows if row[column]]
    return [epoch for epoch, _ in found], [value for _, value in found]


def _counts(axes: Any, rows: Sequence[Mapping[str, str]]) -> None:
    """How many faces the strategy mixes, stacked."""
    tables = [_known(rows, share) for share in SHARES]
    epochs = tables[0][0]
    if epochs:
        shares = [values for _, values in tables]
        axes.stackplot(epochs, shares, labels=[str(count) for count in COUNTS], alpha=0.85)
        axes.set(ylim=(0, 1))
        axes.legend(frameon=False, fontsize=8, ncols=len(COUNTS), loc="upper center",
                    bbox_to_anchor=(0.5, -0.2))  # fmt: skip
    axes.set(title="faces mixed, shares")
