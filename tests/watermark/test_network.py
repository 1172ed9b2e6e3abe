"""Encoder and decoder: a message is read before anything is learned, and learning makes it last."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from bauta.faces.frame import cut_canvas, frames_of
from bauta.watermark.codes import BITS
from bauta.watermark.distortions import shared
from bauta.watermark.network import SIDE, Decoder, Encoder, spread_patterns

torch.set_num_threads(1)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def messages(count: int, seed: int = 1) -> torch.Tensor:
    return 2.0 * torch.randint(0, 2, (count, BITS), generator=seeded(seed)) - 1


@pytest.fixture(scope="module")
def faces(collins, collins_face) -> torch.Tensor:
    """(2, 3, 128, 128) a face, and mirrored."""
    frame = frames_of(cut_canvas([collins], [collins_face]), SIDE)
    return torch.cat([frame, frame.flip(-1)]).clamp(0, 255)


def networks() -> tuple[Encoder, Decoder]:
    encoder = Encoder(seeded())
    return encoder, Decoder(encoder.patterns, seeded(2))


def right(decoder: Decoder, images: torch.Tensor, bits: torch.Tensor) -> float:
    return float(((decoder(images) > 0) == (bits > 0)).float().mean())


def test_patterns_are_unlike_each_other():
    rows = spread_patterns(seeded()).flatten(1)
    likeness = rows @ rows.T / rows.shape[1]
    torch.testing.assert_close(likeness, torch.eye(BITS), atol=0.02, rtol=0)


def test_weights_follow_the_generator():
    one, other = networks(), networks()
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)


def test_what_is_drawn_says_another_thing_for_another_message(faces):
    encoder, _ = networks()
    with torch.no_grad():
        drawn = encoder(faces, messages(2))
        other = encoder(faces, -messages(2))
    assert drawn.shape == faces.shape
    assert float(drawn.abs().max()) <= 1
    assert float((drawn * other).mean() / drawn.square().mean()) < -0.4


def test_a_message_is_read_before_anything_is_learned():
    encoder, decoder = networks()
    bits, plain = messages(4), torch.full((4, 3, SIDE, SIDE), 128.0)
    with torch.no_grad():
        assert right(decoder, (plain + 8 * encoder(plain, bits)).round(), bits) > 0.97
        assert right(decoder, plain, bits) < 0.7


def test_learning_makes_it_outlive_a_social_network(faces):
    encoder, decoder = networks()
    weights = [*encoder.parameters(), *decoder.parameters()]
    optimiser, generator = torch.optim.Adam(weights, 2e-3), seeded(3)

    def lasting(seed: int) -> float:
        bits = messages(2, seed)
        with torch.no_grad():
            marked = (faces + 8 * encoder(faces, bits)).clamp(0, 255).round()
            return right(decoder, shared(marked, seeded(4)), bits)

    before = sum(lasting(seed) for seed in range(50, 58)) / 8
    several = faces.repeat(2, 1, 1, 1)
    for step in range(60):
        bits = messages(4, 100 + step)
        marked = (several + 8 * encoder(several, bits)).clamp(0, 255)
        logits = decoder(shared(marked, generator))
        loss = F.binary_cross_entropy_with_logits(logits, (bits + 1) / 2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = sum(lasting(seed) for seed in range(50, 58)) / 8
    assert before < 0.65
    assert after > 0.83
