"""Every baseline: within its limit, away from the person, alike for equal seeds."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from skimage.metrics import structural_similarity

from bauta.engine.budgets import Linf
from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Dodge, Impersonate
from bauta.engine.shared import SharedProblem
from bauta.engine.transforms import NONE
from bauta.faces.frame import cut_canvas
from bauta.methods.baselines import advcloak, cloaks, patchwise, transfer, universal
from bauta.methods.baselines.base import Setting, baselines
from bauta.methods.baselines.cloaks import DssimBound, dssim
from bauta.methods.baselines.patchwise import PatchWise
from bauta.recognizers.crops import loose_crop
from bauta.recognizers.zoo import get_surrogate
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
    plain = problem(count, goal=goal, budget=Linf(8), targets=[far] if goal.targeted else [])
    if not baselines[name].away_from:
        return plain
    values = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return SharedProblem(**values, away_from=baselines[name].away_from)


def run(name, at, seed=0):
    strangers = 255 * torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    setting = Setting(epsilon=8.0, seed=seed, strangers=strangers)
    return baselines[name].build(setting).run(at)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("gd-uap")])
def test_it_leads_away_within_the_limit(name):
    at = of(name)
    delta = run(name, at)
    assert float(delta.abs().max()) <= 8 + 1e-4
    assert len(delta) == (1 if baselines[name].away_from and name != "advcloak" else 2)
    delta = delta.expand(2, -1, -1, -1)
    # Far from the photos' own embeddings, whatever of the person the mask was led away from.
    at, still = problem(2), torch.zeros_like(delta)
    assert bool((distance_now(at, delta) > distance_now(at, still) + 0.02).all())


@pytest.mark.parametrize("variant", ["", "-m"])
def test_gd_uap_excites_the_layers(variant, collins, collins_face):
    """Its goal on a real network: what the layers say of the mask on plain grey grows."""
    member = get_surrogate("tight-ms1m")
    canvas = cut_canvas([collins], [collins_face])
    own = [torch.zeros(1, 128)]
    ones = torch.ones(1, 1, 224, 224)
    at = SharedProblem(
        canvas=canvas, masks=ones, faces=ones, ensemble=Ensemble([member]), goal=Dodge(),
        budget=Linf(8), own=own, targets=[], grey=torch.tensor([False]),
    )  # fmt: skip
    method = baselines[f"gd-uap{variant}"].build(Setting(epsilon=8, seed=0, strangers=own[0]))
    method = replace(method, steps=6)
    delta = method.run(at)
    assert float(delta.abs().max()) <= 8

    def excitement(mask):
        norms = []
        hooks = [
            layer.register_forward_hook(lambda _m, _i, y: norms.append(float(y.norm().log())))
            for layer in member.network.modules()
            if isinstance(layer, torch.nn.Conv2d)
        ]
        with torch.no_grad():
            grey = replace(canvas, images=torch.full_like(canvas.images, 127.5))
            images = replace(at, canvas=grey).render(mask)
            at.ensemble.embed(grey, images, NONE, 1, torch.Generator())
        for hook in hooks:
            hook.remove()
        return sum(norms)

    start = method.initial(at, torch.Generator().manual_seed(0)).delta
    assert excitement(delta) > excitement(start) + 0.5 > excitement(torch.zeros_like(delta))


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_sources(name):
    at = of(name, 1)
    if not name.startswith("gd-uap"):
        assert torch.equal(run(name, at, 3), run(name, at, 3))
    row = baselines[name]
    assert any(word.isdigit() and len(word) == 4 for word in row.paper.replace(",", "").split())
    assert row.settings


def test_the_table_of_names_is_what_the_modules_register():
    """Names are listed before anything is imported, so they must be the right ones."""
    listing = "from bauta.methods.baselines.base import baselines; print(*baselines.names())"
    listed = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    ).stdout.split()
    modules = (transfer, patchwise, cloaks, universal, advcloak)
    assert {inspect.getmodule(baselines[name].build) for name in listed} == set(modules)
    assert listed == NAMES
    assert len(listed) == 36


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


def test_advcloak_makes_masks_for_photos_it_has_not_seen():
    """Fitted on two faces, it leads a third away, and differently from the first."""
    at = of("advcloak", 3)
    seen = SharedProblem(**{f.name: getattr(of("advcloak", 2), f.name) for f in fields(at)})
    network = (
        baselines["advcloak"]
        .build(Setting(epsilon=8.0, seed=0, strangers=torch.zeros(1, 3, 40, 40)))
        .fit(seen)
    )
    frames = loose_crop(at.size).take(at.canvas, at.canvas.images)
    masks = network(frames)
    assert float((masks[0] - masks[2]).abs().max()) > 0.1
    assert float(masks.abs().max()) <= 8
    plain = problem(3)
    away = distance_now(plain, masks) - distance_now(plain, torch.zeros_like(masks))
    assert float(away[2]) > 0.02
