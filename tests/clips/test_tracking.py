"""Identities over whole clips: steady, from where faces come into view, in little memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bauta.clips import tracking
from bauta.clips.following import centre
from bauta.clips.tracking import CHUNK, Shown, Tracker
from bauta.faces.face import Face
from bauta.media.video import Frame
from bauta.recognizers.base import Recognizer
from tests.clips.conftest import as_frames
from tests.clips.make import empty, glide

Pixels = NDArray[np.uint8]


def tracked(recognizer: Recognizer, pictures: list[Pixels]) -> list[Shown]:
    return list(Tracker(recognizer, min_face=40).track(as_frames(pictures)))


def numbers(shown: list[Shown]) -> list[list[int]]:
    return [list(one.faces) for one in shown]


def test_one_person_is_one_number_and_lies_where_the_camera_puts_it(
    recognizer: Recognizer, gliding: list[Pixels]
):
    shown = tracked(recognizer, gliding)
    assert [one.frame.index for one in shown] == list(range(20))
    assert numbers(shown) == [[1]] * 20
    assert [one.cut for one in shown] == [True] + [False] * 19
    path = np.stack([centre(one.faces[1]) for one in shown])
    still = path + np.arange(20)[:, None] * np.array([0.7, 0.4])
    assert still.std(axis=0).max() < 0.35
    assert np.abs(np.diff(still, axis=0)).mean() < 0.15


def test_a_fast_camera_loses_nobody(recognizer: Recognizer, collins: Pixels):
    shown = tracked(recognizer, glide(collins, 10, start=(0, 10), step=(9, 0)))
    assert numbers(shown) == [[1]] * 10


def test_numbers_outlast_cuts_and_gaps(recognizer: Recognizer, collins: Pixels, hopper: Pixels):
    mine, other = glide(collins, 4), glide(hopper, 4, start=(40, 60))
    shown = tracked(recognizer, [*mine, *other, *empty(3), *glide(collins, 4, start=(44, 10))])
    assert numbers(shown) == [[1]] * 4 + [[2]] * 4 + [[]] * 3 + [[1]] * 4
    assert [at for at, one in enumerate(shown) if one.cut] == [0, 4, 8, 11]


def test_two_people_keep_their_numbers(recognizer: Recognizer, collins: Pixels, hopper: Pixels):
    left = glide(hopper, 10, start=(40, 60), step=(0.5, 0))
    right = glide(collins, 10, step=(-0.5, 0.2))
    pairs = [np.concatenate(pair, axis=1) for pair in zip(left, right, strict=True)]
    shown = tracked(recognizer, pairs)
    assert numbers(shown) == [[1, 2]] * 10
    sides = {number: [centre(one.faces[number])[0] > 192 for one in shown] for number in (1, 2)}
    assert sorted(sides.values()) == [[False] * 10, [True] * 10]


def test_who_is_detected_late_is_followed_back(
    recognizer: Recognizer, gliding: list[Pixels], monkeypatch: pytest.MonkeyPatch
):
    """The detector misses the face until the end of the second chunk."""
    calls = []
    real = tracking.find

    def late(pixels: Pixels, **options: Any) -> list[Face]:
        calls.append(1)
        return real(pixels, **options) if len(calls) > 2 else []

    monkeypatch.setattr(tracking, "find", late)
    shown = tracked(recognizer, gliding)
    # First frame and end of the first chunk without a find; then back to the start of the second.
    assert numbers(shown) == [[]] * CHUNK + [[1]] * (20 - CHUNK)


def test_who_comes_into_view_is_followed_back_to_the_edge(recognizer: Recognizer, collins: Pixels):
    shown = tracked(recognizer, glide(collins, 16, start=(-110, 4), step=(9, 0)))
    seen = [bool(one.faces) for one in shown]
    assert not seen[0]
    first = seen.index(True)
    assert first < CHUNK - 1
    assert all(seen[first:])


def test_a_detector_that_fails_once_in_a_while_is_no_harm(
    recognizer: Recognizer, gliding: list[Pixels], monkeypatch: pytest.MonkeyPatch
):
    real, calls = tracking.find, []

    def first_only(pixels: Pixels, **options: Any) -> list[Face]:
        calls.append(1)
        return real(pixels, **options) if len(calls) == 1 else []

    monkeypatch.setattr(tracking, "find", first_only)
    assert numbers(tracked(recognizer, gliding)) == [[1]] * 20


def test_memory_does_not_grow(recognizer: Recognizer, collins: Pixels):
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    half = Image.fromarray(collins).reduce(2)

    def frames() -> Iterator[Frame]:
        for frame in as_frames(np.asarray(half)[:, : 250 - i % 3].copy() for i in range(40)):
            alive.add(frame)
            most.append(len(alive))
            yield frame
            del frame

    most: list[int] = []
    # The picture changes its size a little, which the reader would refuse; nothing here minds.
    for shown in Tracker(recognizer, min_face=40).track(frames()):
        assert list(shown.faces) == [1]
        del shown
    assert max(most) <= 2 * CHUNK
    assert max(most[-10:]) <= max(most[:20])
