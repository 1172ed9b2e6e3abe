"""Whose face is the owner's: in the photos a mask is fitted on, and in those it is put on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.frame import Canvas, cut_canvas
from bauta.recognizers.base import Recognizer, similarity_matrix
from bauta.recognizers.zoo import get_surrogate

Pixels = NDArray[np.uint8]
#: Per recognizer, (N, D) embeddings of one person.
Owner = Mapping[str, NDArray[np.float16]]


def embed_owner(
    photos: Sequence[Pixels], faces: Sequence[Face], recognizers: Sequence[Recognizer]
) -> dict[str, NDArray[np.float16]]:
    """Embeddings by which a person's face is told from others'.

    Args:
        photos: (H, W, 3) uint8 RGB each.
        faces: the person's face in each.
        recognizers: those that will be asked.

    """
    return {r.name: r.embed(photos, faces).astype(np.float16) for r in recognizers}


def likeness(
    photo: Pixels, faces: Sequence[Face], owner: Owner, *, canvas: Canvas | None = None
) -> NDArray[np.float64]:
    """How far faces are like the owner, 0 at the recognizers' thresholds.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: N faces in it.
        owner: embeddings of the owner.
        canvas: the faces, if they have been cut out already.

    Returns:
        (N,) similarity to the owner's nearest photo less the threshold at FAR 1 %, in units of
        what is left to a perfect match, as the mean over the recognizers: positive for the owner.
        Several recognizers seldom err together, so that strangers pass far less often than one in
        a hundred (docs/results/masks.md).

    Raises:
        UsageError: there are no embeddings.
        RegistryError: a recognizer is not installed any more.

    """
    if not owner:
        raise UsageError(
            "this key does not say who its owner is: choose the faces.",
            option="--faces all takes all.",
        )
    # Cutting faces out of large photos takes as long as looking at them, so it is done once.
    canvas = canvas or cut_canvas([photo] * len(faces), faces)
    rows = [_likeness(get_surrogate(name), canvas, known) for name, known in owner.items()]
    mean: NDArray[np.float64] = np.mean(rows, axis=0)
    return mean


def faces_of_owner(
    photo: Pixels, faces: Sequence[Face], owner: Owner, *, canvas: Canvas | None = None
) -> list[Face]:
    """Those of N faces that are the owner's; arguments and errors as :func:`likeness`."""
    if not faces:
        return []
    near = likeness(photo, faces, owner, canvas=canvas)
    return [face for face, close in zip(faces, near, strict=True) if close > 0]


@torch.no_grad()
def _likeness(
    recognizer: Recognizer, canvas: Canvas, known: NDArray[np.float16]
) -> NDArray[np.float64]:
    crops = recognizer.crop.take(canvas, canvas.images).round()
    rows = recognizer.embed_crops(crops.to(recognizer.device)).cpu().numpy()
    nearest = similarity_matrix(rows, known).max(axis=1)
    away: NDArray[np.float64] = (nearest - recognizer.threshold) / (1 - recognizer.threshold)
    return away


def common_person(
    photos: Sequence[Pixels], found: Sequence[Sequence[Face]], recognizer: Recognizer
) -> tuple[list[Face], list[float]]:
    """The face that photos have in common.

    Args:
        photos: (H, W, 3) uint8 RGB each.
        found: the faces in each, largest first; at least one.
        recognizer: who tells people apart.

    Returns:
        One face per photo, and how far it is like the same person's in the other photos: 0 at the
        recognizer's threshold at FAR 1 %, at most 1. A single photo's is 1.

    """
    rows = [
        recognizer.embed([photo] * len(some), some)
        for photo, some in zip(photos, found, strict=True)
    ]
    if len(photos) == 1:
        return [found[0][0]], [1.0]
    threshold = recognizer.threshold
    # Every face of the first photos may be the person: whoever all photos agree on most, is.
    candidates = [row for some in rows for row in some]
    votes = [
        np.median([similarity_matrix(c[None], some).max() for some in rows]) for c in candidates
    ]
    best = candidates[int(np.argmax(votes))]
    chosen = [int(similarity_matrix(best[None], some).argmax()) for some in rows]
    mine = np.stack([some[at] for some, at in zip(rows, chosen, strict=True)])
    alike = similarity_matrix(mine, mine)
    np.fill_diagonal(alike, np.nan)
    closeness = (np.nanmedian(alike, axis=1) - threshold) / (1 - threshold)
    return [some[at] for some, at in zip(found, chosen, strict=True)], closeness.tolist()
