"""Faces that a held-out recognizer has lost at three quarters of epsilon get no more than that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bauta.engine.loop import EarlyStop
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.optimisation import change_photos, held_out_of
from bauta.protection import team
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import default_held_out, default_surrogates, get_recognizer
from bauta.settings import PRESETS, Settings

Pixels = NDArray[np.uint8]
FAST = Settings(preset="fast")


@pytest.fixture(scope="module")
def photo(collins: Pixels) -> Pixels:
    return np.ascontiguousarray(collins[:256, 96:352])


@pytest.fixture(scope="module")
def face(photo: Pixels) -> Face:
    return find_faces(photo)[0]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[bool]], None]:
    """Let the held-out recognizer say at first which faces it has lost, and then never again."""

    def say(first: Sequence[bool]) -> None:
        answers = iter([torch.tensor(first)])
        monkeypatch.setattr(
            EarlyStop,
            "lost",
            lambda _self, _problem, delta: next(answers, torch.zeros(len(delta), dtype=torch.bool)),
        )

    return say


def changed(photo: Pixels, face: Face, settings: Settings, times: int = 1) -> list[Pixels]:
    surrogates, _ = team(settings)
    return change_photos([photo] * times, [[face]] * times, settings, surrogates)


def size(photo: Pixels, other: Pixels) -> float:
    return float(np.abs(photo.astype(float) - other).mean())


@pytest.mark.parametrize("options", [{}, {"perceptual": False}, {"warp": 0.0}])
def test_lost_faces_are_spared_and_others_get_all(
    photo: Pixels, face: Face, say: Callable[[Sequence[bool]], None], options: dict
) -> None:
    """Of two in one batch, the one that is lost is as with less epsilon; the other has more."""
    settings = replace(FAST, **options)
    (less,) = changed(photo, face, replace(settings, epsilon=6, spare=False))
    say([True, False])
    spared, whole = changed(photo, face, settings, times=2)
    # Networks compute a batch in another order than a single face.
    assert size(less, spared) < 0.25 * size(less, whole)
    # Shifted features count in both.
    assert size(photo, whole) > 1.03 * size(photo, spared)
    if not settings.perceptual:
        assert np.abs(photo.astype(int) - spared).max() <= 6
        assert 6 < np.abs(photo.astype(int) - whole).max() <= 8


def test_all_of_epsilon_hides_more(
    photo: Pixels, face: Face, say: Callable[[Sequence[bool]], None]
) -> None:
    judge = get_recognizer("tight-judge")
    say([True, False])
    clean, spared, whole = judge.embed([photo, *changed(photo, face, FAST, times=2)], [face] * 3)
    assert clean @ whole < clean @ spared - 0.02


def test_the_real_held_out_recognizer_is_asked(photo: Pixels, face: Face) -> None:
    """At one grey level nobody is lost, at 48 everybody is: then all of it is never used."""
    for epsilon, used in ((2.0, False), (48.0, True)):
        settings = replace(FAST, epsilon=epsilon)
        (spared,) = changed(photo, face, settings)
        (less,) = changed(photo, face, replace(settings, epsilon=0.75 * epsilon, spare=False))
        assert np.array_equal(spared, less) is used


def test_progress_ends_where_it_should(
    photo: Pixels, face: Face, say: Callable[[Sequence[bool]], None]
) -> None:
    told: list[float] = []
    surrogates, _ = team(FAST)
    say([False])
    change_photos([photo], [[face]], FAST, surrogates, progress=told.append)
    assert told == sorted(told)
    assert len(told) == PRESETS["fast"].steps + PRESETS["fast"].more
    assert told[-1] == pytest.approx(1)


def test_who_is_held_out() -> None:
    assert held_out_of(FAST) == ["tight-ms1m"]
    assert held_out_of(Settings()) == ["tight-dlib"]
    assert held_out_of(Settings(spare=False)) == []
    assert held_out_of(Settings(surrogates=("dlib",))) == []
    assert held_out_of(Settings(surrogates=("dlib",), held_out=("tight-ms1m",))) == ["tight-ms1m"]
    assert held_out_of(Settings(spare=False, held_out=("dlib",))) == ["dlib"]
    assert held_out_of(Settings(goal="impersonate")) == []


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_nobody_is_lost_as_a_judge(preset: str) -> None:
    """What is held out is no surrogate, and has no ancestor that the surrogates have not."""

    def lineage(names: Sequence[str]) -> set[str]:
        recognizers = [get_recognizer(name) for name in names]
        assert all(isinstance(one, Recognizer) for one in recognizers)
        return {elder for one in recognizers for elder in one.lineage}

    held_out, surrogates = default_held_out(preset), default_surrogates(preset)
    assert held_out
    assert not set(held_out) & set(surrogates)
    assert lineage(held_out) - set(held_out) <= lineage(surrogates)
