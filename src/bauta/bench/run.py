"""Running a plan: photos are protected in several processes, then every judge looks at them."""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.audit.adversaries import adversaries, apply_adversary
from bauta.bench.contestants import Contestant, Means, contestants, cut_strangers, protect
from bauta.bench.judging import Shelf, judged
from bauta.bench.people import People, identification, load_split
from bauta.bench.plan import Plan
from bauta.bench.quality import quality
from bauta.bench.store import Store
from bauta.bench.table import Row, rows_of
from bauta.errors import UsageError
from bauta.faces.index import main_face
from bauta.media import read_photo, write_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.own import OWN
from bauta.recognizers.zoo import default_judges, default_surrogates, get_recognizer, get_surrogate
from bauta.weights.records import records

Pixels = NDArray[np.uint8]
#: Told what is being done, and the units done and in all.
Progress = Callable[[str, int, int], None]

_BATCH = 8
#: Strangers whose faces are given to methods that mix faces.
_STRANGERS = 16
CLEAN = "clean"


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

    @property
    def judges(self) -> tuple[str, ...]:
        """Names of the judges."""
        return self.plan.judges or tuple(default_judges())

    def people(self, progress: Progress | None = None) -> People:
        """The people of the plan."""
        return identification(
            self.data,
            load_split(self.plan.split),
            people=self.plan.people,
            skip=self.plan.skip,
            cache=self.cache,
            progress=progress and (lambda done, total: progress("finding faces", done, total)),
        )

    @property
    def needs_seconds(self) -> bool:
        """Whether second photos are protected too."""
        return bool({"B", "C"} & set(self.plan.scenarios))


def run(bench: Bench, *, jobs: int = 0, progress: Progress | None = None) -> None:
    """Do what a plan says, going on with what the store has.

    Args:
        bench: what to do, on what, and where.
        jobs: processes; 0 for one per core, or one for a GPU.
        progress: told how far it is.

    Raises:
        UsageError: the plan does not fit the data, or the folder holds another run.

    """
    bench.store.open(bench.plan, provenance(bench))
    people = bench.people(progress)
    _protect_all(bench, people, jobs or _cores(bench.device), progress)
    _judge_all(bench, people, progress)


def _cores(device: str) -> int:
    return (os.cpu_count() or 1) if device == "cpu" else 1


