"""Masks: what they keep, what secrets do, and that nothing else gets out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import UsageError
from bauta.masking.dct import BlockDct, deviations
from bauta.masking.masks import (
    Mask,
    MaskSpec,
    every_kind,
    low_frequencies,
    mixing_table,
    normalised,
    random_channels,
    spec_from_json,
)
from tests.masking.test_dct import noise


@settings(max_examples=20)
@given(st.binary(max_size=80), st.integers(1, 40), st.floats(0, 0.49))
def test_nothing_is_lost_to_who_knows_the_secret(secret: bytes, count: int, mixing: float):
    channels = low_frequencies(40)[:count]
    table = mixing_table(MaskSpec(channels=channels, mixing=mixing, rounds=2), secret)
    assert torch.allclose(table.sum(dim=1), torch.ones(count, dtype=torch.float64))
    back = torch.linalg.inv(table)
    assert torch.allclose(back @ table, torch.eye(count, dtype=torch.float64), atol=1e-6)


def test_a_mask_is_the_literal_steps():
    """Transform, keep, shuffle and mix, normalise; in one convolution."""
    spec = MaskSpec(channels=(3, 9, 70, 130), stride=2, rounds=2)
    photos = noise(3, 24, 24)
    kept = BlockDct(stride=2)(photos)[:, list(spec.channels)].double()
    kept /= deviations()[list(spec.channels)].view(-1, 1, 1)
    mixed = torch.einsum("oc,bchw->bohw", mixing_table(spec, b"mine"), kept)
    error = Mask(spec, b"mine")(photos) - normalised(mixed)
    assert float(error.abs().max()) < 1e-4


def test_channels_of_photos_have_mean_0_and_deviation_1():
    masked = Mask(MaskSpec(), b"")(noise(2, 16, 16))
    assert float(masked.mean(dim=(2, 3)).abs().max()) < 1e-5
    assert masked.std(dim=(2, 3), correction=0).flatten().tolist() == pytest.approx(
        [1.0] * 48, abs=1e-3
    )


def test_every_photo_has_the_mask_that_it_is_given():
    mask, photos = Mask(MaskSpec(keys=3), b"mine"), noise(5, 16, 16)
    keys = torch.tensor([2, 0, 1, 2, 0])
    masked = mask.with_keys(photos, keys)
    for row, key in enumerate(keys.tolist()):
        alone = mask(photos[row : row + 1], key)[0]
        assert torch.allclose(masked[row], alone, atol=1e-5)
        assert not torch.allclose(masked[row], mask(photos[row : row + 1], (key + 1) % 3)[0])
    # The first mask is what a secret makes when there is but one.
    assert torch.equal(mask(photos), Mask(MaskSpec(), b"mine")(photos))


def test_flat_photos_stay_flat():
    assert not bool(Mask(MaskSpec(), b"")(torch.full((1, 3, 16, 16), 90.0)).any())


def test_the_secret_decides():
    photos = noise(1, 16, 16)
    mine, again, yours = (Mask(MaskSpec(), s)(photos) for s in (b"mine", b"mine", b"yours"))
    assert torch.equal(mine, again)
    likeness = torch.corrcoef(torch.stack([mine.flatten(), yours.flatten()]))[0, 1]
    assert abs(float(likeness)) < 0.2


def test_the_mean_of_a_photo_is_nowhere():
    spec, photos = MaskSpec(), noise(1, 16, 16).clamp(60, 180)
    assert not {0, 64, 128} & set(spec.channels)
    lighter, darker = (Mask(spec, b"x")(photos + by) for by in (40, -40))
    assert torch.allclose(lighter, darker, atol=1e-3)


def test_low_frequencies_come_first():
    chosen = low_frequencies(5)
    assert chosen[:5] == (1, 8, 2, 9, 16)
    assert chosen[5:10] == tuple(64 + f for f in chosen[:5])
    assert len(low_frequencies()) == 108


def test_eight_kinds_say_what_all_frequencies_do():
    """Normalised, every other channel is one of them again, its sign apart."""
    photos = noise(2, 20, 20)
    whole = normalised(BlockDct()(photos).double()).transpose(0, 1).flatten(1)
    likeness = torch.corrcoef(whole[list(low_frequencies(48)) + list(every_kind())]).abs()
    others, kinds = likeness[:144, 144:], likeness[144:, 144:]
    assert float(others.max(dim=1).values.min()) > 0.999
    assert float((kinds - torch.eye(24)).max()) < 0.95


def test_channels_are_alike_in_strength_before_they_are_mixed():
    smooth = torch.nn.functional.interpolate(noise(4, 30, 30), (60, 60), mode="bicubic")
    kept = BlockDct(every_kind())(smooth.clamp(0, 255)).std(dim=(0, 2, 3))
    levelled = kept / deviations()[list(every_kind())]
    luma = levelled[:8]
    assert float(kept[:8].max() / kept[:8].min()) > 40
    assert float(luma.max() / luma.min()) < 10


def test_what_is_said_of_a_mask_can_be_read_back():
    spec = MaskSpec(channels=(5, 9), stride=4, mixing=0.25, rounds=3)
    assert spec_from_json(spec.to_json()) == spec
    with pytest.raises(UsageError, match="description of a mask"):
        spec_from_json({"channels": "a"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": ()},
        {"channels": (1, 1)},
        {"channels": (192,)},
        {"channels": (4,)},
        {"mixing": 1.0},
        {"rounds": 0},
    ],
)
def test_refuses(wrong: dict[str, object]):
    with pytest.raises(UsageError):
        MaskSpec(**wrong)  # type: ignore[arg-type]  # that is what is tried


@pytest.mark.parametrize("count", [0, 64])
def test_refuses_too_few_and_too_many_frequencies(count: int):
    with pytest.raises(UsageError, match="1 to 48"):
        low_frequencies(count)


def test_random_channels_differ_from_photo_to_photo():
    masked = torch.arange(12.0).view(1, 12, 1, 1).expand(40, 12, 2, 2)
    generator = torch.Generator().manual_seed(0)
    shown = random_channels(masked, (range(6), range(6, 12)), 2, generator)[:, :, 0, 0]
    assert bool((shown[:, :2] < 6).all())
    assert bool((shown[:, 2:] >= 6).all())
    # In the order of frequency, and never one of them twice.
    assert bool((shown[:, 0] < shown[:, 1]).all())
    assert len({tuple(row) for row in shown.tolist()}) > 20
