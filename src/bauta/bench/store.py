"""Where a run keeps its files.

Everything is written whole or not at all, so that a run that was killed at any moment goes on with
what is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bauta.bench.contestants import Contestant
from bauta.bench.plan import Plan
from bauta.errors import UsageError
from bauta.media import atomic_write
from bauta.plain import table_of


def damaged(file: Path, why: object) -> UsageError:
    """The error for a file of a run that says what no run writes."""
    return UsageError(f"{file} cannot be read: remove it and run again ({why})")


@contextmanager
def sensible(file: Path) -> Iterator[None]:
    """Turn what a file raises that says something else than a run writes into UsageError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise damaged(file, error) from error


@dataclass(frozen=True)
class Store:
    """The folder of a run.

    Attributes:
        folder: where it is.

    """

    folder: Path

    def open(self, plan: Plan, digest: str, made: Mapping[str, Any]) -> None:
        """Begin the run, or go on with it.

        Args:
            plan: what is to be done.
            digest: its :meth:`Plan.digest`.
            made: versions, weights and command, to be kept with the results.

        Raises:
            UsageError: the folder holds a run whose files were made otherwise.

        """
        file = self.folder / "plan.json"
        if file.is_file():
            there = self.read(file)
            if there.get("digest") != digest:
                raise UsageError(
                    f"{self.folder} holds a run of other people, surrogates or seed: "
                    "choose another folder with --out, or remove this one"
                )
        self.write(file, {"digest": digest, "plan": plan.to_json(), "made": made})

    def photo(self, contestant: Contestant, index: int, part: str = "") -> Path:
        """File of a protected photo: a person's probe, or of another part of the protocol."""
        name = f"{index:04d}-{part}.jpg" if part else f"{index:04d}.jpg"
        return self.folder / "photos" / contestant.key / name

    def seconds_file(self, contestant: Contestant, index: int, part: str = "") -> Path:
        """File of how long the batch took that begins with a photo; it is written last."""
        return self.photo(contestant, index, part).with_suffix(".json")

    def outcome(self, contestant: Contestant, judge: str, change: str) -> Path:
        """File of what a judge said; ``change`` is an adversary at a strength, or "clean"."""
        return self.folder / "judged" / contestant.key / change / f"{judge}.json"

    def quality(self, contestant: Contestant) -> Path:
        """File of how far the protected photos differ from the originals."""
        return self.folder / "judged" / contestant.key / "quality.json"

    def read(self, file: Path) -> dict[str, Any]:
        """Read one of the run's JSON files.

        Raises:
            UsageError: it is damaged.

        """
        try:
            return table_of(file.read_bytes())
        except (OSError, ValueError) as error:
            raise damaged(file, error) from error

    def write(self, file: Path, data: Mapping[str, Any]) -> None:
        """Write one of the run's JSON files, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, (json.dumps(data) + "\n").encode(), overwrite=True)
