"""Running a plan by the protocol of its split, and the rates of what was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bauta.bench.bench import Bench, Progress, hashes, provenance
from bauta.bench.changes import ESTIMATE, LEARNERS, Change, changes_of
from bauta.bench.contestants import Contestant, contestants, personal
from bauta.bench.group_rows import rows_of_groups
from bauta.bench.groups import run_groups
from bauta.bench.identify import run_identification
from bauta.bench.people import load_split
from bauta.bench.personal import run_personal
from bauta.bench.plan import Plan, parse_plan
from bauta.bench.store import Store, sensible
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
    of_masks, of_groups = "fitting" in split, "chips" in split
    _check(bench.plan, of_masks=of_masks, of_groups=of_groups)
    digest = bench.plan.digest(hashes(bench.surrogates))
    bench.store.open(bench.plan, digest, provenance(bench))
    protocol = run_personal if of_masks else run_groups if of_groups else run_identification
    protocol(bench, split, jobs or bench.cores, progress or _silent)


def _check(plan: Plan, *, of_masks: bool, of_groups: bool) -> None:
    """Refuse, before anything is written, what the split's protocol has not."""
    if (of_masks or of_groups) and plan.skip:
        raise UsageError("only the protocol of identification can skip people")
    foreign = plan.adversaries if of_groups else LEARNERS if of_masks else (ESTIMATE,)
    if wrong := set(plan.adversaries) & set(foreign):
        raise UsageError(f"{plan.split} is a split without the adversary {min(wrong)}")
    masks = [c.entry.name for c in contestants(plan) if personal(c)]
    if masks and not of_masks:
        raise UsageError(
            f'{masks[0]} makes one mask per person: give the plan split = "lfw-universal"'
        )


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def results(store: Store) -> tuple[Plan, dict[str, Any], list[Row]]:
    """What a folder's run was to do, what it was made with, and all its rates so far.

    Raises:
        UsageError: there is no run, or a file of it is damaged.

    """
    with sensible(store.folder / "plan.json"):
        kept = store.read(store.folder / "plan.json")
        plan, made = parse_plan(kept["plan"], str(store.folder)), kept["made"]
        who = [
            (contestant, change, judge, role)
            for contestant in contestants(plan)
            for change in changes_of(plan)
            for judge, role in looking(made, contestant, change).items()
        ]
    rows: list[Row] = []
    for contestant, change, judge, role in who:
        file = store.outcome(contestant, judge, change.name)
        if file.is_file():
            with sensible(file):
                rows += rows_of(contestant, judge, role, change.name, store.read(file))
    rows = [row for row in rows if row.scenario in (*plan.scenarios, "U")]
    with sensible(store.folder / "judged"):
        return plan, made, rows + rows_of_groups(store, plan, made["judges"])


def looking(made: Mapping[str, Any], contestant: Contestant, change: Change) -> dict[str, str]:
    """Who looks at a contestant's photos after a change, and what they are to its surrogates."""
    if change.adversary in LEARNERS:
        return {change.adversary: "stranger"}
    # Runs of before entries could have surrogates of their own know no teams.
    roles: dict[str, str] = made["teams"].get(contestant.entry.slug, made["judges"])
    return roles
