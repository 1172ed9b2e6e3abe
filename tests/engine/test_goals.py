"""Goals, ensembles and momentum against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bauta.engine.ensemble import Ensemble, distances, fused
from bauta.engine.goals import Dodge, Impersonate
from bauta.engine.loop import team_gradient
from bauta.engine.momentum import Momentum, VarianceTuned, normalised
from bauta.engine.naturalness import BANDWIDTHS, mmd
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from tests.engine.make import SIZE, problem, toy

OWN = arrays(np.float64, (4,), elements=st.floats(0, 5))
TARGETS = arrays(np.float64, (4, 3), elements=st.floats(0, 5))


@given(OWN, TARGETS)
def test_gains(own, targets):
    each = np.exp(own[:, None] - targets)
    direct = {"max": each.max(1), "sum": each.sum(1), "min": each.min(1), "centre": each.max(1)}
    for name, inner in direct.items():
        gains = Impersonate(gain=name).gains(torch.from_numpy(own), torch.from_numpy(targets))
        np.testing.assert_allclose(gains, np.log(1 + inner), rtol=1e-9)


def test_losses_point_the_right_way():
    near, far = torch.tensor([[0.2]]), torch.tensor([[0.9]])
    targets = torch.tensor([[[0.3, 1.5]]])
    assert float(Dodge().loss(far, None, None)) < float(Dodge().loss(near, None, None))
    goal = Impersonate(away=0.5)
    first, second = (goal.loss(near, targets, torch.tensor([k])) for k in (0, 1))
    assert first.shape == near.shape
    assert (float(first), float(second)) == pytest.approx((0.3 - 0.1, 1.5 - 0.1))
    assert float(goal.loss(far, targets, torch.tensor([0]))) < float(first)


def test_each_face_goes_to_its_own_target():
    targets = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    loss = Impersonate().loss(torch.zeros(2, 2), targets, torch.tensor([1, 0]))
    assert loss.tolist() == [[2, 4], [5, 7]]


def test_unknown_names_and_missing_targets():
    with pytest.raises(UsageError, match="gain"):
        Impersonate(gain="most")
    with pytest.raises(UsageError, match="search"):
        Impersonate(search="best")
    with pytest.raises(UsageError, match="needs targets"):
        problem(goal=Impersonate())


def test_distances_are_squared_and_in_units_of_the_threshold():
    rng = np.random.default_rng(0)
    e, own, targets = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 5)), rng.normal(size=(4, 5))
    to_own = distances(torch.from_numpy(e), torch.from_numpy(own), 0.4)
    to_all = distances(torch.from_numpy(e), torch.from_numpy(targets)[:, None], 0.4)
    assert to_own.shape == (2, 3)
    assert to_all.shape == (2, 3, 4)
    assert float(to_own[1, 2]) == pytest.approx(((e[1, 2] - own[1]) ** 2).sum() / 0.4)
    assert float(to_all[1, 2, 3]) == pytest.approx(((e[1, 2] - targets[3]) ** 2).sum() / 0.4)
    # At the threshold of similarity the distance is 1.
    assert Ensemble([toy()]).scales == pytest.approx([2 * (1 - 0.8)])


def test_weights_normalise():
    members = [toy(0), toy(1), toy(2)]
    assert Ensemble(members).shares == pytest.approx([1 / 3] * 3)
    assert Ensemble(members, weights=(2, 1, 1)).shares == pytest.approx([0.5, 0.25, 0.25])
    assert fused([torch.ones(2), 3 * torch.ones(2)], [0.25, 0.75]).tolist() == [2.5, 2.5]


def test_senseless_ensembles_are_refused():
    with pytest.raises(UsageError, match="at least one"):
        Ensemble([])
    with pytest.raises(UsageError, match="as many weights"):
        Ensemble([toy()], weights=(1, 2))
    with pytest.raises(UsageError, match="level"):
        Ensemble([toy()], level="vote")


def gradient_at_level(level, members, weights=()):
    from bauta.engine.loop import IterativeMethod

    of = problem(ensemble=Ensemble(members, weights, level=level))
    method = IterativeMethod(steps=1, diversity=NONE)
    generator = torch.Generator().manual_seed(0)
    state = method.initial(of, generator)
    return method.gradient(of, state, state.delta, generator)


def test_levels_agree_for_a_single_member():
    loss, logit, gradient = (gradient_at_level(n, [toy()]) for n in ("loss", "logit", "gradient"))
    torch.testing.assert_close(logit, loss)
    torch.testing.assert_close(gradient, normalised(loss))
    assert bool((loss.abs().sum(dim=(1, 2, 3)) > 0).all())


def test_levels_put_members_together_as_they_say():
    members, shares = [toy(0), toy(1)], (0.7, 0.3)
    parts = [gradient_at_level("loss", [member]) for member in members]
    weighted = shares[0] * parts[0] + shares[1] * parts[1]
    # Dodging is linear in the distances, so losses and distances add up alike.
    torch.testing.assert_close(gradient_at_level("loss", members, shares), weighted)
    torch.testing.assert_close(gradient_at_level("logit", members, shares), weighted)
    unit = shares[0] * normalised(parts[0]) + shares[1] * normalised(parts[1])
    torch.testing.assert_close(gradient_at_level("gradient", members, shares), unit)


def test_team_gradient_averages_views():
    point = torch.ones(1, 3, 2, 2, requires_grad=True)
    losses = [torch.stack([point.sum(), 3 * point.sum()])[None]]
    assert float(team_gradient(Ensemble([toy()]), losses, point).unique()) == 2


def test_plain_gradients_without_decay():
    gradient, velocity = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    out = Momentum(decay=0)(velocity, velocity, lambda _: gradient, 1.0, torch.Generator())
    torch.testing.assert_close(out, normalised(gradient))
    np.testing.assert_allclose(out.abs().mean(dim=(1, 2, 3)), 1, rtol=1e-5)


def test_momentum_accumulates_and_nesterov_looks_ahead():
    asked = []

    def gradient_at(delta):
        asked.append(delta)
        return torch.ones_like(delta) * 5

    delta, velocity = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), -3.0)
    plain = Momentum(decay=0.5)(delta, velocity, gradient_at, 2.0, torch.Generator())
    ahead = Momentum(decay=0.5, nesterov=True)(delta, velocity, gradient_at, 2.0, torch.Generator())
    assert float(plain.unique()) == float(ahead.unique()) == 0.5 * -3 + 1
    assert float(asked[0].unique()) == 0
    # A step goes against the velocity.
    assert float(asked[1].unique()) == 0.5 * 2


def test_variance_tuning_looks_at_neighbours_within_its_radius():
    asked = []

    def gradient_at(delta):
        asked.append(delta)
        return delta + 1

    rule = VarianceTuned(neighbours=3, radius=2, decay=0.5)
    start = torch.zeros(2, 3, 8, 8)
    out = rule(start, start, gradient_at, 1.5, torch.Generator().manual_seed(0))
    assert len(asked) == 4
    for point in asked[1:]:
        assert 2.5 < float(point.abs().max()) <= 3
        torch.testing.assert_close(point[0], point[1])
    mean = sum(normalised(p + 1) for p in asked)
    torch.testing.assert_close(out, normalised(mean))


def direct_mmd(x, y):
    def kernel(a, b):
        return sum(np.exp(-((a - b) ** 2).sum() / (2 * s)) for s in BANDWIDTHS)

    def mean(p, q):
        return np.mean([[kernel(a, b) for b in q] for a in p])

    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def test_mmd_against_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4)), rng.normal(1, 2, size=(5, 4))
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    assert float(mmd(a, b)) == pytest.approx(direct_mmd(x, y), rel=1e-9)
    assert float(mmd(a, b)) == pytest.approx(float(mmd(b, a)), rel=1e-12)
    assert float(mmd(a, b)) > 0.1
    assert float(mmd(a, a)) == pytest.approx(0, abs=1e-12)
    assert float(mmd(a, a + 3)) > float(mmd(a, a + 0.3)) > 0


def test_the_gradient_of_mmd_is_finite_at_equality_and_pulls_together():
    x = torch.rand(3, 50)
    same = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(mmd(same, x), same)
    assert bool(gradient.isfinite().all())
    moved = (x + 0.5).requires_grad_(True)
    (gradient,) = torch.autograd.grad(mmd(moved, x), moved)
    assert float(mmd(moved.detach() - 0.01 * gradient.sign(), x)) < float(mmd(moved, x).detach())
    assert SIZE > 0