def _protect_all(bench: Bench, people: People, jobs: int, progress: Progress | None) -> None:
    """Protect what is missing, batch by batch."""
    units = [
        (contestant, start)
        for contestant in contestants(bench.plan)
        for start in range(0, len(people.names), _BATCH)
    ]
    missing = [unit for unit in units if not bench.store.seconds_file(*unit).is_file()]
    done = len(units) - len(missing)
    if progress:
        progress("protecting", done, len(units))
    if not missing:
        return
    with ProcessPoolExecutor(
        min(jobs, len(missing)), mp_context=get_context("spawn"), initializer=_begin,
        initargs=(bench, people, max(1, _cores(bench.device) // jobs)),
    ) as pool:  # fmt: skip
        waiting: set[Future[None]] = {pool.submit(_unit, *unit) for unit in missing}
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                done += len(ready)
                if progress:
                    progress("protecting", done, len(units))
        except BaseException:
            # Nothing is lost: finished batches are in the store.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Worker:
    bench: Bench
    people: People
    means: Means


_worker: list[_Worker] = []


def _begin(bench: Bench, people: People, threads: int) -> None:
    """What a process needs, built once."""
    torch.set_num_threads(threads)
    members = [get_surrogate(name).to(bench.device) for name in bench.surrogates]
    names = [name for name in people.gallery if name.split("/")[0] not in people.names]
    some = names[-_STRANGERS:]
    photos = [read_photo(people.root / name).pixels for name in some]
    means = Means(
        surrogates=members,
        targets=[people.root / name for name in people.targets],
        strangers=cut_strangers(photos, [people.faces[name] for name in some]),
        seed=bench.plan.seed,
        device=bench.device,
    )
    _worker[:] = [_Worker(bench, people, means)]


def _unit(contestant: Contestant, start: int) -> None:
    """Protect one batch of people and write their photos; the time file comes last."""
    worker = _worker[0]
    store, people = worker.bench.store, worker.people
    which = range(start, min(start + _BATCH, len(people.names)))
    seconds = _files(worker, contestant, which, people.probes, second=False)
    if worker.bench.needs_seconds:
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


def _judge_all(bench: Bench, people: People, progress: Progress | None) -> None:
    """Let every judge look at what is not judged yet."""
    changes = changes_of(bench.plan)
    all_of_them = contestants(bench.plan)
    for contestant in all_of_them:
        if not bench.store.quality(contestant).is_file():
            bench.store.write(bench.store.quality(contestant), quality(bench, people, contestant))
    units = [(c, change) for c in all_of_them for change in changes]
    for name in bench.judges:
        missing = [u for u in units if not bench.store.outcome(u[0], name, u[1][0]).is_file()]
        if not missing:
            continue
        judge = get_recognizer(name)
        shelf = clean_shelf(judge, people, bench.cache, progress)
        for number, (contestant, change) in enumerate(missing):
            if progress:
                progress(f"judging: {name}", number, len(missing))
            outcome = _look(bench, people, judge, shelf, contestant, change)
            bench.store.write(bench.store.outcome(contestant, name, change[0]), outcome)


def clean_shelf(
    judge: Judge, people: People, cache: Path, progress: Progress | None = None
) -> Shelf:
    """A judge's embeddings of everybody's clean photos, computed once for all runs."""
    names = [*people.probes, *people.seconds, *people.gallery]
    rows = embed_photos(
        judge, people.root, {name: people.faces[name] for name in names}, cache,
        progress=progress and (lambda d, n: progress(f"embedding: {judge.name}", d, n)),
    )  # fmt: skip
    return Shelf(
        people=people.names,
        probes=np.stack([rows[name] for name in people.probes]),
        seconds=np.stack([rows[name] for name in people.seconds]),
        gallery=np.stack([rows[name] for name in people.gallery]),
        owners=[name.split("/")[0] for name in people.gallery],
        targets=people.target_names,
    )


def _look(
    bench: Bench,
    people: People,
    judge: Judge,
    shelf: Shelf,
    contestant: Contestant,
    change: tuple[str, str, float],
) -> Mapping[str, object]:
    def embedded(*, second: bool) -> NDArray[np.float32]:
        files = [bench.store.photo(contestant, i, second=second) for i in range(len(people.names))]
        photos = [read_photo(file).pixels for file in files]
        if change[1]:
            photos = [apply_adversary(change[1], photo, change[2]) for photo in photos]
        names = people.seconds if second else people.probes
        # A stranger finds the face anew; one that is not found is looked for where it was.
        faces = [main_face(p) or people.faces[n] for p, n in zip(photos, names, strict=True)]
        return judge.embed(photos, faces)

    seconds = embedded(second=True) if bench.needs_seconds else None
    return judged(shelf, embedded(second=False), seconds)


def provenance(bench: Bench) -> dict[str, object]:
    """What the numbers depend on besides the plan: versions, weights, machine and command."""
    names = dict.fromkeys((*bench.surrogates, *bench.judges))
    return {
        "command": shlex.join(["bauta", *sys.argv[1:]]),
        "versions": {name: metadata.version(name) for name in ("bauta", "torch", "numpy")},
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "device": bench.device,
        "surrogates": list(bench.surrogates),
        "judges": list(bench.judges),
        "weights": {name: _sha256(name) for name in names},
    }


def _sha256(name: str) -> str:
    judge = get_recognizer(name)
    row = records().get(judge.network_id) or OWN[name].record
    return row.sha256


def roles(bench: Bench) -> dict[str, str]:
    """Of each judge, "kin" if its weights or teachers made a surrogate, else "stranger"."""
    took_part = frozenset[str]().union(*(get_recognizer(n).lineage for n in bench.surrogates))
    return {
        name: "stranger" if get_recognizer(name).lineage.isdisjoint(took_part) else "kin"
        for name in bench.judges
    }


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
        if row.scenario in bench.plan.scenarios
    ]


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


def check_judges(bench: Bench) -> None:
    """Check early that all judges are at hand.

    Raises:
        UsageError: a plan wants none, or one that is not.

    """
    if not bench.judges:
        raise UsageError("there is no judge: fetch or add a recognizer")
    for name in bench.judges:
        get_recognizer(name)
