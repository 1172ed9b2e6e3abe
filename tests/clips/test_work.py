"""The folder of an interrupted run: what is found again, and what never is."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bauta.clips.carrying import Done
from bauta.clips.work import Work, fingerprint
from bauta.errors import MediaError, UsageError
from bauta.optimisation import Found


def done(value: float, *, flow: bool = True) -> Done:
    delta = torch.full((1, 3, 8, 8), value)
    moves = torch.full((1, 2, 4, 4), value / 100).half().float() if flow else None
    mask = torch.zeros(1, 1, 8, 8)
    return Done(
        kind="key",
        steps=7,
        spared=True,
        reached=1.25,
        found=Found(flow=moves, delta=delta, mask=mask),
        state={"layer.weight": torch.arange(3.0)},
    )


def filled(folder: Path, frames: int) -> Work:
    """What a run of so many frames has left; it is over."""
    with Work(folder / "out.mp4", "a key") as work:
        for index in range(frames):
            work.put(index, 1, done(index))
            work.frame_done(index)
    return work


def test_whole_pieces_are_found_again(tmp_path: Path):
    filled(tmp_path, 20)
    again = Work(tmp_path / "out.mp4", "a key")
    assert again.resumed == 16
    for index in (0, 7, 8, 15, 3):
        known = again.get(index, 1)
        assert known is not None
        assert known.found is not None
        assert known.found.flow is not None
        assert torch.equal(known.found.delta, torch.full((1, 3, 8, 8), float(index)))
        assert torch.equal(known.found.flow, done(index).found.flow)  # type: ignore[union-attr]  # both were found
        assert (known.kind, known.steps, known.spared, known.reached) == ("key", 7, True, 1.25)
        assert torch.equal(known.state["layer.weight"], torch.arange(3.0))
    assert again.get(15, 2) is None
    assert again.get(16, 1) is None


def test_the_last_frames_are_kept_when_the_run_ends_early(tmp_path: Path):
    work = filled(tmp_path, 11)
    work.flush(11)
    with Work(tmp_path / "out.mp4", "a key") as again:
        assert again.resumed == 11
        again.put(11, 1, Done(kind="carried", steps=0, spared=False, reached=2.0))
        again.flush(12)
    known = Work(tmp_path / "out.mp4", "a key").get(11, 1)
    assert known is not None
    assert (known.kind, known.found, dict(known.state)) == ("carried", None, {})


def test_other_work_is_never_taken(tmp_path: Path):
    filled(tmp_path, 8)
    other = Work(tmp_path / "out.mp4", "another key")
    assert other.resumed == 0
    assert sorted(path.name for path in other.folder.iterdir()) == [".lock", "fingerprint"]


@pytest.mark.parametrize("key", ["a key", "another key"])
def test_two_runs_do_not_share_it(tmp_path: Path, key: str):
    filled(tmp_path, 8)
    with Work(tmp_path / "out.mp4", "a key") as first:
        with pytest.raises(UsageError, match="another run works on "):
            Work(tmp_path / "out.mp4", key)
        first.put(8, 1, done(8))
        first.flush(9)
    assert Work(tmp_path / "out.mp4", "a key").resumed == 9


def test_who_was_killed_holds_nothing(tmp_path: Path):
    script = (
        "import os, sys, pathlib; from bauta.clips.work import Work\n"
        "work = Work(pathlib.Path(sys.argv[1]), 'a key'); os.kill(os.getpid(), 9)"
    )
    filled(tmp_path, 8)
    killed = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out.mp4"], check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert Work(tmp_path / "out.mp4", "a key").resumed == 8


def test_a_damaged_piece_ends_what_is_known(tmp_path: Path):
    work = filled(tmp_path, 24)
    pieces = sorted(work.folder.glob("*.safetensors"))
    pieces[1].write_bytes(pieces[1].read_bytes()[:50])
    again = Work(tmp_path / "out.mp4", "a key")
    assert again.resumed == 8
    assert sorted(again.folder.glob("*.safetensors")) == pieces[:1]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_nobody_else_may_read_it(tmp_path: Path):
    work = filled(tmp_path, 8)
    assert stat.S_IMODE(work.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in work.folder.iterdir()} == {0o600}


def test_what_is_not_its_own_is_left_alone(tmp_path: Path):
    folder = tmp_path / ".out.mp4.bauta-work"
    folder.mkdir()
    (folder / "precious").write_text("mine")
    with pytest.raises(MediaError, match="in the way"):
        Work(tmp_path / "out.mp4", "a key")
    assert (folder / "precious").read_text() == "mine"


def test_a_link_is_not_followed(tmp_path: Path):
    elsewhere = filled(tmp_path, 8).folder.rename(tmp_path / "elsewhere")
    (tmp_path / ".out.mp4.bauta-work").symlink_to(elsewhere)
    with pytest.raises(MediaError, match="in the way"):
        Work(tmp_path / "out.mp4", "another key")
    assert {path.name for path in elsewhere.iterdir()} == {
        ".lock", "000000000.safetensors", "fingerprint",
    }  # fmt: skip


def test_removed_at_the_end(tmp_path: Path):
    work = filled(tmp_path, 8)
    work.remove()
    assert list(tmp_path.iterdir()) == []


def test_fingerprints_tell_sources_and_settings_apart(tmp_path: Path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 2_999_999 + b"y")
    prints = {fingerprint(one, {"a": 1}), fingerprint(one, {"a": 2}), fingerprint(other, {"a": 1})}
    assert len(prints) == 3
    assert fingerprint(one, {"a": 1}) in prints
    with pytest.raises(MediaError, match="cannot read"):
        fingerprint(tmp_path / "none", {})
