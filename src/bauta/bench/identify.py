"""TIP-IM's identification protocol, in the scenarios of the design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bauta.audit.adversaries import adversaries, apply_adversary
from bauta.bench.bench import CLEAN, Bench, Progress
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.judging import Shelf, judged
from bauta.bench.people import People, identification
from bauta.bench.plan import Plan
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.bench.quality import quality
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer

_BATCH = 8


def run_identification(
    bench: Bench, split: Mapping[str, Sequence[str]], jobs: int, progress: Progress
) -> None:
    """Protect what is missing, batch by batch, then let every judge look."""
    entries = contestants(bench.plan)
    people = identification(
        bench.data, split, people=bench.plan.people, skip=bench.plan.skip, cache=bench.cache,
        progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    given = Given(
        root=people.root,
        faces=people.faces,
        strangers=[name for name in people.gallery if name.split("/")[0] not in people.names],
        targets=people.targets,
    )
    seconds = (False, True) if bench.plan.needs_seconds else (False,)
    batches = [
        Batch(contestant=entry, names=names[at : at + _BATCH], numbers=numbers, second=second)
        for entry in entries
        for second in seconds
        for names in [people.seconds if second else people.probes]
        for at in range(0, len(names), _BATCH)
        for numbers in [range(at, min(at + _BATCH, len(names)))]
    ]
    protect_batches(bench, given, batches, jobs, progress)
    _judge_all(bench, people, progress)


def _judge_all(bench: Bench, people: People, progress: Progress) -> None:
    """Let every judge look at what is not judged yet."""
    changes = changes_of(bench.plan)
    all_of_them = contestants(bench.plan)
    for contestant in all_of_them:
        if not bench.store.quality(contestant).is_file():
            bench.store.write(bench.store.quality(contestant), quality(bench, people, contestant))
    units = [(c, change) for c in all_of_them for change in changes]
    lacking = [
        [n for n in bench.judges if _unjudged(bench, contestant, n, change[0])]
        for contestant, change in units
    ]
    wanted = {name for names in lacking for name in names}
    judges = {name: get_recognizer(name) for name in bench.judges if name in wanted}
    shelves = {n: clean_shelf(j, people, bench.cache, progress) for n, j in judges.items()}
    for number, ((contestant, change), names) in enumerate(zip(units, lacking, strict=True)):
        progress("judging", number, len(units))
        if not names:
            continue
        # Judges share the photos and the faces found in them, which is most of the work.
        probes = _as_found(bench, people, contestant, change, second=False)
        needed = bench.plan.needs_seconds
        seconds = _as_found(bench, people, contestant, change, second=True) if needed else None
        for name in names:
            embed = judges[name].embed
            outcome = judged(shelves[name], embed(*probes), embed(*seconds) if seconds else None)
            bench.store.write(bench.store.outcome(contestant, name, change[0]), outcome)
    progress("judging", len(units), len(units))


def _unjudged(bench: Bench, contestant: Contestant, judge: str, change: str) -> bool:
    """Whether a judge has not spoken, or only in a plan without second photos."""
    file = bench.store.outcome(contestant, judge, change)
    if not file.is_file():
        return True
    return bench.plan.needs_seconds and "B" not in bench.store.read(file)


def clean_shelf(judge: Judge, people: People, cache: Path, progress: Progress) -> Shelf:
    """A judge's embeddings of everybody's clean photos, computed once for all runs."""
    names = [*people.probes, *people.seconds, *people.gallery]
    rows = embed_photos(
        judge, people.root, {name: people.faces[name] for name in names}, cache,
        progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    return Shelf(
        people=people.names,
        probes=np.stack([rows[name] for name in people.probes]),
        seconds=np.stack([rows[name] for name in people.seconds]),
        gallery=np.stack([rows[name] for name in people.gallery]),
        owners=[name.split("/")[0] for name in people.gallery],
        targets=people.target_names,
    )


def _as_found(
    bench: Bench,
    people: People,
    contestant: Contestant,
    change: tuple[str, str, float],
    *,
    second: bool,
) -> Shown:
    """Protected photos after what an adversary does, and the face that is found in each."""
    files = [bench.store.photo(contestant, i, second=second) for i in range(len(people.names))]
    photos = [read_photo(file).pixels for file in files]
    if change[1]:
        photos = [apply_adversary(change[1], photo, change[2]) for photo in photos]
    names = people.seconds if second else people.probes
    return photos, found_anew(photos, [people.faces[name] for name in names])


def changes_of(plan: Plan) -> list[tuple[str, str, float]]:
    """Name, adversary and strength of all that happens to photos before they are judged."""
    return [
        (CLEAN, "", 0.0),
        *(
            (f"{name}-{strength:g}", name, strength)
            for name in plan.adversaries
            for strength in adversaries[name].strengths
        ),
    ]
