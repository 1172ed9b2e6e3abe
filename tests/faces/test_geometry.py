"""Similarities obey the laws of their group, and warps do what their maps say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bauta.faces.face import TEMPLATES, _five_of_68, box_iou
from bauta.faces.geometry import (
    apply,
    compose,
    fit_similarity,
    invert,
    scale_of,
    unit_to_pixels,
    warp,
)
from tests.faces.make import face_at

SHIFT = st.floats(-500, 500)


@st.composite
def similarities(draw):
    scale, angle = draw(st.floats(0.05, 20)), draw(st.floats(-np.pi, np.pi))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, draw(SHIFT)], [sin, cos, draw(SHIFT)]])


POINTS = np.array([[0.0, 0.0], [3.0, 1.0], [-2.0, 7.0], [5.0, -4.0]])


@given(similarities())
def test_a_fit_returns_the_similarity_behind_the_points(truth):
    fitted = fit_similarity(POINTS, apply(truth, POINTS))
    np.testing.assert_allclose(fitted, truth, rtol=1e-9, atol=1e-9)


@given(similarities(), st.integers(0, 2**32 - 1))
def test_no_nearby_similarity_fits_noisy_points_better(truth, seed):
    rng = np.random.default_rng(seed)
    target = apply(truth, POINTS) + rng.normal(size=POINTS.shape)

    def error(affine):
        return ((apply(affine, POINTS) - target) ** 2).sum()

    best = fit_similarity(POINTS, target)
    a, b, x, y = rng.normal(size=4) * 0.1
    other = best + np.array([[a, -b, x], [b, a, y]])
    assert error(best) <= error(other) + 1e-9


def test_a_fit_never_mirrors():
    mirrored = fit_similarity(POINTS, POINTS * (-1, 1))
    assert np.linalg.det(mirrored[:, :2]) >= 0


@given(similarities(), similarities())
def test_composition_and_inverse(outer, inner):
    both = compose(outer, inner)
    moved = apply(outer, apply(inner, POINTS))
    np.testing.assert_allclose(apply(both, POINTS), moved, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(apply(invert(both), moved), POINTS, rtol=1e-6, atol=1e-5)
    assert scale_of(both) == pytest.approx(scale_of(outer) * scale_of(inner))


@given(
    st.floats(-100, 100), st.floats(-100, 100), st.floats(20, 2000), st.floats(-179, 179),
    st.sampled_from(sorted(TEMPLATES)),
)  # fmt: skip
def test_a_face_knows_its_frame(x, y, side, roll, scheme):
    face = face_at(x, y, side, roll, scheme=scheme)
    assert face.frame_side == pytest.approx(side, rel=1e-4)
    assert face.roll == pytest.approx(roll, abs=0.01)
    np.testing.assert_allclose(face.corners().mean(axis=0), (x, y), atol=1e-2)


def test_five_of_68_points_are_the_corners_of_the_eyes_and_the_base_of_the_nose():
    points = np.arange(136.0).reshape(68, 2)
    assert _five_of_68(points)[:, 0].tolist() == [90, 84, 72, 78, 66]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
def test_the_identity_map_warps_to_the_same_image(mode):
    image = torch.rand(2, 3, 13, 21, dtype=torch.float64) * 255
    same = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]], dtype=torch.float64).repeat(2, 1, 1)
    torch.testing.assert_close(warp(image, same, (13, 21), mode=mode), image)


def test_a_warp_by_whole_pixels_moves_pixels_and_fills_with_black():
    image = torch.rand(1, 1, 8, 9, dtype=torch.float64)
    by = torch.tensor([[[1.0, 0, 2], [0, 1.0, -3]]], dtype=torch.float64)
    out = warp(image, by, (8, 9))
    torch.testing.assert_close(out[:, :, 3:, :7], image[:, :, :5, 2:])
    # But for the last digit of a coordinate.
    assert out[:, :, :3].abs().max() < 1e-12
    assert out[:, :, :, 7:].abs().max() < 1e-12


def test_the_unit_square_meets_the_outer_edges_of_pixels():
    edges = apply(unit_to_pixels(10), np.array([[0.0, 0.0], [1.0, 1.0], [0.05, 0.95]]))
    np.testing.assert_allclose(edges, [[-0.5, -0.5], [9.5, 9.5], [0, 9]])


def test_overlap_of_boxes():
    assert box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert box_iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert box_iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0
