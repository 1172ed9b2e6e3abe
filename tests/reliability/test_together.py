"""Two runs on one file or folder: one waits, or is told; nothing of either is lost.

Two albums in one output are tried in tests/albums/test_album.py, threads that write one file in
tests/media/test_atomic.py, two that fetch the same weights in tests/weights/test_fetch.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bauta.albums.manifest import Manifest
from bauta.errors import MediaError, OutputExistsError, UsageError
from bauta.media import read_photo
from bauta.media.atomic import atomic_write, locked
from bauta.recognizers.thresholds import Threshold, _read, save_thresholds
from bauta.watermark.register import read_register, register_of
from bauta.watermarking import embed, make_key, own_key
from tests.reliability.conftest import ROOT, leftovers
from tests.reliability.test_disk import SETTINGS, Here, album_in, protect_album

_SCRIPT = """
import sys
from pathlib import Path
from bauta.keys.watermark import read_watermark_key
from bauta.watermark.register import give_out, register_of

key, number = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for index in range(12):
    give_out(register_of(key), read_watermark_key(key), f"{number}/{index}")
"""


def test_two_that_give_out_identifiers(tmp_path: Path) -> None:
    """What one gives out the other does not forget: without it a photo could not be traced."""
    key = make_key(tmp_path / "my.key")
    script = tmp_path / "give.py"
    script.write_text(_SCRIPT, "utf-8")
    running = [
        subprocess.Popen(
            [sys.executable, script, tmp_path / "my.key", str(number)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        )
        for number in range(3)
    ]  # fmt: skip
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.communicate("go\n", timeout=120)
    assert {process.returncode for process in running} == {0}
    known = read_register(register_of(tmp_path / "my.key"), key)
    assert sorted(known) == sorted(f"{n}/{i}" for n in range(3) for i in range(12))
    assert leftovers(tmp_path) == []


def test_two_that_mark_into_one_file(collins_path: Path, tmp_path: Path) -> None:
    """Both work; who is first has the name, whole, and the other is told to choose another one."""
    make_key(tmp_path / "my.key")
    mine, target, came = own_key(tmp_path / "my.key"), tmp_path / "out.jpg", []

    def mark(name: str) -> None:
        try:
            came.append(embed(mine, name, collins_path, target))
        except OutputExistsError as error:
            came.append(error)

    threads = [threading.Thread(target=mark, args=(name,)) for name in ("Anna", "Ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [one for one in came if isinstance(one, OutputExistsError)]
    assert len(refused) == 1
    assert "choose another name, or allow overwriting" in str(refused[0])
    assert read_photo(target).pixels.shape == read_photo(collins_path).pixels.shape
    assert leftovers(tmp_path) == []
    assert sorted(mine.identifiers()) == ["Anna", "Ben"]


def test_two_evaluations_keep_both_thresholds(tmp_path: Path) -> None:
    file = tmp_path / "thresholds.json"
    row = Threshold(similarity=0.3, far=0.01, tar=0.9, data="lfw", command="x")
    names = [f"net{n}" for n in range(8)]
    threads = [
        threading.Thread(target=save_thresholds, args=(file, name, {"far-1%": row}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(_read(file)) == names


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.ids"
    with locked(file):
        with pytest.raises(MediaError, match=r"another process has been changing it.*try again"):
            locked(file, patience=0.05).__enter__()
        atomic_write(file, b"x")
    with locked(file, patience=0.05):
        assert file.read_bytes() == b"x"


def test_an_album_and_single_photos_in_one_folder(tmp_path: Path) -> None:
    """The lock is the album's alone, and its manifest takes no other's files for its own."""
    album, output = album_in(tmp_path / "album"), tmp_path / "out"
    with Manifest(output):
        with pytest.raises(UsageError, match="another run works"):
            protect_album(album, output, SETTINGS, engine=Here())
        atomic_write(output / "b.jpg", b"of a single run")
    report = protect_album(album, output, SETTINGS, engine=Here())
    assert (output / "b.jpg").read_bytes() == b"of a single run"
    assert [e.name for e in report.named("failed")] == ["b.jpg"]
    assert [e.name for e in report.named("done")] == ["a.jpg", "c.jpg"]
