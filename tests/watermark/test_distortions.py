"""Distortions change what they say they change, alike for the same seed, and pass gradients on."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from bauta.faces.frame import cut_canvas, frames_of
from bauta.watermark.distortions import DISTORTIONS, colour, dropout, jpeg, realigned

torch.set_num_threads(1)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def frame(collins, collins_face) -> torch.Tensor:
    return frames_of(cut_canvas([collins], [collins_face]), 128).clamp(0, 255).round()


@pytest.mark.parametrize("name", DISTORTIONS)
def test_each_is_the_same_for_the_same_seed_and_differentiable(name, frame):
    point = frame.clone().requires_grad_(True)
    out = DISTORTIONS[name](point, seeded(5))
    assert out.shape == frame.shape
    assert torch.equal(out, DISTORTIONS[name](frame, seeded(5)))
    out.square().sum().backward()
    assert float(point.grad.abs().mean()) > 1
    change = float((out.detach() - frame).abs().mean())
    assert change == 0 if name == "identity" else 0.2 < change < 40


def test_jpeg_is_real(frame):
    out = jpeg(frame, seeded(1))
    sizes = []
    for quality in range(35, 96):
        for subsampling in (0, 2):
            file = io.BytesIO()
            pixels = frame[0].byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
            saved = np.asarray(Image.open(file)).astype(np.float32)
            sizes.append(np.abs(out[0].permute(1, 2, 0).numpy() - saved).max())
    assert min(sizes) == 0


def test_a_face_that_is_found_anew_lies_close(frame):
    out = realigned(frame, seeded(2))
    inner = (slice(None), slice(None), slice(32, 96), slice(32, 96))
    apart = frame.roll((12, 12), (2, 3))
    assert float((out - frame)[inner].abs().mean()) < float((apart - frame)[inner].abs().mean()) / 2


def test_colour_keeps_edges_where_they_are(frame):
    pair = torch.stack([frame.mean(1).flatten(), colour(frame, seeded(3)).mean(1).flatten()])
    assert float(torch.corrcoef(pair)[0, 1]) > 0.97


def test_a_patch_is_hidden(frame):
    hidden = (dropout(frame, seeded(4)) == 128).all(dim=1).float().mean()
    assert 0.005 < float(hidden) < 0.15
