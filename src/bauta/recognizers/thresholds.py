"""Decision thresholds, each with the false accept rate and the data it was read on."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from bauta.errors import WeightsError
from bauta.media import atomic_write
from bauta.media.atomic import locked
from bauta.plain import build, table_of
from bauta.weights.records import REINSTALL, data_folder

#: Deviation of the random part of a protected copy's similarity to other photos, where the copy
#: has nothing left in common with the original (benchmarks/estimate.py).
_SPREAD = 0.08
#: Points at which the distribution of genuine pairs is taken.
_STEPS = 100


@dataclass(frozen=True)
class Threshold:
    """A similarity at which a share of impostor pairs is accepted.

    Attributes:
        similarity: accept at and above this.
        far: share of impostor pairs accepted there.
        tar: share of genuine pairs accepted there.
        data: data and pairs it was measured on.
        command: how to measure it again.
        genuine: similarities of genuine pairs, as evenly spaced quantiles from the least to the
            largest; empty if they were not kept.

    """

    similarity: float
    far: float
    tar: float
    data: str
    command: str
    genuine: tuple[float, ...] = ()

    def other_photos(self, similarity: float) -> float:
        """Share of a person's other photos that are expected to be accepted.

        A photo at similarity g to the original is at about s g to a copy that is at s to it: that
        is what the part of the copy's embedding along the original's contributes. The rest, of
        length sqrt(1 - s^2), adds something random (docs/results/recognizers.md says how well this
        holds). Where no genuine pairs were kept it is all or nothing.

        Args:
            similarity: of the copy to the original.

        """
        if not self.genuine or math.isnan(similarity):
            return 0.0 if similarity < self.similarity else 1.0
        shares = (np.arange(_STEPS) + 0.5) / _STEPS
        genuine = np.interp(shares, np.linspace(0, 1, len(self.genuine)), self.genuine)
        spread = max(_SPREAD * math.sqrt(max(0.0, 1 - similarity**2)), 1e-9)
        above = (similarity * genuine - self.similarity) / spread
        return float(np.mean([0.5 * (1 + math.erf(z / math.sqrt(2))) for z in above]))


def user_file() -> Path:
    """Where thresholds of the user's own evaluations are kept."""
    return data_folder().parent / "thresholds.json"


def save_thresholds(file: Path, name: str, table: Mapping[str, Threshold]) -> None:
    """Put a recognizer's thresholds into a file, which keeps those of all others."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file):
        tables = _read(file)
        tables[name] = dict(table)
        atomic_write(file, to_json(tables).encode(), overwrite=True)


def forget_thresholds(name: str) -> None:
    """Drop the user's own thresholds of a recognizer: another network may take its name."""
    file = user_file()
    if name not in _read(file):
        return
    with locked(file):
        tables = _read(file)
        if tables.pop(name, None) is not None:
            atomic_write(file, to_json(tables).encode(), overwrite=True)


def thresholds_of(name: str) -> Mapping[str, Threshold]:
    """Thresholds of a recognizer: the shipped ones, replaced by the user's own measurements."""
    shipped = resources.files("bauta").joinpath("data/thresholds.json").read_bytes()
    table = dict(_parse(shipped).get(name, {}))
    table.update(_read(user_file()).get(name, {}))
    return MappingProxyType(table)


def _read(file: Path) -> dict[str, dict[str, Threshold]]:
    """Tables of a file, by recognizer; none if there is no file."""
    try:
        return dict(_parse(file.read_bytes(), str(file))) if file.is_file() else {}
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror or error}") from error


@cache
def _parse(text: str | bytes, source: str = "") -> dict[str, dict[str, Threshold]]:
    try:
        return {
            recognizer: {
                # Without genuine pairs no share of them is known.
                name: build(Threshold, values, boundless=("tar",))
                for name, values in dict(table).items()
            }
            for recognizer, table in table_of(text).items()
        }
    except (ValueError, TypeError) as error:
        remedy = "delete it" if source else REINSTALL
        where = source or "data/thresholds.json of the package"
        raise WeightsError(f"{where}: not a table of thresholds ({error}); {remedy}") from error


def _plain(threshold: Threshold) -> dict[str, Any]:
    return {name: value for name, value in asdict(threshold).items() if value != ()}


def to_json(tables: Mapping[str, Mapping[str, Threshold]]) -> str:
    """Return the text form of threshold tables, as the files hold it."""
    plain = {n: {k: _plain(t) for k, t in table.items()} for n, table in sorted(tables.items())}
    text = json.dumps(plain, indent=2) + "\n"
    # Lists of numbers on one line each.
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)
