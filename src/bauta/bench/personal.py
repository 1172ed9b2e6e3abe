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
from bauta.bench.asking import ask_judges
from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import ESTIMATE, Change, changes_of
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.people import TESTED, Albums, universal
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.bench.unmasking import estimate_mask, unmask
from bauta.media import read_photo
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.embeddings import embed_photos

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
        Batch(contestant=entry, names=tests, numbers=albums.numbers_of(index), fitting=fitting)
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

    """

    bench: Bench
    albums: Albums

    @property
    def measured(self) -> Albums:
        """All tested photos."""
        return self.albums

    def clean(self, judge: Judge, progress: Progress) -> _Shelf:
        """The gallery: one photo of each person, and everybody else's."""
        return _shelf(judge, self.albums, self.bench, progress)

    def show(self, contestant: Contestant, change: Change) -> list[Shown]:
        """Each person's tested photos."""
        return _shown(self.bench, self.albums, contestant, change)

    def answer(self, judge: Judge, clean: _Shelf, shown: list[Shown]) -> dict[str, Any]:
        """Ranks and similarities of unseen photos."""
        return {"U": _outcome(judge, clean, self.albums, shown)}


def _shown(bench: Bench, albums: Albums, contestant: Contestant, change: Change) -> list[Shown]:
    """Each person's protected photos after what an adversary does."""
    out = []
    for index, tests in enumerate(albums.tests):
        files = [bench.store.photo(contestant, number) for number in albums.numbers_of(index)]
        photos = [read_photo(file).pixels for file in files]
        where = [albums.faces[name] for name in tests]
        if change.adversary == ESTIMATE:
            faces, posts = found_anew(photos, where), int(change.strength)
            follows = contestant.entry.personal
            guess = estimate_mask(photos[:posts], faces[:posts], follows=follows)
            photos = unmask(photos, faces, guess, follows=follows)
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
) -> dict[str, list[float]]:
    """What a judge makes of the tested photos: see :func:`_compared`, and whose each value is."""
    out: dict[str, list[float]] = {}
    clean, owners = shelf[0], np.asarray(shelf[1])
    for index, (who, some) in enumerate(zip(albums.names, shown, strict=True)):
        own, others = clean[owners == who], clean[owners != who]
        for key, values in _compared(judge.embed(*some), own, others).items():
            out.setdefault(key, []).extend(values)
            out.setdefault(f"{key}_of", []).extend([index] * len(values))
    return out


def _compared(
    posts: NDArray[np.floating], own: NDArray[np.floating], others: NDArray[np.floating]
) -> dict[str, list[float]]:
    """Ranks and similarities of one person's photos that wear a mask.

    Args:
        posts: (N, D) embeddings of these.
        own: (1, D) embedding of the clean photo.
        others: (M, D) embeddings of everybody else's photos.

    Returns:
        "own_rank": where each post finds the clean photo among the others (scenario A);
        "met_rank": where the clean photo finds a first post among the others (B); "kin_rank":
        where each post finds another of them (C); "own_similarity", and "pair_similarity" of each
        two posts.

    """
    to_own, to_others = similarity_matrix(posts, own)[:, 0], similarity_matrix(posts, others)
    among = similarity_matrix(posts, posts)
    pairs = among[np.triu_indices(len(posts), 1)]
    np.fill_diagonal(among, -np.inf)
    met = similarity_matrix(own, others)[0]
    return {
        "own_rank": _ranks(to_own, to_others),
        "met_rank": _ranks(to_own.max(keepdims=True), met[None]),
        "kin_rank": _ranks(among.max(axis=1), to_others) if len(posts) > 1 else [],
        "own_similarity": to_own.tolist(),
        "pair_similarity": pairs.tolist(),
    }


def _ranks(wanted: NDArray[np.floating], others: NDArray[np.floating]) -> list[float]:
    """Rank, from 1, of each of (N,) similarities among (N, M) others."""
    ranks: list[float] = (1 + (others >= wanted[:, None]).sum(axis=1)).tolist()
    return ranks
