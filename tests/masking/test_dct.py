"""The transform in one convolution against the literal pipeline, by another library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dctn

from bauta.errors import UsageError
from bauta.masking.dct import CHANNELS, LIVE, PER_COLOUR, BlockDct


def literal(photos: torch.Tensor, *, align_corners: bool = False) -> np.ndarray:
    """Enlarge eightfold, go to YCbCr, cut into blocks, transform each: as the papers say it."""
    mode = {"mode": "bilinear", "align_corners": align_corners}
    large = F.interpolate(photos.double(), scale_factor=8, **mode).numpy()
    r, g, b = large[:, 0], large[:, 1], large[:, 2]
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb, cr = (b - y) / 1.772 + 128, (r - y) / 1.402 + 128
    planes = np.stack([y, cb, cr], 1) - 128
    n, _, height, width = planes.shape
    blocks = planes.reshape(n, 3, height // 8, 8, width // 8, 8).transpose(0, 1, 2, 4, 3, 5)
    table = dctn(blocks, axes=(-2, -1), norm="ortho")
    return table.transpose(0, 1, 4, 5, 2, 3).reshape(n, CHANNELS, height // 8, width // 8)


def noise(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return 255 * torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(2, 20), st.integers(2, 20), st.integers(0, 99))
def test_equals_the_literal_pipeline(count: int, height: int, width: int, seed: int):
    photos = noise(count, height, width, seed)
    expected = literal(photos)
    assert BlockDct()(photos).numpy() == pytest.approx(expected, abs=2e-6 * 255 * 64)


def test_equals_the_literal_pipeline_on_a_face_sized_photo():
    photos = noise(1, 112, 112)
    error = BlockDct()(photos).numpy() - literal(photos)
    # 3e-7 of the largest coefficient is float32's own rounding.
    assert np.abs(error).max() < 1e-6 * np.abs(literal(photos)).max()


def test_corners_aligned_differ_a_little():
    """The public code aligns corners, so that its kernels drift with the place."""
    smooth = F.interpolate(noise(1, 8, 8), (112, 112), mode="bicubic").clamp(0, 255)
    half, corners = literal(smooth), literal(smooth, align_corners=True)
    energy = np.square(half).sum()
    assert 1e-6 < np.square(half - corners).sum() / energy < 1e-2


@pytest.mark.parametrize("stride", [2, 4])
def test_strides_take_every_so_manieth_block(stride: int):
    photos = noise(2, 16, 24)
    whole = BlockDct()(photos)[:, :, ::stride, ::stride]
    assert torch.allclose(BlockDct(stride=stride)(photos), whole, atol=1e-3)


def test_kept_channels_are_those_of_the_whole():
    photos = noise(1, 12, 12)
    kept = (5, 70, 191, 0)
    whole = BlockDct()(photos)
    assert torch.allclose(BlockDct(kept)(photos), whole[:, list(kept)], atol=1e-3)


def test_some_frequencies_say_nothing():
    """Those that count half a block's length: enlarged photos are straight lines in between."""
    photos = noise(1, 20, 20)
    energy = BlockDct()(photos).square().sum(dim=(0, 2, 3)).view(3, PER_COLOUR)
    silent = energy < 1e-15 * energy[:, 1:2]
    assert not bool(silent[:, list(LIVE)].any())
    assert silent.sum(dim=1).tolist() == [PER_COLOUR - len(LIVE)] * 3 == [15] * 3


def test_the_mean_holds_nearly_all_energy_of_a_smooth_photo():
    smooth = F.interpolate(noise(1, 6, 6), (96, 96), mode="bicubic").clamp(0, 255)
    energy = BlockDct()(smooth).square().sum(dim=(0, 2, 3)) / BlockDct()(smooth).square().sum()
    means = energy[[0, PER_COLOUR, 2 * PER_COLOUR]].sum()
    assert means > 0.99


@pytest.mark.parametrize("channels", [(), (192,), (-1, 3)])
def test_refuses_what_are_no_channels(channels: tuple[int, ...]):
    with pytest.raises(UsageError, match="channels"):
        BlockDct(channels)


def test_refuses_no_stride():
    with pytest.raises(UsageError, match="stride"):
        BlockDct(stride=0)
