"""Marks in clips: every face in every frame, and read over many of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.clips import mark_video, trace_video
from bauta.errors import NoFaceError, UsageError
from bauta.watermarking import OwnKey, make_key, own_key
from tests.clips.make import empty, glide, save

Pixels = NDArray[np.uint8]


@pytest.fixture
def key(tmp_path: Path) -> OwnKey:
    make_key(tmp_path / "my.key")
    return own_key(tmp_path / "my.key")


@pytest.fixture(scope="module")
def shots(collins: Pixels, hopper: Pixels) -> list[Pixels]:
    return [*glide(collins, 6), *glide(hopper, 5, start=(40, 60)), *empty(2)]


def test_a_clip_is_marked_and_traced(key: OwnKey, shots: list[Pixels], tmp_path: Path):
    done = mark_video(key, "party", save(tmp_path / "me.mp4", shots))
    assert done.written == tmp_path / "me-marked.mp4"
    assert (done.frames, done.marked, done.faces, done.chosen) == (13, 11, 2, (1, 2))
    assert min(done.agreeing) >= 58
    traced = trace_video([key], done.written)
    # Marks may make two people alike to whoever follows faces, and so one.
    assert {(face.answer, face.identifier) for face in traced.faces} == {("yours", "party")}
    assert trace_video([key], tmp_path / "me.mp4").answer == "unreadable"


def test_one_face_of_two_is_marked(key: OwnKey, shots: list[Pixels], tmp_path: Path):
    done = mark_video(key, "party", save(tmp_path / "me.mp4", shots), faces="2")
    traced = trace_video([key], done.written)
    assert [face.answer for face in traced.faces] == ["unreadable", "yours"]


def test_clips_in_which_nothing_can_be_marked(key: OwnKey, tmp_path: Path):
    with pytest.raises(NoFaceError):
        mark_video(key, "party", save(tmp_path / "none.mp4", empty(3)))
    assert not (tmp_path / "none-marked.mp4").exists()


def test_a_number_that_is_not_there(key: OwnKey, shots: list[Pixels], tmp_path: Path):
    with pytest.raises(UsageError, match="no face number 7"):
        mark_video(key, "party", save(tmp_path / "me.mp4", shots), faces="7")
    assert not (tmp_path / "me-marked.mp4").exists()
