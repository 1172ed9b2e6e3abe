"""Fairness: is anybody protected worse than others? Chips of all sexes, ages and races.

A judge compares the protected photo with another, clean picture of the same face. That is easier
for it than another photo of the person would be, and as easy for all groups; the contestant
``none`` says how easy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import pair_similarities
from bauta.bench.asking import ask_judges
from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import Change
from bauta.bench.chips import Chips, lay_out
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos

_BATCH = 8


def run_groups(bench: Bench, split: Mapping[str, Any], jobs: int, progress: Progress) -> None:
    """Protect what is missing, then let every judge look."""
    chips = lay_out(
        bench.data, split, people=bench.plan.people, cache=bench.cache,
        progress=lambda done, total: progress("finding faces", done, total),
    )  # fmt: skip
    entries = contestants(bench.plan)
    batches = [
        Batch(contestant=entry, names=chips.probes[at : at + _BATCH], numbers=numbers)
        for entry in entries
        for at in range(0, len(chips.probes), _BATCH)
        for numbers in [range(at, min(at + _BATCH, len(chips.probes)))]
    ]
    given = Given(root=chips.root, faces=chips.faces, strangers=chips.strangers)
    protect_batches(bench, given, batches, jobs, progress)
    ask_judges(bench, Comparison(bench, chips), [Change()], jobs, progress)


@dataclass(frozen=True)
class Comparison:
    """Protected photos beside other pictures: an :class:`~bauta.bench.asking.Inquiry`.

    Attributes:
        bench: the run.
        measured: its chips.

    """

    bench: Bench
    measured: Chips

    def clean(self, judge: Judge, progress: Progress) -> NDArray[np.floating]:
        """The other pictures, which are clean and the same for all."""
        return _others(judge, self.measured, self.bench, progress)

    def show(self, contestant: Contestant, change: Change) -> Shown:
        """Protected photos as they were written."""
        del change
        return _shown(self.bench, self.measured, contestant)

    def answer(self, judge: Judge, clean: NDArray[np.floating], shown: Shown) -> dict[str, Any]:
        """Similarities, chip by chip."""
        return {"F": _compared(self.measured, judge.embed(*shown), clean)}


def _compared(
    chips: Chips, protected: NDArray[np.floating], others: NDArray[np.floating]
) -> dict[str, list[Any]]:
    """Of each chip, how similar its protected photo and its other picture are."""
    similar = pair_similarities(protected, others)
    return {"similarity": np.round(similar, 5).tolist(), "chips": list(chips.names)}


def _others(judge: Judge, chips: Chips, bench: Bench, progress: Progress) -> NDArray[np.floating]:
    """(N, D) embeddings of the other pictures, which are clean and the same for all."""
    rows = embed_photos(
        judge, chips.root, {name: chips.faces[name] for name in chips.others}, bench.cache,
        progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    return np.stack([rows[name] for name in chips.others])


def _shown(bench: Bench, chips: Chips, contestant: Contestant) -> Shown:
    """Protected photos as they were written, and the face found in each."""
    files = [bench.store.photo(contestant, index) for index in range(len(chips.probes))]
    photos = [read_photo(file).pixels for file in files]
    return photos, found_anew(photos, [chips.faces[name] for name in chips.probes])
