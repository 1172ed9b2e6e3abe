"""One perturbation for all photos of a person, and the subspaces it leads away from."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bauta.engine.loop import IterativeMethod
from bauta.engine.shared import (
    SharedProblem,
    nearest_in_affine_hull,
    nearest_in_convex_hull,
    on_simplex,
)
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from tests.engine.make import distance_now, problem

KINDS = ["photo", "photos", "centre", "affine", "convex"]


def shared(away_from="photo", count=3):
    plain = problem(count)
    values = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return SharedProblem(**values, away_from=away_from)


@pytest.mark.parametrize("away_from", KINDS)
def test_one_mask_leads_every_photo_away(away_from):
    of = shared(away_from)
    delta = IterativeMethod(steps=10, diversity=NONE).run(of)
    assert delta.shape == (1, 3, 48, 48)
    assert float(delta.abs().max()) <= 8
    apart = distance_now(problem(3), delta.expand(3, -1, -1, -1))
    still = distance_now(problem(3), torch.zeros(3, 3, 48, 48))
    assert bool((apart > still + 0.02).all())


def test_distances_are_to_what_they_say():
    torch.manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(3, 2, 16), dim=-1)
    got = {kind: shared(kind).distances([embeddings])[0][0] for kind in KINDS}
    of = shared()
    own, scale = of.own[0], of.ensemble.scales[0]

    def squares(reference):
        return (embeddings - reference).square().sum(-1) / scale

    torch.testing.assert_close(got["photo"], squares(own[:, None]))
    torch.testing.assert_close(got["centre"], squares(own.mean(0)))
    each = torch.stack([squares(one) for one in own])
    torch.testing.assert_close(got["photos"], each.mean(0))
    # A larger set is never farther away.
    assert bool((got["affine"] <= got["convex"] + 1e-5).all())
    assert bool((got["convex"] <= each.amin(0) + 1e-5).all())
    assert bool((got["convex"] <= got["centre"] + 1e-5).all())


@pytest.mark.parametrize("seed", range(3))
def test_hulls_against_scipy(seed):
    torch.manual_seed(seed)
    points, corners = torch.randn(2, 8).double(), torch.randn(4, 8).double()

    def best(point, bounds):
        def cost(x):
            return float(np.square(x @ corners.numpy() - point.numpy()).sum())

        sums_to_one = {"type": "eq", "fun": lambda x: x.sum() - 1}
        return minimize(
            cost, np.full(4, 0.25), bounds=bounds, constraints=sums_to_one, tol=1e-12
        ).fun

    for nearest, bounds in (
        (nearest_in_affine_hull, None),
        (nearest_in_convex_hull, [(0, 1)] * 4),
    ):
        mine = (nearest(points, corners) - points).square().sum(-1)
        assert mine.tolist() == pytest.approx([best(p, bounds) for p in points], abs=1e-5)


def test_a_hull_of_one_is_that_one():
    corner = torch.randn(1, 5)
    points = torch.randn(2, 3, 5)
    for nearest in (nearest_in_affine_hull, nearest_in_convex_hull):
        torch.testing.assert_close(nearest(points, corner), corner.expand(2, 3, 5))


def test_simplex():
    inside = torch.tensor([[0.2, 0.3, 0.5]])
    torch.testing.assert_close(on_simplex(inside), inside)
    out = on_simplex(torch.randn(50, 6))
    assert float(out.min()) >= 0
    torch.testing.assert_close(out.sum(-1), torch.ones(50))


def test_unknown_subspaces():
    with pytest.raises(UsageError, match="affine, centre, convex, photo, photos"):
        shared("somewhere")
