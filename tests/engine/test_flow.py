"""Flows on a toy recognizer: the same methods find them with the perturbation, within limits."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from bauta.engine.budgets import Linf, Perceptual
from bauta.engine.flow import GRID, FlowBudget, FlowProblem, symmetric
from bauta.engine.loop import IterativeMethod
from bauta.engine.momentum import Momentum, VarianceTuned
from bauta.engine.problem import Problem
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from bauta.methods.tip_im import TipIm
from tests.engine.make import SIZE, distance_now, problem

LIMIT = 0.02


def moving(budget: FlowBudget | None = None, **changes) -> FlowProblem:
    plain = problem(**changes)
    values = {field.name: getattr(plain, field.name) for field in fields(Problem)}
    return FlowProblem(**{**values, "budget": budget or FlowBudget(Linf(8), LIMIT)})


@pytest.mark.parametrize("pixels", [Linf(8), Perceptual(8)])
@pytest.mark.parametrize(
    "method",
    [
        IterativeMethod(steps=8, diversity=NONE),
        IterativeMethod(steps=8, diversity=NONE, momentum=Momentum(nesterov=True)),
        IterativeMethod(steps=8, diversity=NONE, momentum=VarianceTuned(neighbours=2)),
        TipIm(steps=8, diversity=NONE),
    ],
)
def test_distance_grows_within_both_limits(method, pixels):
    of = moving(FlowBudget(pixels, LIMIT))
    answer = method.run(of)
    flows, deltas = of.budget.unpack(answer)
    assert flows.shape == (2, 2, GRID, GRID)
    assert deltas.shape == (2, 3, SIZE, SIZE)
    assert 0.5 * LIMIT < float(flows.square().sum(dim=1).sqrt().max()) <= LIMIT * 1.00001
    assert 0.25 * pixels.peak < float(deltas.abs().max()) <= pixels.peak * 1.00001
    start = method.initial(of, torch.Generator().manual_seed(0)).delta
    assert bool((distance_now(of, answer) > distance_now(of, start) + 0.05).all())


def test_a_flow_adds_to_what_pixels_alone_reach():
    method = IterativeMethod(steps=8, diversity=NONE)
    of = moving(FlowBudget(Linf(2), LIMIT))
    alone = problem(budget=Linf(2))
    both, pixels = method.run(of), method.run(alone)
    assert bool((distance_now(of, both) > distance_now(alone, pixels)).all())
    # and each part of the answer does something by itself
    flows, deltas = of.budget.unpack(both)
    for part in (
        of.budget.pack(flows, torch.zeros_like(deltas)),
        of.budget.pack(torch.zeros_like(flows), deltas),
    ):
        assert bool((distance_now(of, part) > 0.01).all())


def test_packing_is_undone():
    budget = FlowBudget(Linf(8), LIMIT)
    flows, deltas = symmetric(torch.randn(3, 2, GRID, GRID)), torch.randn(3, 3, 12, 12)
    again = budget.unpack(budget.pack(flows, deltas))
    torch.testing.assert_close(again[0], flows)
    torch.testing.assert_close(again[1], deltas)


def test_both_halves_of_a_face_move_alike():
    of = moving()
    flows, _ = of.budget.unpack(IterativeMethod(steps=3, diversity=NONE).run(of))
    assert float(flows.abs().max()) > 0.1 * LIMIT
    torch.testing.assert_close(flows[:, 0].flip(2), -flows[:, 0])
    torch.testing.assert_close(flows[:, 1].flip(2), flows[:, 1])


def test_nothing_packed_renders_the_canvas():
    of = moving()
    still = of.render(torch.zeros_like(of.start(0.5, torch.Generator())))
    assert torch.allclose(still, of.canvas.images, atol=1e-2)


def test_long_displacements_keep_their_direction():
    budget = FlowBudget(Linf(8), 0.01)
    flows, deltas = torch.zeros(1, 2, GRID, GRID), torch.zeros(1, 3, 4, 4)
    flows[0, :, 3, 5] = torch.tensor([0.03, 0.04])
    flows[0, :, 2, 2] = torch.tensor([0.001, 0.002])
    flows = 2 * symmetric(flows)
    short, _ = budget.unpack(
        budget.project(budget.pack(flows, deltas), torch.full((1, 1, 4, 4), 8.0))
    )
    torch.testing.assert_close(short[0, :, 3, 5], torch.tensor([0.006, 0.008]))
    torch.testing.assert_close(short[0, :, 2, 2], torch.tensor([0.001, 0.002]))


def test_grey_photos_change_without_colour():
    of = moving(grey=torch.tensor([True, False]))
    _, deltas = of.budget.unpack(IterativeMethod(steps=3, diversity=NONE).run(of))
    assert torch.equal(deltas[0, 0], deltas[0, 1])
    assert not torch.equal(deltas[1, 0], deltas[1, 1])


@pytest.mark.parametrize("limit", [0.0, -0.1, 0.051, float("nan")])
def test_impossible_limits_are_refused(limit):
    with pytest.raises(UsageError, match="displacement"):
        FlowBudget(Linf(8), limit)
