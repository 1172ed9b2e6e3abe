"""Whom attacks are measured on: people who were trained on, and another photo of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import UsageError
from bauta.recognizers.base import Crop
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor

_FEWEST = 10


@dataclass(frozen=True, eq=False)
class Victims:
    """People of a training set.

    Attributes:
        crops: (N, 3, size, size) RGB 0-255, a photo of each that was trained on.
        others: (N, 3, size, size) another photo of each.
        people: (N,) who they are, by their index in the training set.

    """

    crops: Tensor
    others: Tensor
    people: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of people."""
        return len(self.people)


def choose_victims(faces: FaceSet, crop: Crop, count: int, seed: int) -> Victims:
    """Choose people of whom there are two photos at least.

    Raises:
        UsageError: there are fewer than ten of them.

    """
    rng = np.random.default_rng(seed)
    photos = np.bincount(faces.people, minlength=len(faces.identities))
    people = np.sort(rng.permutation(np.flatnonzero(photos > 1))[:count])
    if len(people) < _FEWEST:
        raise UsageError(
            f"attacks are measured on at least {_FEWEST} people with two photos, got {len(people)}"
        )
    both = [np.flatnonzero(faces.people == who)[:2] for who in people]
    first, second = (
        torch.cat(
            [
                plain_crop(to_tensor(faces.take(np.array(some))), crop)
                for some in np.array_split([pair[place] for pair in both], max(1, len(both) // 64))
            ]
        )
        for place in (0, 1)
    )
    return Victims(first, second, people)
