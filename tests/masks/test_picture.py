"""Pictures of masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bauta.masks.picture import mask_picture
from tests.masks.make import noise_mask


@pytest.mark.parametrize("members", [1, 3])
def test_one_column_per_member_and_a_row_of_flows(members):
    still = mask_picture(noise_mask(members=members))
    moving = mask_picture(noise_mask(members=members, move=0.01))
    one = mask_picture(noise_mask())
    for picture in (still, moving):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
    gap = 2 * one.shape[1] - mask_picture(noise_mask(members=2)).shape[1]
    step = one.shape[1] - gap
    assert still.shape[:2] == (one.shape[0], members * step + gap)
    assert moving.shape[:2] == (one.shape[0] + step, members * step + gap)
    # The upper row is the same with and without flows.
    np.testing.assert_array_equal(moving[: one.shape[0] - gap], still[: one.shape[0] - gap])


def test_different_masks_look_different():
    first, second, louder = noise_mask(), noise_mask(seed=1), noise_mask(16.0)
    assert (mask_picture(first) != mask_picture(second)).mean() > 0.5
    # Magnified: the size of the change does not show, its shape does.
    assert np.abs(mask_picture(first).astype(int) - mask_picture(louder)).max() <= 1
    flows = [mask_picture(noise_mask(seed=seed, move=0.02)) for seed in (0, 1)]
    lower = first.deltas.shape[-1] * 2 + 50
    assert (flows[0][lower:] != flows[1][lower:]).any()


@pytest.mark.parametrize(("value", "shade"), [(0, 128), (8, 255), (-8, 0)])
def test_grey_is_nothing_and_black_and_white_are_most(value, shade):
    mask = noise_mask()
    flat = replace(mask, deltas=np.full_like(mask.deltas, value))
    picture = mask_picture(flat)
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 2]
    assert np.abs(middle.astype(int) - shade).max() <= 1
    assert (picture[0, 0] == 255).all()


def test_nothing_that_moves_is_dots():
    mask = noise_mask(move=0.02)
    still = replace(mask, flows=np.zeros_like(mask.flows))
    dots, arrows = ((mask_picture(one)[480:] < 128).all(axis=2).sum() for one in (still, mask))
    assert 0 < dots < arrows
