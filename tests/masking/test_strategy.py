"""The strategy learns against a recognition that is made up: it keeps to its bound, and differs."""

from __future__ import annotations

import math

import pytest
import torch

from bauta.masking.strategy import COUNTS, Bound, Choice, Strategy, choose, rewards, strategy_loss

STEPS = 900


def played(privacy: float, seed: int = 0) -> dict[str, float]:
    """A recognition that gets better, to whom more faces cost more, less so for easy ones."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    strategy = Strategy(4)
    optimizer = torch.optim.Adam(strategy.parameters(), 1e-3)
    bound = Bound.start(privacy)
    ramp = torch.linspace(-1, 1, 8).abs()
    out: list[tuple[float, ...]] = []
    for step in range(STEPS):
        easy = torch.rand(96, generator=generator)
        # How a face's strength is spread tells how easy it is.
        spread = 1 + 2 * easy.view(-1, 1, 1, 1) * ramp
        choice = choose(strategy, torch.randn(96, 4, 8, 8, generator=generator) * spread, generator)
        more, learnt = choice.counts - 2, min(1, step / 500)
        noise = torch.randn(2, 96, generator=generator)
        missed = 1 - 0.6 * learnt * (1 - 0.15 * more * (1.5 - easy)) + 0.1 * noise[0]
        losses = 15 - 8 * learnt + 0.8 * learnt * more * (1.3 - 0.6 * easy) + noise[1]
        reward = rewards(losses, missed.clamp(0, 1), bound.price)
        loss, entropy = strategy_loss(choice, reward, 0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bound.update(choice.index, missed.clamp(0, 1))
        taught = torch.corrcoef(torch.stack([easy, choice.counts.float()]))[0, 1]
        out.append(
            (float(choice.counts.float().mean()), float(missed.mean()), bound.allowed,
             float(entropy), float(taught))
        )  # fmt: skip
    means = torch.tensor(out[-150:]).mean(0).tolist()
    return dict(zip(("count", "missed", "allowed", "entropy", "taught"), means, strict=True))


def test_privacy_is_a_knob():
    games = [played(privacy) for privacy in (0.0, 0.3, 0.7, 1.0)]
    counts = [game["count"] for game in games]
    assert counts == sorted(counts)
    assert counts[0] < 2.6
    assert counts[-1] > 5.4
    for game in games[1:3]:
        assert game["missed"] == pytest.approx(game["allowed"], abs=0.03)
        # It has not collapsed to one number.
        assert game["entropy"] > 0.6
    # Where there is room for it, easy faces are mixed with more.
    assert games[2]["taught"] > 0.1


def test_what_is_not_bound_mixes_as_many_as_it_can():
    """Without its price, the reward is the loss alone, and that grows with every face."""
    assert played(1.0)["count"] > 5.4


def test_all_counts_are_tried_at_first():
    strategy = Strategy(3)
    choice = choose(strategy, torch.randn(500, 3, 8, 8), torch.Generator().manual_seed(0))
    assert set(choice.counts.tolist()) == set(COUNTS)
    assert choice.chances.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 500, abs=1e-5)
    _, entropy = strategy_loss(choice, torch.zeros(500), 0.0)
    assert float(entropy) == pytest.approx(math.log(5), abs=1e-3)


def test_what_was_rewarded_grows_likelier():
    logits = torch.zeros(4, 5, requires_grad=True)
    choice = Choice(torch.tensor([0, 0, 4, 4]), logits.log_softmax(1), torch.zeros(4))
    loss, _ = strategy_loss(choice, torch.tensor([1.0, 1.0, -1.0, -1.0]), 0.0)
    loss.backward()
    assert logits.grad is not None
    assert bool((logits.grad[:2, 0] < 0).all())
    assert bool((logits.grad[2:, 4] > 0).all())


def test_rewards_of_equals_are_nothing():
    assert not bool(rewards(torch.full((3,), 7.0), torch.full((3,), 0.5), 2.0).any())


def test_the_first_batch_says_what_is_missed():
    bound = Bound.start(0.5)
    bound.update(torch.tensor([0, 0, 4]), torch.tensor([0.2, 0.4, 0.9]))
    assert bound.missed.tolist() == pytest.approx([0.3, 1, 1, 1, 0.9])
    assert bound.allowed == pytest.approx(0.6)
    assert bound.lately == pytest.approx(0.5)
    assert 0 <= bound.price < 1
