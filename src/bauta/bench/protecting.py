"""Protecting the photos of a run: batch by batch, in several processes, each batch written once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.bench.bench import Bench, Progress, give_means, ready
from bauta.bench.contestants import Contestant, Means, protect_album
from bauta.bench.pool import in_processes
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.media import read_photo, write_photo

#: Photos and the face in each.
Shown = tuple[list[NDArray[np.uint8]], list[Face]]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Photos that one process protects at a time.

    Attributes:
        contestant: who protects them.
        names: photos, relative to the data's folder.
        numbers: what their files are numbered in the store.
        part: of the protocol that they are for, as their files' names say it; empty for probes.
        fitting: photos that a personal mask is fitted on.

    """

    contestant: Contestant
    names: Sequence[str]
    numbers: Sequence[int]
    part: str = ""
    fitting: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What all batches of a run are protected with.

    Attributes:
        root: folder of one folder per person.
        faces: the main face of each photo.
        strangers: photos of people whom nobody protects.
        targets: photos of people to be taken for.

    """

    root: Path
    faces: Mapping[str, Face]
    strangers: Sequence[str]
    targets: Sequence[str] = ()


def protect_batches(
    bench: Bench, given: Given, batches: Sequence[Batch], jobs: int, progress: Progress
) -> None:
    """Protect what the store has not yet."""
    missing = [batch for batch in batches if not _file_of(bench, batch).is_file()]
    before = len(batches) - len(missing)
    in_processes(
        [(batch,) for batch in missing], _unit,
        jobs=jobs, begin=_begin, given=(bench, given),
        done=lambda count: progress("protecting", before + count, len(batches)),
    )  # fmt: skip


def found_anew(photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]) -> list[Face]:
    """The main face in each photo, or where it was if none is found."""
    return [main_face(photo) or face for photo, face in zip(photos, faces, strict=True)]


@dataclass
class _Worker:
    bench: Bench
    given: Given
    means: Means


_worker: list[_Worker] = []


def _begin(bench: Bench, given: Given) -> None:
    """What a process needs, built once."""
    means = give_means(bench, given.root, given.faces, given.strangers, given.targets)
    _worker[:] = [_Worker(bench, given, means)]


def _unit(batch: Batch) -> None:
    """Protect one batch and write its photos; the file that says it is done comes last."""
    worker = _worker[0]
    given, store = worker.given, worker.bench.store
    fitting = _opened(given, batch.fitting)
    sources = [read_photo(given.root / name) for name in batch.names]
    tests = [photo.pixels for photo in sources], [given.faces[name] for name in batch.names]
    team = ready(worker.bench, worker.bench.team(batch.contestant.entry))
    means = replace(worker.means, surrogates=team)
    began = time.perf_counter()
    changed = protect_album(batch.contestant, fitting, tests, means)
    took = time.perf_counter() - began
    for number, source, pixels in zip(batch.numbers, sources, changed, strict=True):
        file = store.photo(batch.contestant, number, batch.part)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_photo(source, pixels, file, overwrite=True)
    store.write(_file_of(worker.bench, batch), {"seconds": took, "photos": len(sources)})


def _opened(given: Given, names: Sequence[str]) -> Shown:
    photos = [read_photo(given.root / name).pixels for name in names]
    return photos, [given.faces[name] for name in names]


def _file_of(bench: Bench, batch: Batch) -> Path:
    return bench.store.seconds_file(batch.contestant, batch.numbers[0], batch.part)
