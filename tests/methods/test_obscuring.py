"""What people do today: only the face changes, and as much as is said."""

from __future__ import annotations

import numpy as np
import pytest

from bauta.audit.metrics import psnr
from bauta.methods.baselines.obscuring import obscurers

COVERING = sorted(set(obscurers.names()) - {"none", "noise"})


@pytest.mark.parametrize("name", COVERING)
def test_the_face_changes_and_the_corners_do_not(name, hopper, hopper_face):
    before = hopper.copy()
    out = obscurers[name].change(hopper, hopper_face, 8.0)
    assert out.shape == hopper.shape
    assert out.dtype == np.uint8
    left, top, right, bottom = (round(edge) for edge in hopper_face.box)
    assert psnr(hopper[top:bottom, left:right], out[top:bottom, left:right]) < 30
    np.testing.assert_array_equal(out[:5], hopper[:5])
    np.testing.assert_array_equal(hopper, before)


def test_none_and_noise(hopper, hopper_face):
    np.testing.assert_array_equal(obscurers["none"].change(hopper, hopper_face, 8.0), hopper)
    noisy = obscurers["noise"].change(hopper, hopper_face, 8.0).astype(int) - hopper
    assert np.abs(noisy).max() == 8
    inner = noisy[(hopper > 8) & (hopper < 247)]
    assert inner.std() == pytest.approx(8 / np.sqrt(3), rel=0.03)


def test_coarser_and_stronger_hide_more(hopper, hopper_face):
    def left(name):
        return psnr(hopper, obscurers[name].change(hopper, hopper_face, 8.0))

    assert left("blur") < left("blur-light")
    assert left("pixelate-coarse") < left("pixelate")


def test_the_bar_lies_on_the_eyes(hopper, hopper_face):
    out = obscurers["eye-bar"].change(hopper, hopper_face, 8.0)
    for x, y in hopper_face.landmarks[:4]:
        assert not out[round(float(y)), round(float(x))].any()
    x, y = hopper_face.landmarks[4]
    assert out[round(float(y)), round(float(x))].any()
