"""Encoder and decoder: what is drawn, and that a message is read before anything is learned."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from bauta.faces.frame import cut_canvas, frames_of
from bauta.watermark.codes import BITS
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
    assert drawn.shape == (2, 1, SIDE, SIDE)
    assert float(drawn.abs().max()) <= 1
    assert float((drawn * other).mean() / drawn.square().mean()) < -0.4


def test_a_message_is_read_before_anything_is_learned():
    encoder, decoder = networks()
    bits, plain = messages(4), torch.full((4, 3, SIDE, SIDE), 128.0)
    with torch.no_grad():
        assert right(decoder, (plain + 8 * encoder(plain, bits)).round(), bits) > 0.97
        assert right(decoder, plain, bits) < 0.7
