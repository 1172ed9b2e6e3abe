"""OPOM's protocol: one mask per person, fitted on some photos and put on others.

The gallery holds one clean photo of the person and everybody else's photos. Methods without
personal masks change each tested photo by itself: what a mask that knows the photo can do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.audit.protocols import first_ranks, ranked
from bauta.bench.bench import CLEAN, Bench, Progress, give_means
from bauta.bench.contestants import Contestant, Means, contestants, protect_album
from bauta.bench.people import Albums, universal
from bauta.bench.pool import in_processes
from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.media import read_photo, write_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer

#: Photos of each person that a mask is tested on, at most.
_TESTED = 10


def run_personal(bench: Bench, split: Mapping[str, Any], jobs: int, progress: Progress) -> None:
    """Fit and put on what is missing, then let every judge look.

    Raises:
        UsageError: the plan asks for what this protocol has not.

    """
    if bench.plan.adversaries or bench.plan.skip:
        raise UsageError("the protocol of personal masks takes no adversaries and no skip")
    albums = universal(
        bench.data, split, people=bench.plan.people, tested=_TESTED,
        cache=bench.cache, progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    entries = contestants(bench.plan)
    units = [(entry, index) for entry in entries for index in range(len(albums.names))]
    missing = [unit for unit in units if not bench.store.seconds_file(*unit).is_file()]
    before = len(units) - len(missing)
    in_processes(
        missing, _unit, jobs=jobs, begin=_begin, given=(bench, albums, jobs),
        done=lambda count: progress("fitting", before + count, len(units)),
    )  # fmt: skip
    for name in bench.judges:
        lacking = [e for e in entries if not bench.store.outcome(e, name, CLEAN).is_file()]
        for number, entry in enumerate(lacking):
            progress(f"judging: {name}", number, len(lacking))
            _judge(bench, albums, get_recognizer(name), entry, progress)


@dataclass
class _Worker:
    bench: Bench
    albums: Albums
    means: Means


_worker: list[_Worker] = []


def _begin(bench: Bench, albums: Albums, jobs: int) -> None:
    torch.set_num_threads(max(1, bench.cores // jobs))
    means = give_means(bench, albums.root, albums.faces, albums.distractors, targets=())
    _worker[:] = [_Worker(bench, albums, means)]


def _unit(contestant: Contestant, index: int) -> None:
    """One person's mask, on all their tested photos."""
    worker = _worker[0]
    albums, store = worker.albums, worker.bench.store

    def opened(names: Sequence[str]) -> tuple[list[NDArray[np.uint8]], list[Face]]:
        photos = [read_photo(albums.root / name).pixels for name in names]
        return photos, [albums.faces[name] for name in names]

    tests = albums.tests[index]
    began = time.perf_counter()
    changed = protect_album(contestant, opened(albums.fitting[index]), opened(tests), worker.means)
    took = time.perf_counter() - began
    for number, (name, pixels) in enumerate(zip(tests, changed, strict=True)):
        file = store.photo(contestant, _TESTED * index + number)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_photo(read_photo(albums.root / name), pixels, file, overwrite=True)
    store.write(store.seconds_file(contestant, index), {"seconds": took, "people": 1})


def _judge(
    bench: Bench, albums: Albums, judge: Judge, contestant: Contestant, progress: Progress
) -> None:
    """Rank of each tested photo's person in the gallery."""
    shelf = embed_photos(
        judge, albums.root, {n: albums.faces[n] for n in (*albums.cleans, *albums.distractors)},
        bench.cache, progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    names = [*albums.cleans, *albums.distractors]
    gallery = np.stack([shelf[name] for name in names])
    owners = [name.split("/")[0] for name in names]
    out: dict[str, list[int]] = {"own_rank": [], "person": []}
    for index, who in enumerate(albums.names):
        files = [
            bench.store.photo(contestant, _TESTED * index + number)
            for number in range(len(albums.tests[index]))
        ]
        photos = [read_photo(file).pixels for file in files]
        faces = [
            main_face(p) or albums.faces[n]
            for p, n in zip(photos, albums.tests[index], strict=True)
        ]
        rows = ranked(judge.embed(photos, faces), gallery, owners)
        out["own_rank"] += first_ranks(rows, [[who]] * len(rows)).tolist()
        out["person"] += [index] * len(rows)
    bench.store.write(bench.store.outcome(contestant, judge.name, CLEAN), {"U": out})
