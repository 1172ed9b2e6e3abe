"""OPOM's protocol: one mask per person, fitted on some photos and put on others.

The gallery holds one clean photo of the person and everybody else's photos. Methods without
personal masks change each tested photo by itself: what a mask that knows the photo can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.adversaries import apply_adversary
from bauta.audit.protocols import first_ranks, ranked
from bauta.bench.asking import ask_judges
from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import ESTIMATE, Change, changes_of
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.people import Albums, universal
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.bench.unmasking import estimate_mask, unmask
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos

#: Photos of each person that a mask is tested on, at most.
TESTED = 10
#: (M, D) embeddings of a gallery, and whose they are.
_Shelf = tuple[NDArray[np.floating], list[str]]


def run_personal(bench: Bench, split: Mapping[str, Any], jobs: int, progress: Progress) -> None:
    """Fit and put on what is missing, then let every judge look."""
    albums = universal(
        bench.data, split, people=bench.plan.people, tested=TESTED,
        gallery=bench.plan.gallery, seed=bench.plan.seed,
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
    ask_judges(bench, AlbumSearch(bench, albums), changes_of(bench.plan), jobs, progress)


@dataclass(frozen=True)
class AlbumSearch:
    """Photos with masks are searched: an :class:`~bauta.bench.asking.Inquiry`.

    Attributes:
        bench: the run.
        albums: its people.
        measured: nothing.

    """

    bench: Bench
    albums: Albums
    measured: None = None

    def clean(self, judge: Judge, progress: Progress) -> _Shelf:
        """The gallery: one photo of each person, and everybody else's."""
        return _shelf(judge, self.albums, self.bench, progress)

    def show(self, contestant: Contestant, change: Change) -> list[Shown]:
        """Each person's tested photos."""
        return _shown(self.bench, self.albums, contestant, change)

    def answer(self, judge: Judge, clean: _Shelf, shown: list[Shown]) -> dict[str, Any]:
        """Ranks on unseen photos."""
        return {"U": _outcome(judge, clean, self.albums, shown)}


def _numbers(albums: Albums, index: int) -> range:
    """What the files of a person's tests are numbered."""
    return range(TESTED * index, TESTED * index + len(albums.tests[index]))


def _shown(bench: Bench, albums: Albums, contestant: Contestant, change: Change) -> list[Shown]:
    """Each person's protected photos after what an adversary does."""
    out = []
    for index, tests in enumerate(albums.tests):
        files = [bench.store.photo(contestant, number) for number in _numbers(albums, index)]
        photos = [read_photo(file).pixels for file in files]
        where = [albums.faces[name] for name in tests]
        if change.adversary == ESTIMATE:
            faces, posts = found_anew(photos, where), int(change.strength)
            photos = unmask(photos, faces, estimate_mask(photos[:posts], faces[:posts]))
        elif change.adversary:
            photos = [apply_adversary(change.adversary, p, change.strength) for p in photos]
        out.append((photos, found_anew(photos, where)))
    return out


def _shelf(judge: Judge, albums: Albums, bench: Bench, progress: Progress) -> _Shelf:
    """(M, D) embeddings of the gallery, and whose they are."""
    names = [*albums.cleans, *albums.distractors]
    rows = embed_photos(
        judge, albums.root, {name: albums.faces[name] for name in names}, bench.cache,
        progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    return np.stack([rows[name] for name in names]), [name.split("/")[0] for name in names]


def _outcome(
    judge: Judge,
    shelf: _Shelf,
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
