"""Marks in clips: every face in every frame, and read over many of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.clips import mark_video, trace_video
from bauta.errors import NoFaceError, UsageError
from bauta.keys.watermark import WatermarkKey
from bauta.watermarking import OwnKey, own_key
from tests.clips.make import empty, glide, save

Pixels = NDArray[np.uint8]


#: Faces of 90 pixels; the other tests' clips show them half as large, too small for a mark.
SIZE = (384, 320)


@pytest.fixture
def key(tmp_path: Path) -> OwnKey:
    sealed = WatermarkKey(secret=bytes(range(32))).to_bytes()
    (tmp_path / "my.key").write_bytes(sealed)
    return own_key(tmp_path / "my.key")


@pytest.fixture(scope="module")
def shots(collins: Pixels, hopper: Pixels) -> list[Pixels]:
    one, other = (np.repeat(np.repeat(p, 2, axis=0), 2, axis=1) for p in (collins, hopper))
    return [
        *glide(one, 6, start=(64, 8), size=SIZE),
        *glide(other, 5, start=(80, 120), size=SIZE),
        *empty(2, SIZE),
    ]


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


def test_what_is_asked_wrongly_is_given_no_identifier(
    key: OwnKey, shots: list[Pixels], tmp_path: Path
):
    clip = save(tmp_path / "me.mp4", shots)
    for identifier, epsilon in ((" ", 8.0), ("party", 0.0), ("party", 65.0)):
        with pytest.raises(UsageError):
            mark_video(key, identifier, clip, epsilon=epsilon)
    assert key.identifiers() == []
