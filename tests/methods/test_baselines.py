"""Every baseline: within its limit, away from the person, alike for equal seeds."""

from __future__ import annotations

import inspect

import pytest
import torch
from skimage.metrics import structural_similarity

from bauta.engine.budgets import Linf
from bauta.engine.goals import Impersonate
from bauta.methods.baselines import cloaks, patchwise, transfer
from bauta.methods.baselines.base import Setting, baselines
from bauta.methods.baselines.cloaks import DssimBound, dssim
from bauta.methods.baselines.patchwise import PatchWise
from tests.engine.make import distance_now, problem

NAMES = baselines.names()


def of(name, count=2):
    """Faces in noise; targets, for those that need some, all over the sphere."""
    goal = baselines[name].goal
    far = torch.nn.functional.normalize(
        torch.randn(4, 16, generator=torch.Generator().manual_seed(5)), dim=1
    )
    if isinstance(goal, Impersonate) and goal.gain == "centre":
        far = far.mean(dim=0, keepdim=True)
    return problem(count, goal=goal, budget=Linf(8), targets=[far] if goal.targeted else [])


def run(name, at, seed=0):
    strangers = 255 * torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    setting = Setting(epsilon=8.0, seed=seed, strangers=strangers)
    return baselines[name].build(setting).run(at)


@pytest.mark.parametrize("name", NAMES)
def test_it_leads_away_within_the_limit(name):
    at = of(name)
    delta = run(name, at)
    assert float(delta.abs().max()) <= 8 + 1e-4
    still = torch.zeros_like(delta)
    assert bool((distance_now(at, delta) > distance_now(at, still) + 0.02).all())


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_sources(name):
    at = of(name, 1)
    assert torch.equal(run(name, at, 3), run(name, at, 3))
    row = baselines[name]
    assert any(word.isdigit() and len(word) == 4 for word in row.paper.replace(",", "").split())
    assert row.settings


def test_the_table_of_names_is_what_the_modules_register():
    """Names are listed before anything is imported, so they must be the right ones."""
    registered = {
        name
        for module in (transfer, patchwise, cloaks)
        for name in NAMES
        if inspect.getmodule(baselines[name].build) is module
    }
    assert registered == set(NAMES)


def test_stronger_iteration_beats_one_step():
    at = of("fgsm")
    one, forty = (distance_now(at, run(name, at)).mean() for name in ("fgsm", "pgd"))
    assert float(forty) > float(one)


def test_patchwise_passes_on_to_the_neighbours():
    around = PatchWise()._around(
        torch.zeros(1, 1, 5, 5).index_put(
            (torch.tensor(0),) * 2 + (torch.tensor(2),) * 2, torch.tensor(8.0)
        )
    )
    assert float(around[0, 0, 2, 2]) == 0
    torch.testing.assert_close(around[0, 0, 1:4, 1:4].sum(), torch.tensor(8.0))
    assert float(around.sum()) == pytest.approx(8.0)


def test_dssim_is_scikit_images():
    generator = torch.Generator().manual_seed(0)
    a = torch.nn.functional.avg_pool2d(255 * torch.rand(1, 3, 96, 96, generator=generator), 3, 1, 1)
    b = (a + 12 * torch.randn(a.shape, generator=generator)).clamp(0, 255)
    theirs = structural_similarity(
        a[0].numpy(), b[0].numpy(), channel_axis=0, data_range=255.0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert float(dssim(a, b)) == pytest.approx((1 - theirs) / 2, abs=0.01)


def test_a_bound_on_dssim_holds_and_costs():
    at = of("lowkey")

    def reached(bound):
        delta = DssimBound(steps=30, step_size=0.4, dssim=bound).run(at)
        return dssim(at.canvas.images, at.render(delta)), distance_now(at, delta)

    free, far = reached(1.0)
    bound = float(free.min()) / 2
    kept, near = reached(bound)
    assert float(kept.max()) < 1.4 * bound
    assert float(near.mean()) < float(far.mean())


def test_cloaks_go_to_the_farthest_target():
    at = of("fawkes", 1)
    choice = baselines["fawkes"].build(Setting(epsilon=8, seed=0, strangers=torch.zeros(0)))
    far = (at.own[0][:, None] - at.targets[0][None]).square().sum(-1)
    assert int(choice.choose(at, [])) == int(far.argmax())
