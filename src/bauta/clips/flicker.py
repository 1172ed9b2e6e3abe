"""How much a protection flickers: what changes from frame to frame, once the face holds still."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas, frames_of

Pixels = NDArray[np.uint8]


class Pair(NamedTuple):
    """Sums over one pair of frames that follow each other.

    Attributes:
        change: mean change of what was added, from the first to the second, in grey levels.
        size: mean size of what was added to both, in grey levels.

    """

    change: float
    size: float


def added(source: Pixels, written: Pixels, face: Face) -> Tensor:
    """What was done to a face, in its own frame.

    Args:
        source: (H, W, 3) uint8 RGB, the original frame.
        written: the protected frame.
        face: where the face is in both.

    Returns:
        (1, 3, 224, 224) grey levels.

    """
    change: Tensor = frames_of(cut_canvas([written], [face])) - frames_of(
        cut_canvas([source], [face])
    )
    return change


def pair_of(first: Tensor, second: Tensor) -> Pair:
    """Compare what was :func:`added` to two frames in a row."""
    change = float((second - first).abs().mean())
    return Pair(change, float(first.abs().mean() + second.abs().mean()) / 2)


def flicker_of(pairs: Sequence[Pair]) -> float:
    """Mean change from frame to frame as a share of the mean size: 0 stands still on the skin.

    Two perturbations that have nothing in common are about 1.4 apart. Not a number without pairs.
    """
    size = sum(pair.size for pair in pairs)
    return sum(pair.change for pair in pairs) / size if size else float("nan")


def flicker(sources: Sequence[Pixels], written: Sequence[Pixels], faces: Sequence[Face]) -> float:
    """Flicker of one face over frames in a row; see :func:`flicker_of`.

    Args:
        sources: (H, W, 3) uint8 RGB, the original frames.
        written: the protected frames.
        faces: the face in each.

    """
    changes = [added(*row) for row in zip(sources, written, faces, strict=True)]
    return flicker_of([pair_of(*pair) for pair in pairwise(changes)])
