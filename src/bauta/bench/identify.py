"""TIP-IM's identification protocol, in the scenarios of the design."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.audit.adversaries import adversaries, apply_adversary
from bauta.bench.bench import CLEAN, Bench, Progress, give_means
from bauta.bench.contestants import Contestant, Means, contestants, personal, protect
from bauta.bench.judging import Shelf, judged
from bauta.bench.people import People, identification
from bauta.bench.plan import Plan
from bauta.bench.pool import in_processes
from bauta.bench.quality import quality
from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.media import read_photo, write_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer

_BATCH = 8


def run_identification(
    bench: Bench, split: Mapping[str, Sequence[str]], jobs: int, progress: Progress
) -> None:
    """Protect what is missing, batch by batch, then let every judge look."""
    entries = contestants(bench.plan)
    if wrong := [entry.entry.name for entry in entries if personal(entry)]:
        raise UsageError(
            f'{wrong[0]} makes one mask per person: give the plan split = "lfw-universal"'
        )
    people = identification(
        bench.data, split, people=bench.plan.people, skip=bench.plan.skip, cache=bench.cache,
        progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    units = [(entry, at) for entry in entries for at in range(0, len(people.names), _BATCH)]
    missing = [unit for unit in units if not bench.store.seconds_file(*unit).is_file()]
    before = len(units) - len(missing)
    in_processes(
        missing, _unit, jobs=jobs, begin=_begin, given=(bench, people, jobs),
        done=lambda count: progress("protecting", before + count, len(units)),
    )  # fmt: skip
    _judge_all(bench, people, progress)


@dataclass
class _Worker:
    bench: Bench
    people: People
    means: Means


_worker: list[_Worker] = []


def _begin(bench: Bench, people: People, jobs: int) -> None:
    """What a process needs, built once."""
    torch.set_num_threads(max(1, bench.cores // jobs))
    strangers = [name for name in people.gallery if name.split("/")[0] not in people.names]
    means = give_means(bench, people.root, people.faces, strangers, people.targets)
    _worker[:] = [_Worker(bench, people, means)]


def _unit(contestant: Contestant, start: int) -> None:
    """Protect one batch of people and write their photos; the time file comes last."""
    worker = _worker[0]
    store, people = worker.bench.store, worker.people
    which = range(start, min(start + _BATCH, len(people.names)))
    seconds = _files(worker, contestant, which, people.probes, second=False)
    if worker.bench.plan.needs_seconds:
        _files(worker, contestant, which, people.seconds, second=True)
    store.write(store.seconds_file(contestant, start), {"seconds": seconds, "people": len(which)})


def _files(
    worker: _Worker,
    contestant: Contestant,
    which: Sequence[int],
    names: Sequence[str],
    *,
    second: bool,
) -> float:
    people, store = worker.people, worker.bench.store
    photos = [read_photo(people.root / names[i]) for i in which]
    faces = [people.faces[names[i]] for i in which]
    began = time.perf_counter()
    changed = protect(contestant, [p.pixels for p in photos], faces, worker.means)
    took = time.perf_counter() - began
    for index, photo, pixels in zip(which, photos, changed, strict=True):
        file = store.photo(contestant, index, second=second)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_photo(photo, pixels, file, overwrite=True)
    return took


def _judge_all(bench: Bench, people: People, progress: Progress) -> None:
    """Let every judge look at what is not judged yet."""
    changes = changes_of(bench.plan)
    all_of_them = contestants(bench.plan)
    for contestant in all_of_them:
        if not bench.store.quality(contestant).is_file():
            bench.store.write(bench.store.quality(contestant), quality(bench, people, contestant))
    units = [(c, change) for c in all_of_them for change in changes]
    lacking = [
        [n for n in bench.judges if not bench.store.outcome(contestant, n, change[0]).is_file()]
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
) -> tuple[list[NDArray[np.uint8]], list[Face]]:
    """Protected photos after what an adversary does, and the face that is found in each."""
    files = [bench.store.photo(contestant, i, second=second) for i in range(len(people.names))]
    photos = [read_photo(file).pixels for file in files]
    if change[1]:
        photos = [apply_adversary(change[1], photo, change[2]) for photo in photos]
    names = people.seconds if second else people.probes
    # A stranger finds the face anew; one that is not found is looked for where it was.
    faces = [main_face(p) or people.faces[n] for p, n in zip(photos, names, strict=True)]
    return photos, faces


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
