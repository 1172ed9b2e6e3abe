"""Videos appear whole or not at all, and never in the place of the original."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed (extra video)")
resource = pytest.importorskip("resource", reason="no limits and signals of POSIX here")

from bauta.errors import MediaError, OutputExistsError, UsageError
from bauta.media import atomic
from bauta.media.video import VideoWriter, read_video
from tests.media.video.test_write import files, rewritten


class Stop(Exception):
    """Something that a protection may raise."""


@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt(), OSError(5, "x"), ValueError("y")])
@pytest.mark.parametrize("at", [0, 5, 11])
def test_an_exception_leaves_nothing_and_passes_on(error, at, clip, tmp_path):
    source = clip()
    (tmp_path / "old.mp4").write_bytes(b"old")

    def protect(pixels: np.ndarray) -> np.ndarray:
        nonlocal at
        at -= 1
        if at < 0:
            raise error
        return pixels

    for name, overwrite in (("new.mp4", False), ("old.mp4", True)):
        with pytest.raises(type(error)) as caught:
            rewritten(source, tmp_path / name, protect, overwrite=overwrite)
        assert caught.value is error
    assert files(tmp_path) == ["clip.mp4", "old.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


def test_while_it_is_written_only_a_temporary_file_is_there(clip, tmp_path):
    source = clip()
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mp4") as writer:
        for frame in video:
            writer.write(frame, frame.pixels)
            assert not (tmp_path / "out.mp4").exists()
            hidden = [name for name in files(tmp_path) if name != "clip.mp4"]
            assert len(hidden) == 1
            assert hidden[0].startswith(".bauta-")
    assert files(tmp_path) == ["clip.mp4", "out.mp4"]


def test_a_kill_leaves_the_old_file(clip, tmp_path):
    source, target = clip(), tmp_path / "out.mp4"
    target.write_bytes(b"old")
    code = (
        "import os, signal, sys; from bauta.media.video import *\n"
        "with read_video(sys.argv[1]) as v, VideoWriter(v, sys.argv[2], overwrite=True) as w:\n"
        "    for f in v:\n"
        "        w.write(f, f.pixels)\n"
        "        if f.index == 6: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, source, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"


def test_existing_files_are_replaced_only_when_allowed(clip, tmp_path):
    source, target = clip(), tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    with read_video(source) as video, pytest.raises(OutputExistsError, match="allow overwriting"):
        VideoWriter(video, target)
    assert target.read_bytes() == b"precious"
    rewritten(source, target, overwrite=True)
    assert target.stat().st_size > 1000
    assert files(tmp_path) == ["clip.mp4", "out.mp4"]


def test_the_source_is_never_replaced_under_any_name(clip, tmp_path, monkeypatch):
    source = clip()
    before = source.read_bytes()
    (tmp_path / "soft.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    with read_video("clip.mp4") as video, read_video("soft.mp4") as linked:
        for name in ("clip.mp4", "./below/../clip.mp4", "soft.mp4", "hard.mp4", source):
            for one in (video, linked):
                with pytest.raises(OutputExistsError, match="original"):
                    VideoWriter(one, name, overwrite=True)
        monkeypatch.chdir(tmp_path / "below")
        with pytest.raises(OutputExistsError, match="original"):
            VideoWriter(video, "../clip.mp4", overwrite=True)
    assert source.read_bytes() == before


def test_a_target_that_became_the_source_meanwhile_is_not_replaced(clip, tmp_path):
    source, target = clip(), tmp_path / "out.mp4"
    with read_video(source) as video:
        writer = VideoWriter(video, target, overwrite=True)
        os.link(source, target)
        with pytest.raises(OutputExistsError, match="original"):
            writer.__enter__()
    assert source.samefile(target)


def test_a_name_taken_meanwhile_is_not_replaced(clip, tmp_path):
    source, target = clip(), tmp_path / "out.mp4"

    def slow(pixels: np.ndarray) -> np.ndarray:
        target.write_bytes(b"someone else")
        return pixels

    with pytest.raises(OutputExistsError):
        rewritten(source, target, slow)
    assert target.read_bytes() == b"someone else"
    assert files(tmp_path) == ["clip.mp4", "out.mp4"]


@pytest.mark.parametrize("name", ["missing/out.mp4", "folder.mp4", "a\0b.mp4", "x" * 300 + ".mp4"])
def test_impossible_targets_are_refused_at_once(name, clip, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    with read_video(clip()) as video, pytest.raises(MediaError, match="cannot write"):
        VideoWriter(video, tmp_path / name, overwrite=True)
    assert files(tmp_path) == ["clip.mp4", "folder.mp4"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_failure_to_publish_leaves_nothing(step, clip, tmp_path, monkeypatch):
    source = clip()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MediaError, match="No space left"):
        rewritten(source, tmp_path / "out.mp4")
    assert files(tmp_path) == ["clip.mp4"]


def test_the_file_reaches_the_disk_before_its_name(clip, tmp_path, monkeypatch):
    order = []
    for name in ("_sync_file", "_publish", "_sync_folder"):
        real = getattr(atomic, name)

        def noted(*args: object, name: str = name, real: object = real) -> None:
            order.append(name)
            real(*args)

        monkeypatch.setattr(atomic, name, noted)
    rewritten(clip(), tmp_path / "out.mp4")
    assert order == ["_sync_file", "_publish", "_sync_folder"]


@pytest.mark.parametrize("limit", [0, 3000, 20_000])
def test_a_full_disk_is_an_error_and_leaves_nothing(limit, clip, tmp_path):
    """A limit on the size of files stands in for the disk: writing fails at once, or at the end."""
    source = clip(frames=30, size=(192, 128))
    assert source.stat().st_size > 20_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(MediaError, match=r"cannot write .*free space"):
            rewritten(source, tmp_path / "out.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert files(tmp_path) == ["clip.mp4"]


def test_a_writer_writes_one_file(clip, tmp_path):
    source = clip()
    for _ in range(2):
        writer = rewritten(source, tmp_path / "out.mp4", overwrite=True)
    with pytest.raises(UsageError, match="make another one"):
        writer.__enter__()
    assert files(tmp_path) == ["clip.mp4", "out.mp4"]
