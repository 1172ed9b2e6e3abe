"""Metrics against scikit-image and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import metrics as reference

from bauta.audit.metrics import largest_change, psnr, ssim

PICTURES = arrays(np.uint8, (5, 4, 3))
LUMA = np.array([0.299, 0.587, 0.114])


def disturbed(pixels, size, seed=0):
    noise = np.random.default_rng(seed).integers(-size, size + 1, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [1, 8, 60])
def test_psnr_and_ssim_equal_scikit_images(collins, size: int):
    part = collins[50:190, 150:330]
    other = disturbed(part, size)
    assert psnr(part, other) == pytest.approx(
        reference.peak_signal_noise_ratio(part, other, data_range=255), abs=1e-3
    )
    expected = reference.structural_similarity(
        part @ LUMA, other @ LUMA, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    assert ssim(part, other) == pytest.approx(expected, abs=1e-4)
    assert ssim(other, part) == pytest.approx(ssim(part, other), abs=1e-6)


def test_equal_pictures(collins):
    assert psnr(collins, collins) == math.inf
    assert ssim(collins, collins) == pytest.approx(1)
    assert largest_change(collins, collins) == 0


def test_pictures_smaller_than_the_window_have_no_ssim():
    small = np.zeros((10, 40, 3), np.uint8)
    assert math.isnan(ssim(small, small))
    assert ssim(np.zeros((11, 11, 3), np.uint8), np.zeros((11, 11, 3), np.uint8)) == 1


@settings(max_examples=50)
@given(PICTURES, PICTURES, st.integers(0, 255))
def test_the_largest_change_does_not_wrap_round(a, b, by):
    brute = max(abs(int(x) - int(y)) for x, y in zip(a.ravel(), b.ravel(), strict=True))
    assert largest_change(a, b) == largest_change(b, a) == brute
    flat = np.zeros((2, 2, 3), np.uint8)
    assert largest_change(flat, flat + np.uint8(by)) == by


def test_of_nothing_nothing_changed():
    assert largest_change(np.zeros((0, 3, 3), np.uint8), np.zeros((0, 3, 3), np.uint8)) == 0
