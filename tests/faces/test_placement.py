"""What is meant for a mean face lies on the same parts of other faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from bauta.faces.frame import cut_canvas
from bauta.faces.mesh import find_mesh, mean_mesh
from bauta.faces.placement import (
    PLACES,
    _spline,
    inverse,
    placed,
    placed_flows,
    placements,
)


def at(places, points):
    """(N, 2) displacements at (N, 2) points of the unit frame."""
    grid = 2 * points[None, None] - 1
    rows = F.grid_sample(
        places, grid.to(places), mode="bicubic", padding_mode="border", align_corners=False
    )
    return rows[0, :, 0].T


@pytest.mark.parametrize("name", ["collins", "hopper"])
def test_parts_of_the_face_are_told_from_where_they_lie(name, request):
    photo, face = request.getfixturevalue(name), request.getfixturevalue(f"{name}_face")
    canvas = cut_canvas([photo], [face])
    places = placements(canvas)
    assert places.shape == (1, 2, PLACES, PLACES)
    points, _ = find_mesh(canvas)
    # Brows, tip of the nose, corners of the mouth, lips.
    some = [105, 334, 4, 61, 291, 0, 17]
    before = (mean_mesh() - points[0])[some]
    after = before - at(places, points[0, some])
    assert after.abs().max() < 0.012
    assert after.abs().mean() < 0.35 * before.abs().mean()


def test_a_frame_that_lies_elsewhere_is_put_right(collins, collins_face):
    shift = np.float32([0.02, -0.015])
    landmarks = collins_face.landmarks + shift * np.float32(collins_face.frame_side)
    off = replace(collins_face, landmarks=landmarks)
    still, moved = (placements(cut_canvas([collins], [face])) for face in (collins_face, off))
    middle = (slice(None), slice(None), slice(10, 22), slice(12, 20))
    apart = (moved - still)[middle].mean(dim=(0, 2, 3))
    assert apart.tolist() == pytest.approx(shift.tolist(), abs=0.006)


def test_where_there_is_no_face_nothing_is_bent(collins, collins_face):
    noise = np.random.default_rng(0).integers(0, 256, collins.shape, dtype=np.uint8)
    both = placements(cut_canvas([noise, collins], [collins_face, collins_face]))
    assert not both[0].any()
    assert both[1].any()


def test_faces_of_a_batch_do_not_depend_on_each_other(collins, collins_face, hopper, hopper_face):
    both = placements(cut_canvas([collins, hopper], [collins_face, hopper_face]))
    for photo, face, row in ((collins, collins_face, both[:1]), (hopper, hopper_face, both[1:])):
        torch.testing.assert_close(placements(cut_canvas([photo], [face])), row, atol=2e-4, rtol=0)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.03))
def test_the_spline_goes_near_its_points_and_leaves_the_rim(seed, size):
    generator = torch.Generator().manual_seed(seed)
    target = mean_mesh()[::12].double()
    # At most so far as faces bend: what is far beyond is no longer in proportion.
    bend = size * (2 * torch.rand(2, generator=generator, dtype=torch.float64) - 1)
    source = target[None] + bend * torch.sin(3 * target).flip(1)
    places = _spline(source, target)
    assert places.isfinite().all()
    # In proportion to what was drawn; the worst of 3,000 draws is about a half of each.
    most = bend.abs().max()
    assert (at(places, source[0]) - (target - source[0])).abs().max() <= 0.1 * most + 1e-9
    assert places[..., 0].abs().max() <= 0.25 * most + 1e-9


def test_unbent_everything_stays():
    generator = torch.Generator().manual_seed(0)
    fields = torch.rand(1, 3, 48, 48, generator=generator)
    nothing = torch.zeros(2, 2, PLACES, PLACES)
    torch.testing.assert_close(placed(fields, nothing), fields.expand(2, -1, -1, -1))
    flows = torch.rand(1, 2, 16, 16, generator=generator)
    assert placed_flows(flows, nothing).shape == (2, 2, PLACES, PLACES)
    even = torch.ones(1, 2, 16, 16)
    torch.testing.assert_close(placed_flows(even, nothing), torch.ones(2, 2, PLACES, PLACES))


def test_a_displacement_says_where_to_look():
    fields = torch.zeros(1, 1, 64, 64)
    fields[..., 20, 30] = 1
    # Eight pixels to the right and four down on the mean face is what is seen here.
    places = torch.zeros(1, 2, PLACES, PLACES)
    places[:, 0], places[:, 1] = 8 / 64, 4 / 64
    there = placed(fields, places)
    assert there[0, 0, 16, 22] == pytest.approx(1, abs=1e-5)
    assert there.sum() == pytest.approx(1, abs=1e-4)


def test_gradients_come_back_to_where_they_belong():
    fields = torch.zeros(1, 1, 64, 64, requires_grad=True)
    places = torch.full((1, 2, PLACES, PLACES), 4 / 64)
    (gradient,) = torch.autograd.grad(placed(fields, places)[0, 0, 30, 30], fields)
    assert gradient[0, 0, 34, 34] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("move", [0.005, 0.02])
def test_the_inverse_of_a_flow_undoes_it(move):
    size = 96
    bends = 2 * torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0)) - 1
    field = F.interpolate(bends * move, (size, size), mode="bicubic", align_corners=False)
    back = inverse(field)
    # What is fetched for a point comes from where the inverse sends it; in pixels, by scipy.
    there, here = size * field[0].numpy(), size * back[0].numpy()
    rows, columns = np.mgrid[:size, :size].astype(float)
    at = [rows + here[1], columns + here[0]]
    moved = [map_coordinates(there[k], at, order=1, mode="nearest") for k in (0, 1)]
    left = np.hypot(here[0] + moved[0], here[1] + moved[1])
    assert np.hypot(*there).max() > 0.5 * move * size
    assert left.max() < 0.05
