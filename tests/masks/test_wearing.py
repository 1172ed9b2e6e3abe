"""Putting masks on: where they lie, which one a photo gets, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bauta.audit.metrics import largest_change
from bauta.faces.face import Face
from bauta.masks.wearing import member_for, put_on
from bauta.media import is_grey
from tests.faces.make import face_at, noise
from tests.masks.make import noise_mask

KINDS = {
    "plain": {},
    "perceptual": {"perceptual": True},
    "moving": {"move": 0.012},
    "both": {"perceptual": True, "move": 0.012},
}


def changed(before, after):
    """Rows and columns that differ."""
    return np.nonzero((before != after).any(axis=2))


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_frame_changes_and_only_in_a_copy(kind, collins, collins_face):
    original = collins.copy()
    out = put_on(collins, [collins_face], noise_mask(**KINDS[kind]))
    np.testing.assert_array_equal(collins, original)
    assert out.shape == collins.shape
    assert out.dtype == np.uint8
    rows, columns = changed(collins, out)
    corners = collins_face.corners()
    left, top = np.floor(corners.min(axis=0))
    right, bottom = np.ceil(corners.max(axis=0))
    assert rows.min() >= top
    assert rows.max() <= bottom
    assert columns.min() >= left
    assert columns.max() <= right
    # and most of it does
    assert len(rows) > 0.4 * collins_face.frame_side**2


@pytest.mark.parametrize("epsilon", [2.0, 5.5, 12.0])
@pytest.mark.parametrize("perceptual", [False, True])
def test_no_sample_changes_more_than_the_key_says(epsilon, perceptual, collins, collins_face):
    mask = noise_mask(epsilon, perceptual=perceptual)
    out = put_on(collins, [collins_face], mask)
    assert largest_change(collins, out) <= mask.facts.peak == epsilon * (3 if perceptual else 1)
    assert largest_change(collins, out) >= int(mask.facts.peak) - 2


def test_black_and_white_do_not_wrap_around():
    photo = np.zeros((120, 120, 3), np.uint8)
    photo[:, 60:] = 255
    out = put_on(photo, [face_at(60, 60, 100)], noise_mask(20.0)).astype(int)
    assert 10 < out[:, :60].max() <= 20
    assert 235 <= out[:, 60:].min() < 245


def test_smooth_skin_gets_less_under_a_perceptual_budget():
    photo = np.full((160, 320, 3), 128, np.uint8)
    photo[:, 160:] = noise(160, 160)
    faces = [face_at(80, 80, 140), face_at(240, 80, 140)]
    out = put_on(photo, faces, noise_mask(perceptual=True)).astype(int)
    smooth, busy = (np.abs(out - photo)[:, part].mean() for part in (slice(160), slice(160, None)))
    assert smooth < 0.8 * busy
    plain = put_on(photo, faces, noise_mask()).astype(int)
    smooth, busy = (
        np.abs(plain - photo)[:, part].mean() for part in (slice(160), slice(160, None))
    )
    assert smooth == pytest.approx(busy, rel=0.1)


def test_a_mask_stays_in_its_region(collins, collins_face):
    rows, columns = changed(
        collins, put_on(collins, [collins_face], noise_mask(region="eyes", move=0.01))
    )
    eyes = collins_face.landmarks[:4]
    reach = collins_face.frame_side / 8
    assert rows.min() > eyes[:, 1].min() - reach
    assert rows.max() < eyes[:, 1].max() + reach
    assert columns.min() > eyes[:, 0].min() - reach
    assert columns.max() < eyes[:, 0].max() + reach


@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_photo_wears_the_same_mask_turned(kind, collins, collins_face):
    height = collins.shape[0]
    x, y = collins_face.landmarks.T
    points = np.stack([height - 1 - y, x], axis=1).astype(np.float32)
    turned = Face(collins_face.box, collins_face.score, points)
    mask = noise_mask(**KINDS[kind])
    upright = put_on(collins, [collins_face], mask, member=0)
    other = put_on(np.ascontiguousarray(np.rot90(collins, -1)), [turned], mask, member=0)
    assert np.abs(np.rot90(other).astype(int) - upright).mean() < 0.01
    assert len(changed(collins, upright)[0]) > 1000


# Which member


def test_the_same_photo_always_gets_the_same_member(collins, collins_face):
    mask = noise_mask(members=5)
    at = member_for(mask, collins)
    assert at == member_for(mask, collins.copy()) == member_for(replace(mask), collins)
    np.testing.assert_array_equal(
        put_on(collins, [collins_face], mask),
        put_on(collins, [collins_face], mask, member=at),
    )
    others = [put_on(collins, [collins_face], mask, member=k) for k in range(5)]
    assert all((others[at] != others[k]).any() for k in range(5) if k != at)


def test_members_follow_the_content():
    mask = noise_mask(members=4)
    photos = [noise(8, 8, seed) for seed in range(64)]
    drawn = [member_for(mask, photo) for photo in photos]
    # 64 photos leave a member of four out once in 25 million keys.
    assert set(drawn) == {0, 1, 2, 3}
    assert member_for(noise_mask(), photos[0]) == 0


def test_members_follow_the_secret():
    photos = [noise(8, 8, seed) for seed in range(64)]
    one, other = (noise_mask(members=4) for _ in range(2))
    assert one.secret != other.secret
    assert [member_for(one, p) for p in photos] != [member_for(other, p) for p in photos]


def test_members_move_differently(collins, collins_face):
    mask = noise_mask(members=2, move=0.012)
    still = replace(mask, deltas=np.zeros_like(mask.deltas))
    first, second = (put_on(collins, [collins_face], still, member=k) for k in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 0.2
    assert np.abs(first.astype(int) - collins).mean() > 0.2


# Which faces


@pytest.mark.parametrize("kind", KINDS)
def test_of_several_faces_only_the_chosen_ones_change(kind, pair, pair_faces):
    mask = noise_mask(**KINDS[kind])
    right = put_on(pair, pair_faces[1:], mask)
    left = put_on(pair, pair_faces[:1], mask)
    both = put_on(pair, pair_faces, mask)
    np.testing.assert_array_equal(right[:, :512], pair[:, :512])
    np.testing.assert_array_equal(left[:, 512:], pair[:, 512:])
    assert (right != pair).any()
    assert (left != pair).any()
    # Strips begin elsewhere, so that a few samples are rounded otherwise.
    each = np.concatenate([left[:, :512], right[:, 512:]], axis=1)
    assert largest_change(each, both) <= 1
    assert (each != both).mean() < 1e-4


# Grey


def test_grey_photos_stay_grey(collins, collins_face):
    grey = np.repeat(collins[..., 1:2], 3, axis=2)
    mask = noise_mask(move=0.012)
    out = put_on(grey, [collins_face], mask, grey=True)
    assert is_grey(grey)
    assert is_grey(out)
    assert np.abs(out.astype(int) - grey).mean() > 0.2
    assert not is_grey(put_on(grey, [collins_face], mask))
    assert not is_grey(collins)
