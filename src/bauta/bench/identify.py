"""TIP-IM's identification protocol, in the scenarios of the design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import LEARNERS, curve_of
from bauta.bench.contestants import contestants
from bauta.bench.people import POSTS, PROBES, SECONDS, identification
from bauta.bench.protecting import Batch, Given, protect_batches
from bauta.bench.verdicts import judge_all

_BATCH = 8


def run_identification(
    bench: Bench, split: Mapping[str, Sequence[str]], jobs: int, progress: Progress
) -> None:
    """Protect what is missing, batch by batch, then let every judge look."""
    plan = bench.plan
    learners = [name for name in plan.adversaries if name in LEARNERS]
    people = identification(
        bench.data, split, people=plan.people, skip=plan.skip, gallery=plan.gallery,
        seed=plan.seed,
        posts=int(max((curve_of(name).strengths[-1] for name in learners), default=0)),
        cache=bench.cache, progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    given = Given(
        root=people.root,
        faces=people.faces,
        strangers=[name for name in people.gallery if name.split("/")[0] not in people.names],
        targets=people.targets,
    )
    parts = [PROBES, *([SECONDS] if plan.needs_seconds else []), *([POSTS] if learners else [])]
    batches = [
        Batch(contestant=entry, names=names[at : at + _BATCH], numbers=numbers, part=part)
        for entry in contestants(plan)
        for part in parts
        for names in [people.part(part)]
        for at in range(0, len(names), _BATCH)
        for numbers in [range(at, min(at + _BATCH, len(names)))]
    ]
    protect_batches(bench, given, batches, jobs, progress)
    judge_all(bench, people, jobs, progress)
