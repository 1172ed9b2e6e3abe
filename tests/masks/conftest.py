"""One thread: the networks of these tests are small, and threads that wait cost more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bauta.faces.detect import find_faces
from bauta.faces.face import Face

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pair(collins: NDArray[np.uint8], hopper: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hopper on the left, the larger face, and Collins on the right."""
    photo = np.full((600, 1024, 3), 128, np.uint8)
    photo[:, :512] = hopper
    photo[:512, 512:] = collins
    return photo


@pytest.fixture(scope="session")
def pair_faces(pair: NDArray[np.uint8]) -> list[Face]:
    """Hopper's, then Collins'."""
    return find_faces(pair)
