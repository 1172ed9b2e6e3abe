"""What recognizers make of a protected clip, as it was written."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta.clips.flicker import Pair, added, flicker_of, pair_of
from bauta.clips.report import ClipScore, Moment
from bauta.clips.samples import Sample
from bauta.media.video import Video, read_video
from bauta.recognizers.base import Judge, similarity_matrix


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        looked_at: per face, how many moments were looked at.
        scores: per face, one score per judge.
        moments: the worst first.
        flicker: see :func:`bauta.clips.flicker.flicker_of`.

    """

    looked_at: Mapping[int, int]
    scores: Mapping[int, tuple[ClipScore, ...]]
    moments: tuple[Moment, ...]
    flicker: float


@dataclass
class _Looks:
    """What was seen of one face: embeddings per judge, before and after, and times."""

    frames: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    before: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))
    after: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))


def judge_clip(
    video: Video,
    written: Path,
    samples: Mapping[int, Sequence[Sample]],
    judges: Sequence[Judge],
    *,
    surrogates: Collection[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Judged:
    """Look at moments of a clip and of its protected copy, both read from the disk.

    Faces are looked at where they are in the original, which favours the recognizers.

    Args:
        video: the original.
        written: the protected copy.
        samples: per face, the moments to look at.
        judges: recognizers that judge, each with a threshold.
        surrogates: identities of the weights that made the protection.
        progress: told how many frames have gone by.

    Raises:
        MediaError: a file cannot be read.

    """
    looks = {number: _Looks() for number in samples}
    pairs: list[Pair] = []
    open_pairs: dict[int, tuple[Sample, Tensor]] = {}
    due: dict[int, list[tuple[int, Sample]]] = defaultdict(list)
    for number, some in samples.items():
        for sample in some:
            due[sample.index].append((number, sample))
    with read_video(written) as copy:
        for frame, protected in zip(video, copy, strict=False):
            both = (frame.pixels, protected.pixels)
            for sample, change in open_pairs.values():
                if sample.then is not None:
                    pairs.append(pair_of(change, added(*both, sample.then)))
            open_pairs = {}
            for number, sample in due[frame.index]:
                _look(looks[number], frame.index, frame.seconds, both, sample, judges)
                if sample.then is not None:
                    open_pairs[number] = (sample, added(*both, sample.face))
            progress(frame.index + 1)
    scores, moments = {}, []
    for number, seen in looks.items():
        scores[number], of_face = _scored(number, seen, judges, surrogates)
        moments += of_face
    moments.sort(key=lambda moment: -moment.matches)
    counts = {number: len(seen.frames) for number, seen in looks.items()}
    return Judged(counts, scores, tuple(moments), flicker_of(pairs))


def _look(
    looks: _Looks,
    index: int,
    seconds: float,
    both: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    sample: Sample,
    judges: Sequence[Judge],
) -> None:
    looks.frames.append(index)
    looks.seconds.append(seconds)
    for judge in judges:
        before, after = judge.embed(both, [sample.face] * 2)
        looks.before[judge.name].append(before)
        looks.after[judge.name].append(after)


def _scored(
    number: int, looks: _Looks, judges: Sequence[Judge], surrogates: Collection[str]
) -> tuple[tuple[ClipScore, ...], list[Moment]]:
    """What each judge says of a face, and of each of its moments."""
    scores: dict[str, ClipScore] = {}
    tables: dict[str, NDArray[np.float64]] = {}
    for judge in judges:
        before = np.stack(looks.before[judge.name])
        after = np.stack(looks.after[judge.name])
        tables[judge.name] = _to_others(after, before)
        independent = judge.lineage.isdisjoint(surrogates)
        row = _score(judge, _to_others(before, before), tables[judge.name], independent=independent)
        scores[judge.name] = row
    asked = [judge for judge in judges if scores[judge.name].decides] or list(judges)
    moments = [
        Moment(
            seconds=looks.seconds[at],
            frame=looks.frames[at],
            face=number,
            similarities={name: float(row[at]) for name, row in tables.items()},
            matches=max(estimate(judge, float(tables[judge.name][at])) for judge in asked),
        )
        for at in range(len(looks.frames))
    ]
    return tuple(scores.values()), moments


def estimate(judge: Judge, similarity: float) -> float:
    """Share of a person's other photos that still match a copy at a similarity to the original."""
    if not judge.thresholds:
        return float(not similarity < judge.threshold)
    return judge.thresholds["far-1%"].other_photos(round(similarity, 4))


def _to_others(rows: NDArray[np.float32], originals: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) similarity of each to the most similar original of another frame; its own if alone."""
    table = similarity_matrix(rows, originals)
    if len(table) > 1:
        np.fill_diagonal(table, -np.inf)
    largest: NDArray[np.float64] = table.max(axis=1)
    return largest


def _score(
    judge: Judge, before: NDArray[np.float64], after: NDArray[np.float64], *, independent: bool
) -> ClipScore:
    threshold = judge.thresholds["far-1%"] if judge.thresholds else None
    return ClipScore(
        judge=judge.name,
        independent=independent,
        before=float(np.median(before)),
        after=float(np.median(after)),
        worst=float(after.max()),
        threshold=judge.threshold,
        far=threshold.far if threshold else math.nan,
        # Undefined similarities count as matches.
        matched=float(np.mean(~(after < judge.threshold))),
        matches=estimate(judge, float(after.max())),
    )
