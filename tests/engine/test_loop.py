"""The loop on a toy recognizer: budget, seeds, progress, early stop, grey photos."""

from __future__ import annotations

import pytest
import torch

from bauta.engine.budgets import L2
from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Impersonate
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.transforms import NONE, blur
from bauta.errors import UsageError
from tests.engine.make import distance_now, problem, toy


def method(**options):
    return IterativeMethod(**{"steps": 8, "diversity": NONE, **options})


def test_distance_grows_within_the_budget():
    of = problem()
    delta = method().run(of)
    assert float(delta.abs().max()) <= 8
    start = method().initial(of, torch.Generator().manual_seed(0)).delta
    assert bool((distance_now(of, delta) > distance_now(of, start) + 0.05).all())


def test_other_budgets_hold_too():
    delta = method().run(problem(budget=L2(rms=2, epsilon=30)))
    assert float(delta.square().mean(dim=(1, 2, 3)).sqrt().max()) <= 2.0001


def test_steps_have_the_size_that_was_asked_for():
    away = torch.nn.functional.normalize(torch.randn(1, 16), dim=1)
    of = problem(1, goal=Impersonate(), targets=[away])
    still = method(start=0, steps=1, step_size=0.75).run(of)
    assert set(still.abs().unique().tolist()) <= {0.0, 0.75}
    assert float(still.abs().max()) == 0.75
    assert method(steps=10, reach=2.5).step_of(of) == pytest.approx(2)


def test_progress_and_seeds():
    told = []
    one = method(seed=3).run(problem(), progress=lambda *p: told.append(p))
    assert told == [(i, 8) for i in range(1, 9)]
    assert torch.equal(one, method(seed=3).run(problem()))
    assert not torch.equal(one, method(seed=4).run(problem()))


def test_faces_of_grey_photos_change_without_colour():
    delta = method().run(problem(grey=torch.tensor([True, False])))
    assert torch.equal(delta[0, 0], delta[0, 1])
    assert torch.equal(delta[0, 0], delta[0, 2])
    assert not torch.equal(delta[1, 0], delta[1, 1])


def test_what_is_outside_mask_and_photo_stays():
    of = problem(1, masks=torch.zeros(1, 1, 48, 48))
    assert torch.equal(of.render(torch.full((1, 3, 48, 48), 9.0)), of.canvas.images)
    whole = problem(1)
    changed = whole.render(torch.full((1, 3, 48, 48), 9.0))
    outside = (whole.canvas.inside == 0).expand_as(changed)
    assert torch.equal(changed[outside], whole.canvas.images[outside])


def test_smoothed_gradients_are_the_blurred_ones():
    of = problem(2)
    delta = of.start(0.5, torch.Generator().manual_seed(0))

    def gradient(smoothing):
        one = method(smoothing=smoothing)
        state = one.initial(of, torch.Generator())
        return one.gradient(of, state, delta, torch.Generator().manual_seed(0))

    torch.testing.assert_close(gradient(7), blur(gradient(0), 7))
    assert not torch.allclose(gradient(7), gradient(0), rtol=0.1)
    with pytest.raises(UsageError, match="odd"):
        method(smoothing=4)


@pytest.mark.parametrize("options", [{"steps": 0}, {"views": 0}])
def test_senseless_numbers(options):
    with pytest.raises(UsageError, match="at least 1"):
        IterativeMethod(**options)


def test_early_stop_freezes_the_faces_that_are_lost():
    """The held-out recognizer's idea of face 0 is far off at once, that of face 1 never."""
    of = problem(2)
    own = of.own[0].clone()
    own[0] = -own[0]
    stop = EarlyStop(held_out=Ensemble([toy()]), own=[own], distance=8.0, every=2)
    full = method().run(of)
    some = method().run(of, stop=stop)
    two = method(steps=2, step_size=method().step_of(of)).run(of)
    assert torch.equal(some[0], two[0])
    assert torch.equal(some[1], full[1])


def test_when_all_are_lost_the_run_ends():
    of, told = problem(2), []
    stop = EarlyStop(held_out=Ensemble([toy()]), own=[-of.own[0]], distance=1, every=3)
    method().run(of, stop=stop, progress=lambda done, _: told.append(done))
    assert told == [1, 2, 3]


def test_every_held_out_recognizer_must_have_lost_the_face():
    of, told = problem(1), []
    team = Ensemble([toy(0), toy(0)])
    stop = EarlyStop(held_out=team, own=[-of.own[0], of.own[0]], distance=9, every=2)
    method().run(of, stop=stop, progress=lambda done, _: told.append(done))
    assert told[-1] == 8
