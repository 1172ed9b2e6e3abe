"""Augmentation: off it changes nothing, on it stays a picture, and seeds repeat it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.recognizers.crops import CROPS, crop_of
from bauta.training.augment import PLAIN, Augment, plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor

EVERYTHING = dict.fromkeys(
    ("light", "shade", "grey", "blur", "small", "noise", "jpeg", "occlude"), 1.0
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def frames(little: FaceSet) -> torch.Tensor:
    return to_tensor(little.take(range(0, 48, 8)))


@pytest.mark.parametrize("name", sorted(CROPS))
def test_plain_augmentation_is_the_recognizers_crop(frames: torch.Tensor, name: str) -> None:
    crop = crop_of(name, 96)
    plain = plain_crop(frames, crop)
    assert plain.shape == (6, 3, 96, 96)
    assert torch.equal(PLAIN.change(plain, generator()), plain)
    assert (PLAIN.crop(frames, crop, generator()) - plain).abs().max() < 1e-2


def test_flip_mirrors_the_crop(frames: torch.Tensor) -> None:
    crop = crop_of("arcface", 64)
    always = Augment(flip=1.0, scale=1.0, rotation=0.0, shift=0.0)
    mirrored = always.crop(frames, crop, generator()).flip(-1)
    assert (mirrored - plain_crop(frames, crop)).abs().max() < 1e-2


def test_jitter_stays_near_and_differs_from_face_to_face(frames: torch.Tensor) -> None:
    crop = crop_of("arcface", 64)
    same = frames[:1].repeat(4, 1, 1, 1)
    jittered = Augment(flip=0.0).crop(same, crop, generator())
    plain = plain_crop(same, crop)
    away = (jittered - plain).abs().mean(dim=(1, 2, 3))
    unrelated = (plain[:1] - plain_crop(frames[1:2], crop)).abs().mean()
    assert float(away.min()) > 0.5
    assert float(away.max()) < 2 * float(unrelated)
    assert (jittered[0] - jittered[1]).abs().mean() > 0.5


@settings(max_examples=20)
@given(st.sampled_from(sorted(EVERYTHING)), st.integers(0, 10_000))
def test_each_change_alone_keeps_range_and_is_repeatable(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    crops = torch.from_numpy(rng.uniform(0, 255, (3, 3, 40, 40))).float()
    none = dict.fromkeys(EVERYTHING, 0.0)
    augment = Augment(**{**none, name: 1.0})
    before = crops.clone()
    changed = augment.change(crops, generator(seed))
    assert torch.equal(crops, before)
    assert changed.shape == crops.shape
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255
    assert not torch.equal(changed, crops)
    assert torch.equal(changed, augment.change(crops, generator(seed)))


def test_what_the_changes_do(frames: torch.Tensor) -> None:
    crops = plain_crop(frames, crop_of("arcface", 96))
    none = dict.fromkeys(EVERYTHING, 0.0)

    def only(name: str) -> torch.Tensor:
        return Augment(**{**none, name: 1.0}).change(crops, generator(3))

    def detail(x: torch.Tensor) -> float:
        return float((x[..., 1:] - x[..., :-1]).abs().mean())

    grey = only("grey")
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-3)
    assert detail(only("blur")) < 0.9 * detail(crops)
    assert detail(only("small")) < 0.9 * detail(crops)
    assert detail(only("noise")) > 1.2 * detail(crops)
    assert 0.5 < float((only("jpeg") - crops).abs().mean()) < 12
    # A covered rectangle: 2 to 25 % of the pixels, the rest untouched.
    covered = (only("occlude") != crops).any(dim=1).float().mean(dim=(1, 2))
    assert float(covered.min()) > 0.015
    assert float(covered.max()) < 0.27
