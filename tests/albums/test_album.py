"""Albums: what is done once stays done, and nothing stops the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bauta.albums.album import AlbumReport, plan_album, protect_album, settings_digest
from bauta.albums.engines import LocalEngine, jobs_for
from bauta.albums.files import media_in, written_name
from bauta.albums.manifest import FOLDER, Entry, Manifest, read_entries
from bauta.errors import EngineError, UsageError
from bauta.settings import Settings
from tests.albums.workers import stamp

SETTINGS = Settings(preset="fast")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    for name, content in {
        "a.jpg": b"one", "sub/b.png": b"two", "sub/deep/c.jpg": b"one", "d.jpg": b"bad",
        "e.jpg": b"nobody", "x-protected.jpg": b"ours by name", "notes.txt": b"no photo",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run(album: Path, output: Path, settings: Settings = SETTINGS, **options: bool) -> AlbumReport:
    return protect_album(album, output, settings, engine=LocalEngine(2, do=stamp), **options)


def plans(album: Path, output: Path, settings: Settings = SETTINGS) -> dict[str, str]:
    return {one.media.name: one.plan for one in plan_album(album, output, settings)}


def test_an_album_keeps_its_tree_and_goes_on_after_failures(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert plans(album, output) == {
        "a.jpg": "do", "d.jpg": "do", "e.jpg": "do", "sub/b.png": "do", "sub/deep/c.jpg": "copy",
    }  # fmt: skip
    told: list[Entry] = []
    seen: list[tuple[str, float, float]] = []
    report = protect_album(
        album, output, SETTINGS, engine=LocalEngine(2, do=stamp), told=told.append,
        progress=lambda *words: seen.append(words),
    )  # fmt: skip
    assert (output / "a.jpg").read_bytes() == b"done one"
    assert (output / "sub/b.png").read_bytes() == b"done two"
    assert (output / "sub/deep/c.jpg").read_bytes() == b"done one"
    assert not (output / "d.jpg").exists()
    assert not (output / "e.jpg").exists()
    assert [e.name for e in report.named("done")] == ["a.jpg", "sub/b.png", "sub/deep/c.jpg"]
    assert [(e.name, e.error) for e in report.named("failed")] == [("d.jpg", "it is bad")]
    assert [e.name for e in report.named("faceless")] == ["e.jpg"]
    assert report.verdicts == {"protected": 3}
    assert {entry.name for entry in told} == set(report.entries)
    assert seen[-1] == ("protecting", 4.0, 4)
    # Once more: only what failed is tried again.
    assert plans(album, output) == {
        "a.jpg": "done", "d.jpg": "again", "e.jpg": "faceless", "sub/b.png": "done",
        "sub/deep/c.jpg": "done",
    }  # fmt: skip
    before = (output / "a.jpg").stat().st_mtime_ns
    assert run(album, output).planned == {"done": 3, "again": 1, "faceless": 1}
    assert (output / "a.jpg").stat().st_mtime_ns == before


def test_only_what_changed_is_done_again(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(album, output)
    (album / "a.jpg").write_bytes(b"new")
    (output / "sub/b.png").unlink()
    (album / "d.jpg").unlink()
    expected = {"a.jpg": "again", "e.jpg": "faceless", "sub/b.png": "again"}
    assert plans(album, output) == {**expected, "sub/deep/c.jpg": "done"}
    report = run(album, output)
    assert (output / "a.jpg").read_bytes() == b"done new"
    assert (output / "sub/b.png").read_bytes() == b"done two"
    assert list(report.gone) == ["d.jpg"]
    other = Settings(preset="fast", epsilon=9)
    assert set(plans(album, output, other).values()) == {"again"}
    # Judges and devices make no other photo.
    same = Settings(preset="fast", judges=("tight-judge",))
    assert settings_digest(same) == settings_digest(SETTINGS)


def test_files_of_others_are_left(album: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "a.jpg").write_bytes(b"a holiday")
    report = run(album, output)
    assert (output / "a.jpg").read_bytes() == b"a holiday"
    (failed,) = (e for e in report.named("failed") if e.name == "a.jpg")
    assert "not bauta's" in failed.error
    run(album, output, overwrite=True)
    assert (output / "a.jpg").read_bytes() == b"done one"
    # What was changed by somebody since is not replaced either.
    (output / "a.jpg").write_bytes(b"retouched")
    assert plans(album, output)["a.jpg"] == "taken"


def test_protected_files_are_recognised(album: Path, tmp_path: Path) -> None:
    output = album / "protected"
    run(album, output)
    assert not [name for name in plans(album, output) if name.startswith("protected/")]
    # By their content, wherever they were moved to.
    (album / "moved.jpg").write_bytes((output / "a.jpg").read_bytes())
    assert plans(album, output)["moved.jpg"] == "ours"
    assert plans(album, tmp_path / "elsewhere")["moved.jpg"] == "ours"


def test_a_process_that_dies_stops_nobody(album: Path, tmp_path: Path) -> None:
    (album / "f.jpg").write_bytes(b"deadly")
    (album / "g.jpg").write_bytes(b"once")
    report = run(album, tmp_path / "out")
    assert {e.name for e in report.named("failed")} == {"d.jpg", "f.jpg"}
    assert "memory" in report.entries["f.jpg"].error
    assert report.entries["g.jpg"].status == "done"
    assert (album / "died").exists()


def test_processes_that_cannot_start(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this there is one error, not one for every file."""
    monkeypatch.setattr(sys, "path", [p for p in sys.path if "torch" not in p and "site" not in p])
    with pytest.raises(EngineError, match="could not be started"):
        run(album, tmp_path / "out")
    monkeypatch.undo()
    assert {e.status for e in read_entries(tmp_path / "out").values()} == {"begun"}


