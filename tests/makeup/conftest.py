"""A face in its frame, and the areas of its makeup."""

import pytest
import torch

from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.mesh import find_mesh
from bauta.makeup.areas import makeup_areas

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mesh(collins, collins_face):
    return find_mesh(cut_canvas([collins], [collins_face]))[0][0]


@pytest.fixture(scope="session")
def frame(collins, collins_face):
    return frames_of(cut_canvas([collins], [collins_face]))[0]


@pytest.fixture(scope="session")
def areas(mesh):
    return makeup_areas(mesh)
