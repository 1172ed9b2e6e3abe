"""Killed at any step of a write: the old file or the new one is whole, and the next run goes on.

Albums that are killed are tried in tests/albums, videos in tests/clips/test_work.py, downloads that
break off in tests/weights/test_fetch.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bauta.albums.manifest import FOLDER, Manifest
from bauta.keys.watermark import read_watermark_key
from bauta.media.atomic import atomic_write
from bauta.watermark.register import give_out, read_register
from bauta.watermarking import make_key
from tests.reliability.conftest import ROOT, leftovers
from tests.reliability.test_disk import SETTINGS, Here, album_in, protect_album

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX kills")

#: Where a process dies: half way in the data, and before and after each step that follows.
STEPS = ("half", "sync", "publish", "published", "folder")
_SCRIPT = """
import os, signal, sys
from pathlib import Path
from bauta.media import atomic

step, what, target = sys.argv[1:]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)

def half(path, data, mode):
    path.write_bytes(data[: len(data) // 2])
    die()

if step == "half":
    atomic._write_new = half
elif step == "sync":
    atomic._sync_file = die
elif step == "publish":
    atomic._publish = die
elif step == "published":
    publish = atomic._publish
    atomic._publish = lambda *args: (publish(*args), die())
else:
    atomic._sync_folder = die
if what == "file":
    atomic.atomic_write(target, b"new" * 1000, overwrite=True)
else:
    from bauta.keys.watermark import read_watermark_key
    from bauta.watermark.register import give_out
    give_out(target, read_watermark_key(target.removesuffix(".ids")), "Ben")
"""


def killed(what: str, targets: dict[str, Path], tmp_path: Path) -> None:
    """Run the script for every step, each on its own file, side by side; all die."""
    script = tmp_path / "write.py"
    script.write_text(_SCRIPT, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, script, step, what, target], env=environment)
        for step, target in targets.items()
    ]
    assert {process.wait(120) for process in running} == {-signal.SIGKILL}


def test_a_file(tmp_path: Path) -> None:
    targets = {step: tmp_path / step / "a.bin" for step in STEPS}
    for target in targets.values():
        target.parent.mkdir()
        atomic_write(target, b"old")
    killed("file", targets, tmp_path)
    for step, target in targets.items():
        new = step in ("published", "folder")
        assert target.read_bytes() == (b"new" * 1000 if new else b"old")
        # What is left is hidden, and in nobody's way.
        assert len(leftovers(target.parent)) == (not new)
        atomic_write(target, b"newer", overwrite=True)
        assert target.read_bytes() == b"newer"


def test_a_register(tmp_path: Path) -> None:
    targets = {}
    for step in ("half", "publish", "published"):
        key = make_key(tmp_path / f"{step}.key")
        targets[step] = tmp_path / f"{step}.key.ids"
        give_out(targets[step], key, "Anna")
    killed("register", targets, tmp_path)
    for step, target in targets.items():
        key = read_watermark_key(target.with_suffix(""))
        known = ["Anna", "Ben"] if step == "published" else ["Anna"]
        assert read_register(target, key) == known
        # The lock of who died is free.
        assert give_out(target, key, "Ben") == ["Anna", "Ben"]


def test_an_album_removes_what_was_left(tmp_path: Path) -> None:
    album, output = album_in(tmp_path / "album"), tmp_path / "out"
    protect_album(album, output, SETTINGS, engine=Here())
    (output / "sub").mkdir()
    for name in (".bauta-0123456789abcdef.tmp", "sub/.bauta-0123456789abcdef.tmp"):
        (output / name).write_bytes(b"half")
    before = (output / FOLDER / "album.jsonl").read_bytes()
    (output / FOLDER / ".bauta-0123456789abcdef.tmp").write_bytes(before[:50])
    protect_album(album, output, SETTINGS, engine=Here())
    assert leftovers(output) == []
    with Manifest(output) as manifest:
        assert {entry.status for entry in manifest.entries.values()} == {"done"}
