"""Makeup that hides: where it is drawn, what it looks like, and what it goes on from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from bauta.clips.carrying import Follower
from bauta.engine.loop import EarlyStop
from bauta.errors import UsageError
from bauta.faces.frame import cut_canvas
from bauta.faces.mesh import find_mesh
from bauta.makeup.areas import makeup_areas
from bauta.makeup.reference import read_reference
from bauta.methods.dfpp import Dfpp
from bauta.optimisation import build_method, build_problem, change_photos, unpacked
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.settings import Settings

torch.set_num_threads(1)

SETTINGS = Settings(method="dfpp", style="rose", surrogates=("tight-ms1m",), preset="fast")


@pytest.fixture(scope="module")
def surrogates():
    return [get_surrogate("tight-ms1m")]


@pytest.fixture(scope="module")
def problem(collins, collins_face, surrogates):
    return build_problem([collins], [collins_face], SETTINGS, surrogates)


@pytest.fixture(scope="module")
def areas(collins, collins_face):
    return makeup_areas(find_mesh(cut_canvas([collins], [collins_face]))[0][0])


@pytest.fixture(scope="module")
def drawn(problem):
    return Dfpp(steps=8).run(problem)


def added(problem, answer):
    """(3, S, S) what an answer adds."""
    return unpacked(problem, answer)[0].delta[0]


def reached(problem, answer):
    """Distance to oneself, 1 at the surrogate's threshold."""
    return float(EarlyStop(held_out=problem.ensemble, own=problem.own).reached(problem, answer))


def test_the_network_hides_more_than_the_makeup_alone(problem, drawn):
    bare = Dfpp(steps=1, rounds=1).run(problem)
    assert reached(problem, drawn) > reached(problem, bare) + 0.5
    assert reached(problem, drawn) > 1


def test_a_judge_that_took_no_part_sees_less_of_the_person(collins, collins_face, surrogates):
    (out,) = change_photos([collins], [[collins_face]], SETTINGS, surrogates)
    judge = get_recognizer("tight-judge")
    rows = judge.embed([collins, out], [collins_face] * 2)
    assert similarity_matrix(rows[:1], rows[1:])[0, 0] < 0.75
    grey = [np.asarray(photo @ [0.299, 0.587, 0.114]) for photo in (collins, out)]
    alike = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
        full=True,
    )[1]  # fmt: skip
    left, top, right, bottom = (round(side) for side in collins_face.box)
    assert alike[top:bottom, left:right].mean() > 0.8


def test_nothing_is_drawn_on_eyes_teeth_hair_and_background(problem, drawn, areas):
    delta = added(problem, drawn).abs().amax(dim=0)
    outside = torch.stack(list(areas.values())).amax(dim=(0, 1)) < 0.001
    assert float(delta[outside].max()) < 1
    assert float(delta[~outside].mean()) > 2


def test_shades_are_soft_and_keep_their_colour(problem, drawn):
    """Less the makeup itself, which has edges and colours of its own."""
    delta = added(problem, drawn) - added(problem, Dfpp(steps=1, rounds=1).run(problem))
    fine = delta - torch.nn.functional.avg_pool2d(delta[None], 5, 1, 2)[0]
    assert float(fine.std()) < 0.5 * float(delta.std())
    light = (delta * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=0)
    assert float((delta[0] - light).std()) < 0.6 * float(light.std())


@pytest.mark.parametrize("style", ["tan", "berry"])
def test_styles_show(style, problem):
    other = Dfpp(steps=1, rounds=1, style=style).run(problem)
    change = (added(problem, other) - added(problem, Dfpp(steps=1, rounds=1).run(problem))).abs()
    assert float(change.amax(dim=0).max()) > 8


def test_strength_and_reference(problem, collins):
    none = Dfpp(steps=1, rounds=1, style="berry", strength=0.0).run(problem)
    full = Dfpp(steps=1, rounds=1, style="berry").run(problem)
    assert float(added(problem, none).abs().mean()) < 0.3 * float(added(problem, full).abs().mean())
    purple = collins.copy()
    purple[..., 1] = purple[..., 1] // 2
    taken = Dfpp(steps=1, rounds=1, reference=read_reference(purple)).run(problem)
    assert not torch.allclose(taken, full, atol=1.0)


def test_seeds_decide_and_company_changes_nothing(
    problem, collins, collins_face, hopper, hopper_face, surrogates
):
    short = Dfpp(steps=1, rounds=2)
    assert torch.equal(short.run(problem), short.run(problem))
    assert not torch.equal(short.run(problem), replace(short, seed=1).run(problem))
    both = build_problem([collins, hopper], [collins_face, hopper_face], SETTINGS, surrogates)
    told = []
    together = short.run(both, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    torch.testing.assert_close(together[:1], short.run(problem), atol=0.3, rtol=0)


def test_it_goes_on_from_what_it_is_given(problem, drawn):
    more = Dfpp(steps=2, seed=3).run(problem, begin=drawn)
    assert reached(problem, more) > 0.9 * reached(problem, drawn)


def test_the_network_is_carried_to_the_next_frame(problem):
    method = Dfpp(steps=5)
    assert isinstance(method, Follower)
    answer, state = method.follow(problem, begin=None, state={})
    torch.testing.assert_close(answer, method.run(problem))
    few = replace(method, steps=1)
    again, _ = few.follow(problem, begin=answer, state=state)
    fresh, _ = few.follow(problem, begin=None, state={})
    assert reached(problem, again) > 0.9 * reached(problem, answer)
    assert reached(problem, fresh) < 0.7 * reached(problem, answer)


def test_small_frames_and_no_flow(collins, collins_face, surrogates):
    settings = replace(SETTINGS, warp=0.0)
    small = build_problem([collins], [collins_face], settings, surrogates, size=90)
    answer = Dfpp(steps=1, rounds=2).run(small)
    assert answer.shape == (1, 3, 90, 90)
    assert float(answer.abs().max()) > 5


def test_the_settings_name_it(surrogates):
    method = build_method(replace(SETTINGS, style="tan", strength=0.5))
    assert isinstance(method, Dfpp)
    assert (method.style, method.strength) == ("tan", 0.5)
    with pytest.raises(UsageError, match="no style nobody"):
        build_method(replace(SETTINGS, style="nobody"))
    with pytest.raises(UsageError, match="strength"):
        replace(SETTINGS, strength=3.0)
