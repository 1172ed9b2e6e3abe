"""Running a plan by the protocol of its split, and the rates of what was run."""

from __future__ import annotations

from typing import Any

from bauta.bench.bench import Bench, Progress, hashes, provenance
from bauta.bench.contestants import contestants, personal
from bauta.bench.identify import changes_of, run_identification
from bauta.bench.people import load_split
from bauta.bench.personal import run_personal
from bauta.bench.plan import Plan, parse_plan
from bauta.bench.store import Store
from bauta.bench.table import Row, rows_of
from bauta.errors import UsageError


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
    of_masks = "fitting" in split
    _check(bench.plan, of_masks=of_masks)
    digest = bench.plan.digest(hashes(bench.surrogates))
    bench.store.open(bench.plan, digest, provenance(bench))
    protocol = run_personal if of_masks else run_identification
    protocol(bench, split, jobs or bench.cores, progress or _silent)


def _check(plan: Plan, *, of_masks: bool) -> None:
    """Refuse, before anything is written, what the split's protocol has not."""
    if of_masks and (plan.adversaries or plan.skip):
        raise UsageError("the protocol of personal masks takes no adversaries and no skip")
    wrong = [c.entry.name for c in contestants(plan) if personal(c)]
    if wrong and not of_masks:
        raise UsageError(
            f'{wrong[0]} makes one mask per person: give the plan split = "lfw-universal"'
        )


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def results(store: Store) -> tuple[Plan, dict[str, Any], list[Row]]:
    """What a folder's run was to do, what it was made with, and all its rates so far.

    Raises:
        UsageError: there is no run, or a file of it is damaged.

    """
    kept = store.read(store.folder / "plan.json")
    plan, made = parse_plan(kept["plan"], str(store.folder)), kept["made"]
    rows = [
        row
        for contestant in contestants(plan)
        for judge, role in made["judges"].items()
        for change, _, _ in changes_of(plan)
        if (file := store.outcome(contestant, judge, change)).is_file()
        for row in rows_of(contestant, judge, role, change, store.read(file))
        if row.scenario in (*plan.scenarios, "U")
    ]
    return plan, made, rows
