"""Moved pixels: nothing without a flow, the right way and length with one, also in turned faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.faces import rendering
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import warp
from bauta.faces.moving import move_canvas
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
from tests.faces.make import face_at, noise
from tests.faces.test_frame import outside, scenes

SIZE, GRID = 64, 6
MASK = torch.ones(1, 1, SIZE, SIZE)


def masks(count: int) -> torch.Tensor:
    return MASK.expand(count, -1, -1, -1)


def constant(x: float, y: float, count: int = 1) -> torch.Tensor:
    return torch.tensor([x, y]).view(1, 2, 1, 1).repeat(count, 1, GRID, GRID)


@settings(max_examples=40)
@given(scenes())
def test_no_flow_changes_nothing(scene):
    pixels, faces = scene
    out = move_in_photo(pixels, faces, constant(0.0, 0.0, len(faces)), masks(len(faces)))
    np.testing.assert_array_equal(out, pixels)
    assert not np.shares_memory(out, pixels)


@settings(max_examples=40)
@given(scenes(), st.integers(0, 9))
def test_pixels_outside_the_frames_stay(scene, seed):
    pixels, faces = scene
    flows = 0.05 * torch.randn(
        len(faces), 2, GRID, GRID, generator=torch.Generator().manual_seed(seed)
    )
    out = move_in_photo(pixels, faces, flows, masks(len(faces)))
    far = np.ones(pixels.shape[:2], dtype=bool)
    for face in faces:
        # A sample of the frame's edge reaches half its width beyond it, a neighbour's a whole one.
        far &= outside(face, pixels.shape, 1.5 / SIZE)
    np.testing.assert_array_equal(out[far], pixels[far])


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, -90.0])
def test_a_flow_moves_along_the_axes_of_the_face(angle):
    """A shift along the frame's x axis is one along the photo's axes, turned with the face."""
    pixels = noise(120, 120, 3)
    face = face_at(60, 60, 40, angle)
    side = face.frame_side
    out = move_in_photo(pixels, [face], constant(4 / side, 0), MASK)
    along = face.frame[:, 0] / np.linalg.norm(face.frame[:, 0])
    dx, dy = np.rint(4 * along).astype(int)
    expected = np.roll(pixels, (-dy, -dx), axis=(0, 1))
    inner = np.s_[50:70, 50:70]
    np.testing.assert_allclose(out[inner].astype(int), expected[inner], atol=1)
    assert np.abs(out[inner].astype(int) - pixels[inner]).max() > 50


def test_canvas_and_photo_agree(collins, collins_face):
    """What the optimisation sees is what is written, up to the canvas's own sampling."""
    generator = torch.Generator().manual_seed(1)
    flows = 0.006 * torch.randn(1, 2, 14, 14, generator=generator)
    canvas = cut_canvas([collins], [collins_face])
    mask = region_mask(collins_face, ("head",))[None]
    side = canvas.images.shape[-1]
    share = warp(mask, canvas.canvas_to_frame(mask.shape[-1]), (side, side))
    seen = move_canvas(canvas, flows, share, canvas.canvas_to_frame(14))
    written = move_in_photo(collins, [collins_face], flows, mask)
    after = cut_canvas([written], [collins_face]).images
    moved = float((after - canvas.images).abs().mean())
    assert moved > 1
    assert float((seen - after).abs().mean()) < 0.15 * moved


def test_overlapping_faces_add_up():
    pixels = noise(90, 90, 5)
    face = face_at(45, 45, 60)
    step = 1 / face.frame_side
    twice = move_in_photo(pixels, [face, face], constant(step, 0, 2), masks(2))
    once = move_in_photo(pixels, [face], constant(2 * step, 0), MASK)
    np.testing.assert_array_equal(twice, once)


def test_grey_photos_stay_grey():
    pixels = np.repeat(noise(80, 80, 2)[..., :1], 3, axis=2)
    flows = 0.02 * torch.randn(1, 2, GRID, GRID, generator=torch.Generator().manual_seed(0))
    out = move_in_photo(pixels, [face_at(40, 40, 50)], flows, MASK)
    assert not np.array_equal(out, pixels)
    np.testing.assert_array_equal(out[..., 0], out[..., 1])
    np.testing.assert_array_equal(out[..., 0], out[..., 2])


def test_gradients_reach_the_flow(collins, collins_face):
    canvas = cut_canvas([collins], [collins_face])
    flows = torch.zeros(1, 2, GRID, GRID, requires_grad=True)
    side = canvas.images.shape[-1]
    share = torch.ones(1, 1, side, side)
    moved = move_canvas(canvas, flows, share, canvas.canvas_to_frame(GRID))
    (gradient,) = torch.autograd.grad(moved.square().mean(), flows)
    assert bool((gradient != 0).any(dim=1)[0, 1:-1, 1:-1].all())


@pytest.mark.parametrize("strip", [8, 20])
def test_strips_leave_no_seams(strip: int, monkeypatch: pytest.MonkeyPatch):
    """Three faces, two of which overlap, the third beside them in the same rows."""
    pixels = noise(160, 220, 7)
    faces = [face_at(60, 60, 70, 20), face_at(90, 80, 60), face_at(150, 40, 50, -10)]
    generator = torch.Generator().manual_seed(3)
    flows = 0.01 * torch.randn(3, 2, GRID, GRID, generator=generator)
    deltas = 8 * torch.randn(3, 3, MASK.shape[-1], MASK.shape[-1], generator=generator)
    whole = move_in_photo(pixels, faces, flows, masks(3))
    whole = render_into_photo(whole, faces, deltas, masks(3), limit=8)
    monkeypatch.setattr(rendering, "_STRIP", strip)
    cut = move_in_photo(pixels, faces, flows, masks(3))
    cut = render_into_photo(cut, faces, deltas, masks(3), limit=8)
    # The sampling coordinates are rounded differently in each strip.
    difference = np.abs(whole.astype(int) - cut)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002
    assert (whole != pixels).any(axis=2).mean() > 0.2
