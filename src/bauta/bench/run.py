"""Running a plan by the protocol of its split, and the rates of what was run."""

from __future__ import annotations

from bauta.bench.bench import Bench, Progress, hashes, provenance, roles
from bauta.bench.contestants import contestants
from bauta.bench.identify import changes_of, run_identification
from bauta.bench.people import load_split
from bauta.bench.personal import run_personal
from bauta.bench.table import Row, rows_of


def run(bench: Bench, *, jobs: int = 0, progress: Progress | None = None) -> None:
    """Do what a plan says, going on with what the store has.

    Args:
        bench: what to do, on what, and where.
        jobs: processes; 0 for one per core, or one for a GPU.
        progress: told how far it is.

    Raises:
        UsageError: the plan does not fit the data, or the folder holds another run.

    """
    split = load_split(bench.plan.split)
    digest = bench.plan.digest(hashes(bench.surrogates))
    bench.store.open(bench.plan, digest, provenance(bench))
    protocol = run_personal if "fitting" in split else run_identification
    protocol(bench, split, jobs or bench.cores, progress or _silent)


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def results(bench: Bench) -> list[Row]:
    """All rates that the store has outcomes for, in the plan's order."""
    part = roles(bench)
    changes = [name for name, _, _ in changes_of(bench.plan)]
    return [
        row
        for contestant in contestants(bench.plan)
        for judge in bench.judges
        for change in changes
        if (file := bench.store.outcome(contestant, judge, change)).is_file()
        for row in rows_of(contestant, judge, part[judge], change, bench.store.read(file))
        if row.scenario in (*bench.plan.scenarios, "U")
    ]
