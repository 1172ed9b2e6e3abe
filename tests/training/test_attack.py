"""Adversarial steps: they stay in bounds, raise the loss, and are part of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from bauta.engine.ghosts import ghost
from bauta.errors import UsageError
from bauta.training.attack import attacked
from bauta.training.loop import TrainingData, train
from bauta.training.recipe import Schedule
from tests.training.test_loop import SMALL, data, rows_of

__all__ = ["data"]


def test_a_step_raises_the_loss_within_its_bound() -> None:
    torch.manual_seed(0)
    crops = 255 * torch.rand(4, 3, 16, 16)
    weight = torch.randn(3, 16, 16)

    def loss(some: Tensor) -> Tensor:
        return (some * weight).sum()

    changed = attacked(crops, loss, 2.0, torch.Generator().manual_seed(1))
    assert float((changed - crops).abs().max()) <= 2 + 1e-4
    assert float(changed.min()) >= 0
    assert float(changed.max()) <= 255
    # Of a linear loss, 1.25 bounds from a random start reach the bound almost everywhere.
    best = 2 * weight.abs().sum() * len(crops)
    assert float(loss(changed) - loss(crops)) > 0.8 * float(best)


def test_attacked_training_differs_and_learns(data: TrainingData, tmp_path: Path) -> None:
    """One epoch from the same start: other weights, and a loss that falls all the same."""
    schedule = replace(SMALL.schedule, attack=4.0, attacked=0.5)
    plain = train(SMALL, data, tmp_path / "plain")
    recipe = replace(SMALL, schedule=schedule)
    tough = train(recipe, data, tmp_path / "tough", precision="bf16-mixed")
    assert any(not torch.equal(a, b) for a, b in zip(*map(weights, (plain, tough)), strict=True))
    log = rows_of(tmp_path / "tough")
    assert float(log[-1]["cosine"]) < float(log[0]["cosine"])


def weights(network: torch.nn.Module) -> list[Tensor]:
    return list(network.parameters())


def test_haunted_training_makes_networks_that_stay_themselves_as_ghosts(
    data: TrainingData, tmp_path: Path
) -> None:
    """From the same start, the network that learnt among ghosts is moved less by them."""
    plain = train(SMALL, data, tmp_path / "plain")
    schedule = replace(SMALL.schedule, ghosts=0.3)
    haunted = train(replace(SMALL, schedule=schedule), data, tmp_path / "haunted")
    assert unsteadiness(haunted) < 0.95 * unsteadiness(plain)


def unsteadiness(network: torch.nn.Module) -> float:
    """Mean distance of what ghosts and the network itself say of some pictures."""
    pictures = 255 * torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        calm = network(pictures)
        moved = [
            functional_call(
                network, ghost(network, 0.2, torch.Generator().manual_seed(s)), pictures
            )
            for s in range(8)
        ]
    return float(torch.stack([(m - calm).norm(dim=1).mean() for m in moved]).mean())


def test_wrong_ghosts_are_refused() -> None:
    with pytest.raises(UsageError, match="ghosts"):
        Schedule(ghosts=1.0)


@pytest.mark.parametrize("wrong", [{"attack": -1.0}, {"attacked": 1.5}])
def test_wrong_attacks_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="attack"):
        Schedule(**wrong)