def test_workers_stay_warm(album: Path, tmp_path: Path) -> None:
    for number in range(6):
        (album / f"n{number}.jpg").write_bytes(b"n%d" % number)
    report = run(album, tmp_path / "out")
    pids = {entry.report["pid"] for entry in report.named("done")}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


_SCRIPT = """
import sys
from pathlib import Path
from bauta.albums.album import protect_album
from bauta.albums.engines import LocalEngine
from tests.albums.test_album import SETTINGS
from tests.albums.workers import stamp

if __name__ == "__main__":
    protect_album(
        Path(sys.argv[1]), Path(sys.argv[2]), SETTINGS, engine=LocalEngine(1, do=stamp)
    )
"""


def test_a_run_that_was_killed_goes_on(album: Path, tmp_path: Path) -> None:
    (album / "z.jpg").write_bytes(b"slow")
    output, script = tmp_path / "out", tmp_path / "run.py"
    script.write_text(_SCRIPT, "utf-8")
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, script, album, output], env={**os.environ, "PYTHONPATH": str(root)}
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        entries = read_entries(output)
        if "z.jpg" in entries:
            break
        time.sleep(0.05)
    assert entries["z.jpg"].status == "begun"
    # Nobody else may work here meanwhile.
    with pytest.raises(UsageError, match="another run works"):
        run(album, output)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # As if it had been killed while it wrote the file, and the manifest.
    (output / ".bauta-0123.tmp").write_bytes(b"half")
    (output / "z.jpg").write_bytes(b"from before the kill")
    with (output / FOLDER / "album.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"name": "y.jpg", "sta')
    (album / "z.jpg").write_bytes(b"quick")
    report = run(album, output)
    assert report.planned == {"done": 2, "copy": 1, "faceless": 1, "again": 2}
    assert (output / "z.jpg").read_bytes() == b"done quick"
    assert not list(output.rglob("*.tmp"))


def test_manifests_that_are_damaged_say_so(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        for name in ("a", "b"):
            manifest.note(Entry(name=name, status="done", source="1", settings="2"))
    file = tmp_path / FOLDER / "album.jsonl"
    lines = file.read_text("utf-8").splitlines()
    assert [json.loads(line).get("name") for line in lines] == [None, "a", "b"]
    file.write_text("\n".join([lines[0], "{", lines[2]]), "utf-8")
    with pytest.raises(UsageError, match="line 2"):
        read_entries(tmp_path)
    file.write_text('{"bauta": 99}\n', "utf-8")
    with pytest.raises(UsageError, match="later version"):
        read_entries(tmp_path)


def test_names(album: Path, tmp_path: Path) -> None:
    from pathlib import PurePosixPath

    assert written_name(PurePosixPath("x/y.HEIC")) == "x/y.jpg"
    assert written_name(PurePosixPath("x/y.JPG")) == "x/y.JPG"
    (album / "a.heic").write_bytes(b"x")
    with pytest.raises(UsageError, match="rename one"):
        media_in(album, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photo or video"):
        media_in(tmp_path / "empty", tmp_path / "out")


def test_jobs_follow_memory() -> None:
    assert jobs_for(1) == 1
    assert jobs_for(10**12) >= 1
