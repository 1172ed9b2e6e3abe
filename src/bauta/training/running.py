"""What all training loops share: devices, rates, decay, and a log of rows."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bauta.errors import MediaError, MissingExtraError, UsageError
from bauta.media.atomic import claimed, writing
from bauta.memory import raise_if_short

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@contextmanager
def launched(
    folder: Path, accelerator: str, devices: int, precision: str, seed: int
) -> Iterator[Fabric]:
    """Yield Lightning Fabric on its devices, seeded, with the run's folder held for this run.

    Raises:
        MissingExtraError: it is not installed.
        UsageError: another run works in the folder.
        MediaError: the folder cannot be written.

    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtraError("training", "train") from error
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)  # type: ignore[arg-type]  # a plain word
    fabric.launch()
    fabric.seed_everything(seed, verbose=False)
    # Of several processes the first one writes there.
    with claimed(folder) if fabric.is_global_zero else nullcontext():
        yield fabric


def agreed(fabric: Fabric, mine: bool) -> bool:
    """What the first device says: clocks differ, and all must save or stop together."""
    return bool(fabric.broadcast(mine)) if fabric.world_size > 1 else mine


def decay_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels alone, not for biases and norms."""
    heavy = [p for p in model.parameters() if p.dim() > 1]
    light = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


def warm_cosine(share: float, warmup: float, start: float = 1e-3) -> float:
    """Learning rate as a share of the highest: a linear rise, then half a cosine down to 0.

    Args:
        share: of the run that is done.
        warmup: share in which the rate rises.
        start: where it rises from.

    """
    if share < warmup:
        return share / warmup + start
    return 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))


def append_row(file: Path, columns: Sequence[str], row: Mapping[str, Any]) -> None:
    """Append a row to a log, which begins with its columns."""
    new = not file.is_file()
    with writing(file), file.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        if new:
            writer.writeheader()
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def read_rows(file: Path) -> list[dict[str, str]]:
    """Rows of a log; none before it was begun.

    Raises:
        UsageError: it is damaged.

    """
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, csv.Error, ValueError) as error:
        raise damaged(file, error) from error
    # What a row has too few of is None, and what it has too many of is under None.
    if any(None in row or None in row.values() for row in rows):
        raise damaged(file, "its rows differ in length")
    return rows


@contextmanager
def keeping(file: Path) -> Iterator[None]:
    """Turn what is raised while a checkpoint is written into a MediaError."""
    try:
        with writing(file):
            yield
    except RuntimeError as error:  # torch's words for whatever the system said
        raise_if_short(error)
        reason = str(error).partition("\n")[0]
        raise MediaError(
            f"cannot write {file}: {reason}; check the free space, then run the same again: it "
            "goes on from the last checkpoint"
        ) from error


def stored_array(file: Path, *, mapped: bool = True) -> NDArray[Any]:
    """An array that was kept in a cache, mapped into memory or read.

    Raises:
        UsageError: it is damaged.

    """
    try:
        kept: NDArray[Any] = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as error:  # damaged files make numpy raise anything
        raise_if_short(error)
        raise damaged(file, error) from error
    return kept


def epochs_done(file: Path) -> int:
    """Epoch of the last row of a log; 0 before it was begun.

    Raises:
        UsageError: it is damaged.

    """
    rows = read_rows(file)
    try:
        return int(rows[-1]["epoch"]) if rows else 0
    except (KeyError, ValueError) as error:
        raise damaged(file, error) from error


def damaged(file: Path, why: object) -> UsageError:
    """The error for a file of a run that says what no run writes."""
    return UsageError(f"{file} is damaged ({why}): remove it, or choose another folder")
