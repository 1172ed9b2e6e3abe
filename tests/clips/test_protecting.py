"""Whole clips: what is written, what is reported, and what happens when a run is interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.clips import ClipReport, protect_video
from bauta.clips.protecting import chosen_numbers, is_grey
from bauta.engine.loop import IterativeMethod
from bauta.errors import (
    CorruptVideoError,
    MissingExtraError,
    NoFaceError,
    NotAVideoError,
    OutputExistsError,
    UsageError,
)
from bauta.media.video import read_video
from bauta.settings import Settings
from tests.clips.make import SIZE, empty, glide, save
from tests.media.video.make import packets_of

Pixels = NDArray[np.uint8]


def pixels_of(path: Path) -> list[Pixels]:
    with read_video(path) as video:
        return [frame.pixels.copy() for frame in video]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, gliding: list[Pixels]) -> Path:
    """Ten frames of one person, with sound."""
    return save(tmp_path_factory.mktemp("clip") / "me.mp4", gliding[:10], sound="aac")


@pytest.fixture(scope="module")
def done(clip: Path) -> ClipReport:
    settings = Settings(preset="fast", surrogates=("tight-ms1m",), judges=("tight-judge",))
    return protect_video(clip, settings=settings)


def test_the_file_is_another_in_the_faces_alone(clip: Path, done: ClipReport):
    assert done.protected == clip.with_name("me-protected.mp4")
    assert sorted(path.name for path in clip.parent.iterdir()) == ["me-protected.mp4", "me.mp4"]
    before, after = pixels_of(clip), pixels_of(done.protected)
    assert len(after) == 10
    change = np.abs(np.stack(after).astype(int) - np.stack(before))
    face = change[:, 40:100, 60:120].mean(axis=(1, 2, 3))
    assert face.min() > 3
    assert change[:, 150:, :20].mean() < 2 < face.min()
    assert packets_of(done.protected, "audio") == packets_of(clip, "audio")


def test_the_report_says_what_was_done_and_seen(done: ClipReport):
    assert (done.frames, done.shown, done.resumed) == (10, 10, 0)
    (face,) = done.faces
    assert (face.number, face.chosen, face.frames, face.judged) == (1, True, 10, 10)
    assert face.keys == 3
    assert done.steps == face.steps < done.single / 3
    assert (face.first, face.last) == (0, pytest.approx(0.3, abs=0.01))
    assert 0 < done.flicker < 0.7
    (score,) = face.scores
    assert (score.judge, score.independent) == ("tight-judge", True)
    assert score.before > 0.9
    assert score.after <= score.worst < score.before
    assert done.verdict == face.verdict == score.verdict
    assert [moment.matches for moment in done.moments] == sorted(
        (moment.matches for moment in done.moments), reverse=True
    )
    assert done.moments[0].similarities["tight-judge"] == pytest.approx(score.worst)
    assert set(done.seconds) == {"protect", "verify"}
    plain = json.loads(json.dumps(done.to_json(), allow_nan=False, default=str))
    assert plain["verdict"] == done.verdict
    assert plain["steps"] == {"done": done.steps, "frame_by_frame": done.single}
    assert len(plain["worst_moments"]) == 10
    assert plain["settings"]["surrogates"] == ["tight-ms1m"]


def stop_at(count: int) -> Callable[[str, int, int], None]:
    def tell(stage: str, frames: int, total: int) -> None:
        assert total == 10
        if (stage, frames) == ("protect", count):
            raise KeyboardInterrupt

    return tell


def test_an_interrupted_run_goes_on_to_the_same_file(
    clip: Path, done: ClipReport, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        protect_video(clip, out, settings=quick, progress=stop_at(9))
    assert [path.name for path in tmp_path.iterdir()] == [".out.mp4.bauta-work"]
    runs = []
    real = IterativeMethod.run
    monkeypatch.setattr(
        IterativeMethod, "run", lambda *args, **given: runs.append(1) or real(*args, **given)
    )
    report = protect_video(clip, out, settings=quick)
    assert report.resumed == 8
    assert len(runs) <= 1
    assert (report.steps, report.single) == (done.steps, done.single)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert out.read_bytes() == done.protected.read_bytes()


def test_other_settings_do_not_go_on(clip: Path, quick: Settings, tmp_path: Path):
    out = tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        protect_video(clip, out, settings=quick, progress=stop_at(9))
    report = protect_video(clip, out, settings=replace(quick, epsilon=6.0))
    assert report.resumed == 0


def test_without_a_face_nothing_is_written(tmp_path: Path, quick: Settings):
    clip = save(tmp_path / "room.mp4", empty(3))
    with pytest.raises(NoFaceError, match="no face was found in its 3 frames"):
        protect_video(clip, settings=quick)
    assert [path.name for path in tmp_path.iterdir()] == ["room.mp4"]


def test_faces_that_were_not_chosen_stay(tmp_path: Path, collins: Pixels, quick: Settings):
    clip = save(tmp_path / "me.mp4", [*glide(collins, 2), *empty(1)])
    with pytest.raises(UsageError, match="there is no face number 2: the video has 1"):
        protect_video(clip, settings=replace(quick, faces="2"))
    with pytest.raises(UsageError, match="in videos --faces takes all"):
        protect_video(clip, settings=replace(quick, faces="largest"))
    assert [path.name for path in tmp_path.iterdir()] == ["me.mp4"]
    report = protect_video(clip, settings=replace(quick, faces="1"))
    assert (report.shown, report.frames) == (2, 3)


def test_each_shot_begins_with_key_frames(
    tmp_path: Path, collins: Pixels, hopper: Pixels, quick: Settings
):
    shots = [*glide(collins, 4), *glide(hopper, 4, start=(40, 60)), *glide(collins, 4)]
    report = protect_video(save(tmp_path / "a.mp4", shots), settings=quick, samples=4)
    assert [(face.number, face.frames, face.keys, face.judged) for face in report.faces] == [
        (1, 8, 6, 2),
        (2, 4, 3, 2),
    ]


@pytest.mark.parametrize("holds", [{"turned": 90}, {"times": [0, 512, 2048, 2100]}])
def test_rotation_and_odd_clocks_are_kept(
    tmp_path: Path, collins: Pixels, quick: Settings, holds: dict[str, Any]
):
    frames = glide(collins, 4)
    if "turned" in holds:
        frames = [np.ascontiguousarray(np.rot90(frame, -1)) for frame in frames]
    clip = save(tmp_path / "me.mkv" if "times" in holds else tmp_path / "me.mp4", frames, **holds)
    report = protect_video(clip, settings=quick)
    assert (report.frames, report.shown) == (4, 4)
    with read_video(clip) as before, read_video(report.protected) as after:
        assert (after.facts.width, after.facts.height) == SIZE
        times = [[frame.seconds for frame in video] for video in (before, after)]
    assert times[1] == pytest.approx(times[0], abs=1e-3)


def test_one_frame_is_a_clip_too(tmp_path: Path, collins: Pixels, quick: Settings):
    report = protect_video(save(tmp_path / "me.mp4", glide(collins, 1)), settings=quick)
    assert (report.frames, report.faces[0].judged) == (1, 1)
    assert report.to_json()["flicker"] is None


def test_a_film_without_colour_stays_so(tmp_path: Path, collins: Pixels, quick: Settings):
    grey = [np.repeat(frame[..., 1:2], 3, axis=2) for frame in glide(collins, 2)]
    assert is_grey(grey[0])
    assert not is_grey(collins)
    report = protect_video(save(tmp_path / "me.mp4", grey), settings=quick)
    assert all(is_grey(frame) for frame in pixels_of(report.protected))


def test_what_is_broken_or_in_the_way_is_said(
    clip: Path, quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken, text = tmp_path / "broken.mp4", tmp_path / "text.mp4"
    broken.write_bytes(clip.read_bytes()[:400])
    text.write_text("no video")
    with pytest.raises(CorruptVideoError):
        protect_video(broken, settings=quick)
    with pytest.raises(NotAVideoError):
        protect_video(text, settings=quick)
    with pytest.raises(OutputExistsError, match="the original"):
        protect_video(clip, clip, settings=quick, overwrite=True)
    with pytest.raises(UsageError, match="either settings or single options"):
        protect_video(clip, settings=quick, epsilon=4)

    def missing() -> None:
        raise MissingExtraError("reading videos", "video")

    monkeypatch.setattr("bauta.media.video.read.check_extra", missing)
    with pytest.raises(MissingExtraError, match=r"bauta\[video\]"):
        protect_video(clip, settings=quick)


def test_numbers_of_faces():
    assert chosen_numbers("all") is None
    assert chosen_numbers("1, 3") == {1, 3}
    for wrong in ("largest", "0", "1,", "-1"):
        with pytest.raises(UsageError):
            chosen_numbers(wrong)


def test_makeup_is_carried_by_its_network(tmp_path: Path, gliding: list[Pixels]):
    clip = save(tmp_path / "me.mp4", gliding[:6])
    settings = Settings(
        method="dfpp",
        style="tan",
        preset="fast",
        surrogates=("tight-ms1m",),
        judges=("tight-judge",),
    )
    report = protect_video(clip, settings=settings)
    (face,) = report.faces
    assert face.keys == 3
    assert face.steps < report.single
    change = np.abs(np.stack(pixels_of(report.protected)).astype(int) - np.stack(pixels_of(clip)))
    assert change[:, 40:100, 60:120].mean(axis=(1, 2, 3)).min() > 3
