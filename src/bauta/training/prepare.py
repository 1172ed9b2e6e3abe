"""From folders and a recipe to what the training loop needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.training.faceset import FaceSet, join, read_chips, read_people
from bauta.training.loop import TrainingData
from bauta.training.pairs import held_out_pairs, split_people
from bauta.training.recipe import Recipe
from bauta.training.teachers import cached_embeddings, targets

#: Told what is being done, the faces done and in all.
Progress = Callable[[str, int, int], None]
#: Share of the people held out of a folder that the recipe's split does not know.
_SHARE = 0.1
#: Squared distance of dlib's descriptors below which a nameless chip counts as a held-out person.
#: Measured on LFW and UTKFace: it finds 95.7 % of held-out people by their other photos, and drops
#: 16 % of the chips; dlib's own limit of 0.36 would drop nearly all.
_LOOKALIKE = 0.23


def prepare(
    recipe: Recipe,
    people: Path,
    chips: Path | None,
    cache: Path,
    *,
    progress: Progress | None = None,
) -> TrainingData:
    """Find, cut and embed the faces.

    Args:
        recipe: the recipe.
        people: folder with one folder per person.
        chips: folder or archive of unlabelled faces, or None.
        cache: folder that keeps what was found, cut and embedded.
        progress: told how far it is.

    Raises:
        UsageError: there is too little to train on, or to check on.

    """
    everything = read_people(people, cache, progress=progress)
    faces, checks = apart(everything, [recipe.held_out], recipe.seed)
    if chips is not None and recipe.chips:
        strangers = _strangers(read_chips(chips, cache, progress=progress), checks, cache, progress)
        faces = join([faces, strangers])
    table = targets(faces, recipe.teachers, cache, progress=progress) if recipe.teachers else None
    return TrainingData(
        faces=faces, targets=table, checks=checks, pairs=held_out_pairs(checks.names)
    )


def apart(faces: FaceSet, splits: Sequence[str], seed: int) -> tuple[FaceSet, FaceSet]:
    """Faces to train on, and those of people who are held out.

    Those are the splits' people where the set has them, otherwise a tenth of its people.

    Raises:
        UsageError: nobody would be left to train on.

    """
    held_out = _held_out(faces, splits, seed)
    belongs = np.array([faces.identities[who] in held_out for who in faces.people])
    return faces.subset(np.flatnonzero(~belongs)), faces.subset(np.flatnonzero(belongs))


def with_photos(faces: FaceSet, least: int) -> FaceSet:
    """Those of people of whom there are so many faces at least."""
    counts = np.bincount(faces.people, minlength=len(faces.identities))
    return faces.subset(np.flatnonzero(counts[faces.people] >= least))


def _held_out(faces: FaceSet, splits: Sequence[str], seed: int) -> frozenset[str]:
    known = frozenset[str]().union(*map(split_people, splits)) & set(faces.identities)
    if known:
        return known
    count = max(2, round(_SHARE * len(faces.identities)))
    if len(faces.identities) - count < 1:
        raise UsageError("training needs the photos of at least three people")
    chosen = np.random.default_rng(seed).permutation(len(faces.identities))[:count]
    return frozenset(faces.identities[i] for i in chosen)


def _strangers(
    chips: FaceSet, held_out: FaceSet, cache: Path, progress: Progress | None
) -> FaceSet:
    """The chips that show none of the held-out people, as far as dlib can tell."""
    others = cached_embeddings(held_out, "dlib", cache, progress=progress)
    own = cached_embeddings(chips, "dlib", cache, progress=progress)
    keep = [
        start + np.flatnonzero(_nearest(own[start : start + 512], others) >= _LOOKALIKE)
        for start in range(0, len(own), 512)
    ]
    return chips.subset(np.concatenate(keep))


def _nearest(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smallest squared distance of each row of ``a`` to a row of ``b``."""
    table = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    nearest: NDArray[np.float32] = table.min(axis=1)
    return nearest
