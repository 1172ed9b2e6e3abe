"""How much the photos of a run changed, as tables show it: columns, and a CSV of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bauta.bench.contestants import Contestant, contestants
from bauta.bench.plan import Plan
from bauta.bench.store import Store, sensible

#: What :func:`bauta.bench.quality.quality` gave, by the contestant's key.
Quality = Mapping[str, Mapping[str, Any]]
#: PSNR that stands for an unchanged photo.
_UNCHANGED = 100.0


@dataclass(frozen=True)
class Column:
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
        if values is None or not np.size(values):
            return None
        return float(np.max(values) if self.key == "largest" else np.mean(values))

    def text(self, measured: Mapping[str, Any]) -> str:
        """The number as it is read; "" where it was not measured."""
        value = self.of(measured)
        if value is None:
            return ""
        unchanged = self.key == "psnr" and value >= _UNCHANGED
        return "unchanged" if unchanged else f"{value:.{self.digits}f}"


COLUMNS = (
    Column("face", "psnr", "face: PSNR, dB", 1),
    Column("face", "ssim", "SSIM", 3),
    Column("face", "lpips", "LPIPS", 3),
    Column("photo", "psnr", "photo: PSNR, dB", 1),
    Column("photo", "ssim", "SSIM", 3),
    Column("photo", "ms_ssim", "MS-SSIM", 3),
    Column("photo", "lpips", "LPIPS", 3),
    Column("photo", "largest", "largest change", 0),
    Column("", "mmd", "MMD", 4),
    Column("", "seconds", "seconds", 2),
)
_FACE = {column.key: column for column in COLUMNS if column.part == "face"}


def read_quality(store: Store, plan: Plan) -> Quality:
    """What was measured of a run so far.

    Raises:
        UsageError: a file of the run is damaged.

    """
    files = {entry.key: store.quality(entry) for entry in contestants(plan)}
    found: dict[str, Mapping[str, Any]] = {}
    for key, file in files.items():
        if file.is_file():
            with sensible(file), np.errstate(all="raise"):
                found[key] = store.read(file)
                for column in COLUMNS:
                    column.text(found[key])
    return found


def measured_columns(quality: Quality) -> list[Column]:
    """Columns in which something was measured."""
    return [c for c in COLUMNS if any(c.of(one) is not None for one in quality.values())]


def face_quality(measured: Mapping[str, Any] | None, key: str) -> float | None:
    """Mean of "psnr", "ssim" or "lpips" within faces; None if unknown or if nothing was changed."""
    if measured is None or (_FACE["psnr"].of(measured) or 0) >= _UNCHANGED:
        return None
    return _FACE[key].of(measured)


def quality_csv(entries: Sequence[Contestant], quality: Quality) -> str:
    """A line per contestant that was measured: means over people, the largest change of all."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = measured_columns(quality)
    writer.writerow(["method", "epsilon", *(f"{c.part}_{c.key}".strip("_") for c in columns)])
    for entry in entries:
        if (measured := quality.get(entry.key)) is not None:
            values = [c.of(measured) for c in columns]
            rounded = ["" if value is None else f"{value:.6g}" for value in values]
            writer.writerow([entry.entry.title, f"{entry.epsilon:g}", *rounded])
    return out.getvalue()
