"""DPG: one change that hides a face and says whose photo it is, within one budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bauta.engine.flow import FlowBudget
from bauta.engine.loop import EarlyStop
from bauta.errors import UsageError
from bauta.faces.detect import find_faces
from bauta.methods.dpg import Dpg
from bauta.optimisation import (
    build_method,
    build_problem,
    carried_out,
    change_photos,
    unpacked,
)
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import Settings
from bauta.watermark.codes import from_hex
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

torch.set_num_threads(1)
WORD = "0123456789abcdef"


def settings(**options: object) -> Settings:
    given = {"preset": "fast", "surrogates": ("tight-ms1m",), "spare": False, **options}
    return Settings(method="dpg", word=WORD, **given)


@pytest.fixture(scope="module")
def surrogates():
    return [get_surrogate("tight-ms1m")]


def agreeing(photo: np.ndarray) -> int:
    (one,) = read_faces(photo, find_faces(photo)[:1], trained_networks().networks.decoder)
    return int((one.bits == from_hex(WORD)).sum(axis=1).max())


@pytest.mark.parametrize("warp", [0.0, 2.0])
def test_it_hides_and_marks(collins, collins_face, surrogates, warp):
    chosen = settings(warp=warp, preset="balanced")
    problem = build_problem([collins], [collins_face], chosen, surrogates)
    method = build_method(chosen)
    stop = EarlyStop(held_out=problem.ensemble, own=problem.own)
    answer = method.run(problem)
    assert float(stop.reached(problem, answer)) > 1
    (photo,) = change_photos([collins], [[collins_face]], chosen, surrogates)
    assert agreeing(photo) >= 60
    assert agreeing(collins) < 50


@pytest.mark.parametrize("options", [{}, {"warp": 0.0}, {"perceptual": False}])
def test_it_stays_in_the_budget(collins, collins_face, surrogates, options):
    problem = build_problem([collins], [collins_face], settings(**options), surrogates)
    answer = build_method(settings(**options)).run(problem)
    torch.testing.assert_close(problem.project(answer), answer, atol=1e-3, rtol=1e-3)
    if isinstance(problem.budget, FlowBudget):
        _, answer = problem.budget.unpack(answer)
    assert float(answer.abs().max()) <= (8.001 if "perceptual" in options else 16.001)


def test_one_pass_marks_and_hides_no_one(collins, collins_face, surrogates):
    chosen = settings(warp=0.0, refine=False)
    told = []
    problem = build_problem([collins], [collins_face], chosen, surrogates)
    answer = build_method(chosen).run(
        problem, progress=lambda done, total: told.append(done == total)
    )
    assert told == [True]
    (photo,) = change_photos([collins], [[collins_face]], chosen, surrogates)
    assert agreeing(photo) >= 62
    stop = EarlyStop(held_out=problem.ensemble, own=problem.own)
    hidden = stop.reached(problem, build_method(settings(warp=0.0)).run(problem))
    assert float(stop.reached(problem, answer)) < float(hidden)


def test_steps_keep_the_mark(collins, collins_face, surrogates):
    chosen = settings(warp=0.0, preset="balanced")
    deaf = replace(build_method(chosen), loudest=0.0)
    problem = build_problem([collins], [collins_face], chosen, surrogates)
    kept, lost = (
        carried_out(
            [collins], [[collins_face]], unpacked(problem, method.run(problem)), chosen, [False]
        )[0]
        for method in (build_method(chosen), deaf)
    )
    assert agreeing(kept) > agreeing(lost)


@pytest.mark.parametrize("word", ["", "0123", "0123456789ABCDEF", "g" * 16])
def test_it_needs_a_word(word):
    with pytest.raises(UsageError):
        Dpg(word=word)
    with pytest.raises(UsageError):
        build_method(Settings(method="dpg", word=word))


def test_a_word_is_not_told():
    text = f"{settings()} {settings().to_json()}"
    assert WORD not in text
    assert settings().to_json()["word"] is True
