"""TIP-IM's own parts: the choice of targets, the exact search, the naturalness term."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Impersonate
from bauta.engine.naturalness import mmd
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from bauta.methods import targets
from bauta.methods.tip_im import TipIm, _vectors
from tests.engine.make import distance_now, problem, toy


def people(count: int, seed: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 16, generator=generator))


def run(of, **options):
    return TipIm(**{"steps": 8, "diversity": NONE, **options}).run(of)


def naturalness(of, delta) -> float:
    return float(mmd(_vectors(of, of.render(delta), 0), _vectors(of, of.canvas.images, 0)))


@pytest.mark.parametrize("count", [1, 2])
def test_gamma_lowers_mmd_at_equal_steps(count: int):
    of = problem(count)
    plain, natural = run(of), run(of, gamma=1000.0)
    assert naturalness(of, natural) < 0.9 * naturalness(of, plain)
    assert float(distance_now(of, natural).mean()) < float(distance_now(of, plain).mean())


def test_without_gamma_the_term_costs_nothing():
    of = problem(1)
    assert TipIm().penalty(of, torch.zeros(1, 3, 48, 48)) == 0.0


@pytest.mark.parametrize("gain", ["max", "sum", "min"])
def test_the_target_with_the_largest_predicted_gain_is_chosen(gain: str):
    """Equations 2 to 5 for candidates own + foresight (target - own), kept on the sphere."""
    table = people(6).double().numpy()
    of = problem(2, goal=Impersonate(gain=gain), targets=[people(6)])
    scale, inner = of.ensemble.scales[0], {"max": max, "sum": sum, "min": min}[gain]
    here = torch.nn.functional.normalize(of.own[0] + 0.3 * people(2, 9), dim=1)
    expected = []
    for e, own in zip(here.double().numpy(), of.own[0].double().numpy(), strict=True):
        gains = []
        for target in table:
            ahead = e + 0.1 * (target - own)
            ahead *= np.linalg.norm(e) / np.linalg.norm(ahead)
            away = ((ahead - own) ** 2).sum() / scale
            rest = [float(np.exp(away - ((ahead - t) ** 2).sum() / scale)) for t in table]
            gains.append(np.log(1 + inner(rest)))
        expected.append(int(np.argmax(gains)))
    assert TipIm().choose(of, [here[:, None]]).tolist() == expected


def test_the_exact_search_with_one_target_is_the_plain_loop():
    table = people(1)
    exact = problem(2, goal=Impersonate(search="exact"), targets=[table])
    predicted = problem(2, goal=Impersonate(), targets=[table])
    torch.testing.assert_close(run(exact), run(predicted), rtol=0, atol=1e-4)


@pytest.mark.parametrize("search", ["embedding", "exact"])
@pytest.mark.parametrize("gain", ["max", "sum", "min", "centre"])
def test_every_gain_rises_with_both_searches(gain: str, search: str):
    goal = Impersonate(gain=gain, search=search)
    of = problem(2, goal=goal, targets=[people(3)])

    def now(delta):
        embeddings = of.ensemble.embed(of.canvas, of.render(delta), NONE, 1, torch.Generator())
        own, to_targets = of.distances(embeddings)
        return goal.gains(own[0], to_targets[0])[:, 0]

    assert bool((now(run(of)) > now(torch.zeros(2, 3, 48, 48))).all())


def test_the_exact_search_takes_the_best_of_its_candidates():
    """One step: no single target's own step reaches a higher gain."""
    table = people(3)
    goal = Impersonate(search="exact")

    def gain_of_step(of):
        delta = run(of, steps=1, reach=0.5)
        embeddings = of.ensemble.embed(of.canvas, of.render(delta), NONE, 1, torch.Generator())
        own, _ = of.distances(embeddings)
        judge = problem(2, goal=goal, targets=[table])
        _, to_all = judge.distances(embeddings)
        return goal.gains(own[0], to_all[0])[:, 0]

    best = gain_of_step(problem(2, goal=goal, targets=[table]))
    for index in range(3):
        single = gain_of_step(problem(2, goal=goal, targets=[table[index : index + 1]]))
        assert bool((best >= single - 1e-5).all())


def test_members_of_a_team_choose_one_target_together():
    team = Ensemble([toy(0), toy(1)])
    of = problem(2, ensemble=team, goal=Impersonate(), targets=[people(3, 1), people(3, 2)])
    embeddings = [own[:, None] for own in of.own]
    assert TipIm().choose(of, embeddings).shape == (2,)
    assert float(run(of).abs().max()) <= 8


def test_unknown_recognizers_have_no_default_targets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(targets, "_table", lambda: {"dlib": torch.zeros(10, 128)})
    assert targets.default_targets("dlib").shape == (10, 128)
    with pytest.raises(UsageError, match="--target"):
        targets.default_targets("nobody")
