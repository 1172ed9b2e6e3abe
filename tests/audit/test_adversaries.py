"""Adversaries: each changes a real photo the more the harder it is, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian
from skimage.util import random_noise

from bauta.audit.adversaries import adversaries, apply_adversary
from bauta.audit.metrics import psnr
from bauta.errors import RegistryError, UsageError


@pytest.fixture
def photo(hopper: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(hopper).resize((160, 200)))


@pytest.mark.parametrize("name", adversaries.names())
def test_harder_changes_more_and_keeps_the_format(name: str, photo: NDArray[np.uint8]) -> None:
    before = photo.copy()
    changed = [apply_adversary(name, photo, s) for s in adversaries[name].strengths]
    for one in changed:
        assert one.shape == photo.shape
        assert one.dtype == np.uint8
        assert len(one.reshape(-1, 3)) == 160 * 200
    sizes = [psnr(photo, one) for one in changed]
    assert sizes == sorted(sizes, reverse=True)
    assert 10 < sizes[-1] < sizes[0] < 60
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("name", adversaries.names())
def test_the_same_change_twice(name: str, photo: NDArray[np.uint8]) -> None:
    strength = adversaries[name].strengths[0]
    once, again = (apply_adversary(name, photo, strength) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_blur_is_gaussian(photo: NDArray[np.uint8]) -> None:
    """Against scikit-image; Pillow's is three box filters."""
    mine = apply_adversary("blur", photo, 1.25).astype(float)
    theirs = gaussian(photo, sigma=2.0, channel_axis=-1, preserve_range=True)
    assert np.abs(mine - theirs)[8:-8, 8:-8].mean() < 1.0


def test_noise_has_the_deviation_it_says() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = apply_adversary("noise", grey, 10)
    reference = random_noise(grey, "gaussian", rng=0, var=(10 / 255) ** 2) * 255
    assert noisy.std() == pytest.approx(reference.std(), rel=0.02)


def test_bits_leave_as_many_levels() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for bits in (1, 3, 6, 8):
        assert len(np.unique(apply_adversary("bits", ramp, bits))) == 2**bits


def test_realign_turns_about_the_middle(photo: NDArray[np.uint8]) -> None:
    turned = apply_adversary("realign", photo, 5)
    back = np.asarray(Image.fromarray(turned).rotate(-5, Image.Resampling.BICUBIC))
    middle = (slice(60, 140), slice(50, 110))
    assert psnr(back[middle], photo[middle]) > psnr(turned[middle], photo[middle])


@pytest.mark.parametrize(
    ("name", "strength"),
    [("resize", 0), ("resize", 1.5), ("median", 4), ("bits", 9), ("realign", 60), ("denoise", 0)],
)
def test_strengths_without_meaning(name: str, strength: float, photo: NDArray[np.uint8]) -> None:
    with pytest.raises(UsageError, match=r"must be"):
        apply_adversary(name, photo, strength)


def test_unknown() -> None:
    with pytest.raises(RegistryError, match="did you mean jpeg"):
        apply_adversary("jpg", np.zeros((4, 4, 3), np.uint8), 1)
