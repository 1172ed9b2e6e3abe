"""Flows on a toy recognizer: the same methods find them, within the limit."""

from __future__ import annotations

import pytest
import torch

from bauta.engine.flow import Displacement, FlowProblem
from bauta.engine.loop import IterativeMethod
from bauta.engine.momentum import Momentum, VarianceTuned
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from bauta.methods.tip_im import TipIm
from tests.engine.make import distance_now, problem

LIMIT = 0.02


@pytest.mark.parametrize(
    "method",
    [
        IterativeMethod(steps=8, diversity=NONE),
        IterativeMethod(steps=8, diversity=NONE, momentum=Momentum(nesterov=True)),
        IterativeMethod(steps=8, diversity=NONE, momentum=VarianceTuned(neighbours=2)),
        TipIm(steps=8, diversity=NONE),
    ],
)
def test_distance_grows_within_the_limit(method):
    of = FlowProblem.of(problem(), LIMIT)
    flows = method.run(of)
    assert flows.shape == (len(of.canvas), *of.shape)
    length = flows.square().sum(dim=1).sqrt()
    assert 0.2 * LIMIT < float(length.max()) <= LIMIT * 1.00001
    start = method.initial(of, torch.Generator().manual_seed(0)).delta
    assert bool((distance_now(of, flows) > distance_now(of, start) + 0.01).all())


def test_no_flow_renders_the_canvas():
    of = FlowProblem.of(problem(), LIMIT)
    still = of.render(torch.zeros(len(of.canvas), *of.shape))
    assert torch.allclose(still, of.canvas.images, atol=1e-2)


def test_long_displacements_keep_their_direction():
    budget = Displacement(0.01)
    flow = torch.tensor([[[[0.03]], [[0.04]]]])
    short = budget.project(flow, torch.full((1, 1, 1, 1), 0.01))
    torch.testing.assert_close(short.flatten(), torch.tensor([0.006, 0.008]))
    near = torch.full((1, 2, 1, 1), 0.001)
    assert torch.equal(budget.project(near, torch.full((1, 1, 1, 1), 0.01)), near)


@pytest.mark.parametrize("limit", [0.0, -0.1, 0.051, float("nan")])
def test_impossible_limits_are_refused(limit):
    with pytest.raises(UsageError, match="displacement"):
        Displacement(limit)
