"""OPOM's protocol: one mask per person, fitted on some photos and put on others.

The gallery holds one clean photo of the person and everybody else's photos. Methods without
personal masks change each tested photo by itself: what a mask that knows the photo can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import first_ranks, ranked
from bauta.bench.bench import CLEAN, Bench, Progress
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.people import Albums, universal
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer

#: Photos of each person that a mask is tested on, at most.
_TESTED = 10


def run_personal(bench: Bench, split: Mapping[str, Any], jobs: int, progress: Progress) -> None:
    """Fit and put on what is missing, then let every judge look."""
    albums = universal(
        bench.data, split, people=bench.plan.people, tested=_TESTED,
        cache=bench.cache, progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    entries = contestants(bench.plan)
    batches = [
        Batch(contestant=entry, names=tests, numbers=_numbers(albums, index), fitting=fitting)
        for entry in entries
        for index, (tests, fitting) in enumerate(zip(albums.tests, albums.fitting, strict=True))
    ]
    given = Given(root=albums.root, faces=albums.faces, strangers=albums.distractors)
    protect_batches(bench, given, batches, jobs, progress)
    _judge_all(bench, albums, progress)


def _numbers(albums: Albums, index: int) -> range:
    """What the files of a person's tests are numbered."""
    return range(_TESTED * index, _TESTED * index + len(albums.tests[index]))


def _judge_all(bench: Bench, albums: Albums, progress: Progress) -> None:
    """Let every judge look at what is not judged yet."""
    entries = contestants(bench.plan)
    lacking = [
        [n for n in bench.judges if not bench.store.outcome(entry, n, CLEAN).is_file()]
        for entry in entries
    ]
    wanted = {name for names in lacking for name in names}
    judges = {name: get_recognizer(name) for name in bench.judges if name in wanted}
    shelves = {n: _shelf(j, albums, bench, progress) for n, j in judges.items()}
    for number, (entry, names) in enumerate(zip(entries, lacking, strict=True)):
        progress("judging", number, len(entries))
        if not names:
            continue
        # Judges share the photos and the faces found in them.
        shown = [_shown(bench, albums, entry, index) for index in range(len(albums.names))]
        for name in names:
            outcome = _outcome(judges[name], shelves[name], albums, shown)
            bench.store.write(bench.store.outcome(entry, name, CLEAN), {"U": outcome})
    progress("judging", len(entries), len(entries))


def _shown(bench: Bench, albums: Albums, contestant: Contestant, index: int) -> Shown:
    """One person's protected photos."""
    files = [bench.store.photo(contestant, number) for number in _numbers(albums, index)]
    photos = [read_photo(file).pixels for file in files]
    return photos, found_anew(photos, [albums.faces[name] for name in albums.tests[index]])


def _shelf(
    judge: Judge, albums: Albums, bench: Bench, progress: Progress
) -> tuple[NDArray[np.floating], list[str]]:
    """(M, D) embeddings of the gallery, and whose they are."""
    names = [*albums.cleans, *albums.distractors]
    rows = embed_photos(
        judge, albums.root, {name: albums.faces[name] for name in names}, bench.cache,
        progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    return np.stack([rows[name] for name in names]), [name.split("/")[0] for name in names]


def _outcome(
    judge: Judge,
    shelf: tuple[NDArray[np.floating], list[str]],
    albums: Albums,
    shown: Sequence[Shown],
) -> dict[str, list[int]]:
    """Rank of each tested photo's person in the gallery."""
    out: dict[str, list[int]] = {"own_rank": [], "person": []}
    for index, (who, some) in enumerate(zip(albums.names, shown, strict=True)):
        rows = ranked(judge.embed(*some), *shelf)
        out["own_rank"] += first_ranks(rows, [[who]] * len(rows)).tolist()
        out["person"] += [index] * len(rows)
    return out
