"""Cuts, faces followed from frame to frame, and landmarks smoothed over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.clips.cuts import is_cut, thumbnail
from bauta.clips.following import centre, follow, look_at, with_landmarks
from bauta.clips.smoothing import smoothed
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from tests.clips.make import empty, glide

Pixels = NDArray[np.uint8]


def test_a_moving_camera_is_no_cut_and_another_picture_is(collins: Pixels, hopper: Pixels):
    first, second = glide(collins, 2, step=(9, 4))
    (other,) = glide(hopper, 1)
    assert not is_cut(thumbnail(first), thumbnail(second))
    assert is_cut(thumbnail(first), thumbnail(other))


@pytest.mark.parametrize("step", [(1.5, 0.5), (-6.0, 3.0), (0.3, -8.0)])
def test_a_face_is_found_where_it_moved_to(collins: Pixels, step: tuple[float, float]):
    first, second = glide(collins, 2, start=(32, 14), step=step)
    before = look_at(first, find_faces(first)[0])
    after = follow(second, before)
    assert after is not None
    moved = centre(after.face) - centre(before.face)
    assert moved == pytest.approx([-step[0], -step[1]], abs=0.8)


def test_a_face_that_lies_on_its_side_is_followed(collins: Pixels):
    first, second = (
        np.ascontiguousarray(np.rot90(frame)) for frame in glide(collins, 2, step=(3, 2))
    )
    before = look_at(first, find_faces(first)[0])
    after = follow(second, before)
    assert after is not None
    assert after.face.roll == pytest.approx(-90, abs=12)
    # The picture is turned counter-clockwise, so x becomes -y.
    assert centre(after.face) - centre(before.face) == pytest.approx([-2, 3], abs=0.8)


def test_a_face_that_has_gone_is_not_followed(collins: Pixels, hopper: Pixels):
    (first,) = glide(collins, 1)
    before = look_at(first, find_faces(first)[0])
    assert follow(empty(1)[0], before) is None
    (other,) = glide(hopper, 1, start=(40, 60))
    assert follow(other, before) is None


def path_of(face: Face, moves: NDArray[np.float64]) -> list[Face]:
    return [with_landmarks(face, face.landmarks + move) for move in moves]


def test_smoothing_follows_speed_and_acceleration(collins_face: Face):
    at = np.arange(-3.0, 4.0)
    path = path_of(collins_face, np.stack([4 * at + 0.5 * at**2, -2 * at], axis=1))
    still = smoothed(path[:3], path[3], path[4:])
    assert np.abs(still.landmarks - path[3].landmarks).max() < 0.01


def test_smoothing_calms_what_trembles(collins_face: Face):
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.005 * collins_face.frame_side, (200, 1, 2))
    path = path_of(collins_face, noise)
    calm = [smoothed(path[at - 3 : at], path[at], path[at + 1 : at + 4]) for at in range(3, 197)]
    left = np.stack([face.landmarks for face in calm]) - collins_face.landmarks
    assert left.std() < 0.65 * noise.std()


def test_smoothing_never_moves_far_and_needs_both_sides(collins_face: Face):
    path = path_of(collins_face, np.array([[0.0, 0], [0, 0], [90, 0], [0, 0], [0, 0]]))
    moved = smoothed(path[:2], path[2], path[3:]).landmarks - path[2].landmarks
    assert np.abs(moved).max() <= 0.0151 * collins_face.frame_side
    assert smoothed(path[:2], path[2], []) is path[2]
    other = replace(path[3], scheme="yunet5")
    assert smoothed(path[:2], path[2], [other, other]) is path[2]
