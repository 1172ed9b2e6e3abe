"""Fairness: is anybody protected worse than others? Chips of all sexes, ages and races.

A judge compares the protected photo with another, clean picture of the same face. That is easier
for it than another photo of the person would be, and as easy for all groups; the contestant
``none`` says how easy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import pair_similarities
from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import CLEAN
from bauta.bench.chips import Chips, lay_out
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.protecting import Batch, Given, Shown, found_anew, protect_batches
from bauta.bench.quality import quality
from bauta.media import read_photo
from bauta.recognizers.base import Judge
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer

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
    for number, entry in enumerate(entries):
        progress("measuring", number, len(entries))
        if not bench.store.quality(entry).is_file():
            bench.store.write(bench.store.quality(entry), quality(bench, chips, entry))
    _judge_all(bench, chips, progress)


def _judge_all(bench: Bench, chips: Chips, progress: Progress) -> None:
    """Let every judge look at what is not judged yet."""
    entries = contestants(bench.plan)
    lacking = [
        [n for n in bench.judges if not bench.store.outcome(entry, n, CLEAN).is_file()]
        for entry in entries
    ]
    wanted = {name for names in lacking for name in names}
    judges = {name: get_recognizer(name) for name in bench.judges if name in wanted}
    others = {name: _others(judge, chips, bench, progress) for name, judge in judges.items()}
    for number, (entry, names) in enumerate(zip(entries, lacking, strict=True)):
        progress("judging", number, len(entries))
        if not names:
            continue
        # Judges share the photos and the faces found in them.
        photos, faces = _shown(bench, chips, entry)
        for name in names:
            similar = pair_similarities(judges[name].embed(photos, faces), others[name])
            outcome = {"similarity": np.round(similar, 5).tolist(), "chips": list(chips.names)}
            bench.store.write(bench.store.outcome(entry, name, CLEAN), {"F": outcome})
    progress("judging", len(entries), len(entries))


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
