"""Mixtures of several faces."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.masking.mixing import Blend, blended, draw_blend, flipped


@settings(max_examples=30)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(0, 99))
def test_shares_fall_and_add_up(counts: list[int], seed: int):
    generator = torch.Generator().manual_seed(seed)
    blend = draw_blend(torch.tensor(counts), generator, 6)
    assert blend.weights.shape == blend.partners.shape == (len(counts), 6)
    assert torch.allclose(blend.weights.sum(dim=1), torch.ones(len(counts)))
    assert bool((blend.weights.diff(dim=1) <= 0).all())
    assert (blend.weights > 0).sum(dim=1).tolist() == counts
    assert blend.partners[:, 0].tolist() == list(range(len(counts)))
    others = blend.partners[:, 1:]
    assert bool((others != torch.arange(len(counts))[:, None]).all())
    assert int(others.min()) >= 0
    assert int(others.max()) < len(counts)


def test_shares_are_uniform_among_all_that_add_up_to_one():
    """Of two, the larger share is uniform between a half and 1."""
    counts = torch.full((4000,), 2)
    larger = draw_blend(counts, torch.Generator().manual_seed(0)).weights[:, 0].sort().values
    expected = 0.5 + 0.5 * (torch.arange(4000) + 0.5) / 4000
    assert float((larger - expected).abs().max()) < 0.03


def test_mixtures_are_sums():
    faces = torch.rand(3, 2, 4, 4)
    partners = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [1.0, 0.0, 0.0]])
    mixed = blended(faces, Blend(partners, weights))
    expected = torch.stack(
        [
            0.5 * faces[0] + 0.3 * faces[1] + 0.2 * faces[2],
            0.6 * faces[1] + 0.4 * faces[2],
            faces[2],
        ]
    )
    assert torch.allclose(mixed, expected, atol=1e-6)


def test_signs_are_flipped_with_an_even_chance():
    x = torch.rand(2, 3, 32, 32) + 0.1
    out = flipped(x, torch.Generator().manual_seed(0))
    assert torch.equal(out.abs(), x)
    assert 0.47 < float((out < 0).float().mean()) < 0.53


def test_what_a_face_gives_up_at_a_place_the_others_take():
    faces = torch.rand(3, 2, 4, 4)
    partners = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.6, 0.4, 0.0], [1.0, 0.0, 0.0]])
    own = torch.ones(4, 4)
    own[1, 2], own[3, 3] = 0.0, 0.5
    mixed = blended(faces, Blend(partners, weights), own)
    plain = blended(faces, Blend(partners, weights))
    assert torch.allclose(mixed[:, :, 0], plain[:, :, 0])
    others = 0.6 * faces[1, :, 1, 2] + 0.4 * faces[2, :, 1, 2]
    assert torch.allclose(mixed[0, :, 1, 2], others)
    assert torch.allclose(mixed[1, :, 3, 3], 0.3 * faces[1, :, 3, 3] + 0.7 * faces[2, :, 3, 3])
    # Who is alone has nobody to hide behind.
    assert torch.equal(mixed[2], faces[2])
