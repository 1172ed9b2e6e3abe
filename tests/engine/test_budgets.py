"""Budgets: projections stay within the limits, and projecting twice is projecting once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bauta.engine.budgets import L2, Linf, Perceptual
from bauta.errors import UsageError
from bauta.faces.frame import cut_canvas
from tests.faces.make import face_at

DELTAS = arrays(np.float32, (2, 3, 4, 5), elements=st.floats(-60, 60, width=32))
LIMITS = arrays(np.float32, (2, 1, 4, 5), elements=st.floats(0, 32, width=32))
BUDGETS = [Linf(8), L2(rms=3, epsilon=20), Perceptual(8)]


@pytest.mark.parametrize("budget", BUDGETS, ids=repr)
@settings(max_examples=50)
@given(deltas=DELTAS, limits=LIMITS)
def test_projections(budget, deltas, limits):
    delta, limit = torch.from_numpy(deltas), torch.from_numpy(limits)
    once = budget.project(delta, limit)
    assert bool((once.abs() <= limit).all())
    torch.testing.assert_close(budget.project(once, limit), once)
    # Nothing changes sign, and what is allowed stays.
    assert bool((once * delta >= 0).all())
    assert bool((once.abs() <= delta.abs()).all())
    if isinstance(budget, L2):
        assert float(once.square().mean(dim=(1, 2, 3)).sqrt().max()) <= budget.rms * (1 + 1e-5)
    elif isinstance(budget, Perceptual):
        units = once / limit.clamp_min(1e-6) * budget.cap
        assert float(units.square().mean(dim=(1, 2, 3)).sqrt().max()) <= budget.rms * (1 + 1e-4)
    else:
        allowed = delta.abs() <= limit
        assert torch.equal(once[allowed], delta[allowed])


def test_l2_keeps_the_direction_and_leaves_small_changes_alone():
    delta = torch.randn(2, 3, 6, 6) * torch.tensor([0.5, 9.0]).view(2, 1, 1, 1)
    limits = torch.full((2, 1, 6, 6), 100.0)
    out = L2(rms=4).project(delta, limits)
    torch.testing.assert_close(out[0], delta[0])
    assert float(out[1].square().mean().sqrt()) == pytest.approx(4)
    torch.testing.assert_close(out[1] / out[1].norm(), delta[1] / delta[1].norm())


@pytest.mark.parametrize("make", [
    lambda: Linf(0), lambda: Linf(256), lambda: L2(rms=-1), lambda: L2(epsilon=300),
    lambda: Perceptual(0), lambda: Perceptual(floor=1.5), lambda: Perceptual(outside=-0.1),
    lambda: Perceptual(rms=0), lambda: Perceptual(rms=3),
])  # fmt: skip
def test_senseless_budgets_are_refused(make):
    with pytest.raises(UsageError):
        make()


@pytest.fixture(scope="module")
def halves():
    """A face whose left half is smooth and whose right half is all texture."""
    photo = np.full((120, 120, 3), 128, np.uint8)
    photo[:, 60:] = np.random.default_rng(0).integers(60, 200, (120, 60, 1))
    return cut_canvas([photo], [face_at(60, 60, 100)])


def test_perceptual_limits_follow_texture(halves):
    budget = Perceptual(8, floor=0.5, outside=0.1)
    here = torch.ones(1, 1, 64, 64)
    face = budget.limits(halves, here)[0, 0, 20:44]
    wall = budget.limits(halves, 0 * here)[0, 0, 20:44]
    assert budget.peak == 16
    np.testing.assert_allclose(face[:, 10:28], 8, atol=0.1)
    np.testing.assert_allclose(wall[:, 10:28], 1.6, atol=0.1)
    for limits in (face, wall):
        np.testing.assert_allclose(limits[:, 38:56], 16)
    assert float(Linf(5).limits(halves, here).unique()) == 5


def plain(luma: int) -> float:
    """Limit in the middle of a smooth face of that luma; the budget is 8, so at most 16."""
    canvas = cut_canvas([np.full((90, 90, 3), luma, np.uint8)], [face_at(45, 45, 60)])
    return float(Perceptual(8).limits(canvas, torch.ones(1, 1, 32, 32))[0, 0, 16, 16])


def test_perceptual_limits_rise_off_the_middle_and_fall_in_black_shadow():
    assert plain(128) == pytest.approx(9.6, abs=0.02)
    assert plain(128) * 1.15 < plain(56) <= 16
    assert plain(128) * 1.2 < plain(240) <= 16
    assert plain(32) < 0.75 * plain(56)
    assert plain(12) == pytest.approx(1.6, abs=0.02)  # what a plain wall gets


def test_steps_are_signs_or_weighted_roots():
    direction = torch.tensor([4.0, -1.0, 0.0, 1.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    limits = torch.tensor([16.0, 16.0, 16.0, 4.0]).view(1, 1, 2, 2)
    assert torch.equal(Linf(8).step(direction, limits), direction.sign())
    budget = Perceptual(8, rms=0.5)
    step = budget.step(direction, limits)[0, 0].flatten()
    # sqrt(4 * 16) : sqrt(1 * 16) : 0 : sqrt(1 * 4), each times its limit; rms 0.5 in their units.
    roots = torch.tensor([8.0, -4.0, 0.0, 2.0])
    expected = roots / roots.square().mean().sqrt() * 0.5 / 16 * limits.flatten()
    torch.testing.assert_close(step, expected)
    assert torch.equal(budget.step(0 * direction, limits), 0 * direction)
