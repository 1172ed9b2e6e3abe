"""A plan with data, judges and a folder: what all protocols of the bench share."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bauta.bench.contestants import Means, cut_strangers
from bauta.bench.plan import Entry, Plan
from bauta.bench.store import Store
from bauta.cores import usable_cores
from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.media import read_photo
from bauta.recognizers.base import Recognizer
from bauta.recognizers.own import OWN
from bauta.recognizers.zoo import default_judges, default_surrogates, get_recognizer, get_surrogate
from bauta.weights.records import records

#: Told what is being done, and the units done and in all.
Progress = Callable[[str, int, int], None]
#: Strangers whose faces are given to methods that mix faces.
_STRANGERS = 16


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A plan, on a data set, in a folder.

    Attributes:
        plan: what to do.
        data: folder of one folder per person.
        store: where results are kept.
        cache: where embeddings and found faces are kept, for all runs.
        device: where to compute.

    """

    plan: Plan
    data: Path
    store: Store
    cache: Path
    device: str = "cpu"

    @property
    def surrogates(self) -> tuple[str, ...]:
        """Names of the surrogates."""
        return self.plan.surrogates or tuple(default_surrogates("balanced"))

    def team(self, entry: Entry) -> tuple[str, ...]:
        """Names of the surrogates of one entry."""
        return entry.surrogates or self.surrogates

    @property
    def everybody(self) -> list[str]:
        """Names of all surrogates and judges, each once."""
        teams = [self.team(entry) for entry in self.plan.methods]
        return list(dict.fromkeys([n for team in (*teams, self.judges) for n in team]))

    @property
    def judges(self) -> tuple[str, ...]:
        """Names of the judges."""
        return self.plan.judges or tuple(default_judges())

    @property
    def cores(self) -> int:
        """Processes that pay: one per core, or one for a GPU."""
        return usable_cores() if self.device == "cpu" else 1


def give_means(
    bench: Bench,
    root: Path,
    faces: Mapping[str, Face],
    strangers: Sequence[str],
    targets: Sequence[str],
) -> Means:
    """What contestants are given, built once per process."""
    some = strangers[-_STRANGERS:]
    photos = [read_photo(root / name).pixels for name in some]
    return Means(
        surrogates=ready(bench, bench.surrogates),
        targets=[root / name for name in targets],
        strangers=cut_strangers(photos, [faces[name] for name in some]),
        seed=bench.plan.seed,
        device=bench.device,
    )


def ready(bench: Bench, surrogates: Sequence[str]) -> list[Recognizer]:
    """Surrogates by name, where the bench computes; each is built once per process."""
    return [get_surrogate(name).to(bench.device) for name in surrogates]


def provenance(bench: Bench) -> dict[str, object]:
    """What the numbers depend on besides the plan: versions, weights, machine and command."""
    return {
        "command": shlex.join(["bauta", *map(_without_folders, sys.argv[1:])]),
        "versions": {name: metadata.version(name) for name in ("bauta", "torch", "numpy")},
        "machine": f"{platform.processor() or platform.machine()}, {usable_cores()} cores",
        "device": bench.device,
        "surrogates": list(bench.surrogates),
        "judges": roles(bench, bench.surrogates),
        "teams": {e.slug: roles(bench, e.surrogates) for e in bench.plan.methods if e.surrogates},
        "weights": hashes(bench.everybody),
    }


def _without_folders(argument: str) -> str:
    """An absolute path as its last part: reports are published, and folders name their owners."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def hashes(names: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the weights of recognizers."""
    out = {}
    for name in names:
        row = records().get(get_recognizer(name).network_id) or OWN[name].record
        out[name] = row.sha256
    return out


def roles(bench: Bench, surrogates: Sequence[str]) -> dict[str, str]:
    """Of each judge, "kin" if its weights or teachers made a surrogate, else "stranger"."""
    took_part = frozenset[str]().union(*(get_recognizer(n).lineage for n in surrogates))
    return {
        name: "stranger" if get_recognizer(name).lineage.isdisjoint(took_part) else "kin"
        for name in bench.judges
    }


def check_judges(bench: Bench) -> None:
    """Check early that all judges are at hand.

    Raises:
        UsageError: a plan wants none, or one that is not.

    """
    if not bench.judges:
        raise UsageError("there is no judge: fetch or add a recognizer")
    for name in bench.judges:
        get_recognizer(name)
