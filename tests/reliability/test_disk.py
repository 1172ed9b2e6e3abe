"""Full disks and folders that cannot be written: what was there stays, the message says what to do.

That no step of a write leaves a half file is tested in tests/media/test_atomic.py; here disks are
full for real, and what is written are photos, keys, albums and videos.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.albums.album import protect_album
from bauta.albums.engines import Event
from bauta.albums.manifest import read_entries
from bauta.albums.work import Outcome, Task
from bauta.errors import MediaError
from bauta.keys.mask import read_mask
from bauta.keys.watermark import read_watermark_key
from bauta.media import atomic_write, photo_from_array, read_photo, write_photo
from bauta.media.atomic import check_target
from bauta.settings import Settings
from bauta.training.running import append_row, keeping
from bauta.watermark.register import give_out, read_register, register_of
from bauta.watermarking import make_key
from bauta.weights.states import load_state
from tests.reliability.conftest import Full, leftovers
from tests.reliability.parsers import _mask

SETTINGS = Settings(preset="fast")
ROOM = r"cannot write .*(space|large).*check the permissions of the folder and the free space"

REFUSED = r"cannot write .*check the permissions of the folder"


def noise(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


# --- the disk is full ------------------------------------------------------------------------


def test_a_photo(disk: tuple[Path, Full], tmp_path: Path) -> None:
    folder, full = disk
    original, target = tmp_path / "me.png", folder / "out.png"
    write_photo(photo_from_array(noise(1)), noise(1), original)
    photo, before = read_photo(original), original.read_bytes()
    write_photo(photo, noise(2), target)
    earlier = target.read_bytes()
    with full(), pytest.raises(MediaError, match=ROOM):
        write_photo(photo, noise(3), target, overwrite=True)
    with full(), pytest.raises(MediaError, match=ROOM):
        write_photo(photo, noise(3), folder / "new.png")
    assert (original.read_bytes(), target.read_bytes()) == (before, earlier)
    assert [path.name for path in folder.iterdir()] == ["out.png"]
    write_photo(photo, noise(3), target, overwrite=True)
    np.testing.assert_array_equal(read_photo(target).pixels, noise(3))


def test_keys(disk: tuple[Path, Full]) -> None:
    folder, full = disk
    key = make_key(folder / "my.key")
    give_out(register_of(folder / "my.key"), key, "Anna")
    mask = _mask().to_bytes()
    with full():
        with pytest.raises(MediaError, match=ROOM):
            make_key(folder / "my.key", overwrite=True)
        with pytest.raises(MediaError, match=ROOM):
            give_out(register_of(folder / "my.key"), key, "Ben" * 20)
        with pytest.raises(MediaError, match=ROOM):
            atomic_write(folder / "me.mask", mask, secret=True)
    assert read_watermark_key(folder / "my.key").secret == key.secret
    assert read_register(register_of(folder / "my.key"), key) == ["Anna"]
    assert leftovers(folder) == []
    assert not (folder / "me.mask").exists()
    atomic_write(folder / "me.mask", mask, secret=True)
    assert read_mask(folder / "me.mask").secret == _mask().secret
    assert give_out(register_of(folder / "my.key"), key, "Ben") == ["Anna", "Ben"]


class Here:
    """An engine that does the work itself, and calls something before the last file."""

    def __init__(self, before_last: Callable[[], None] = lambda: None) -> None:
        self.before_last = before_last

    def run(self, tasks: Sequence[Task]) -> Generator[Event, None, None]:
        for number, task in enumerate(tasks, 1):
            if number == len(tasks):
                self.before_last()
            yield Event("begin", task)
            # The report is longer than what is left of a page that is there already.
            outcome = replace(self.do(task), report={"long": "x" * 5000})
            yield Event("end", task, 1.0, outcome)

    def do(self, task: Task) -> Outcome:
        try:
            data = b"done " + task.source.read_bytes()
            atomic_write(task.target, data, overwrite=task.overwrite, protect=[task.source])
        except MediaError as error:
            return Outcome(status="failed", error=str(error))
        return Outcome(status="done", verdict="protected")


def album_in(folder: Path) -> Path:
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.jpg").write_bytes(name.encode() * 5000)
    return folder


def test_an_album(disk: tuple[Path, Full], tmp_path: Path) -> None:
    """The manifest itself cannot be written: the run ends, and the next one goes on."""
    folder, full = disk
    album, output = album_in(tmp_path / "album"), folder / "out"
    blocks = [full()]

    with pytest.raises(MediaError, match=ROOM) as caught:
        protect_album(album, output, SETTINGS, engine=Here(blocks[0].__enter__))
    assert "album.jsonl" in str(caught.value)
    # Whatever is known now is true: what is done is there, and whole.
    entries = read_entries(output)
    blocks[0].__exit__(None, None, None)
    assert {name for name, e in entries.items() if e.status == "done"} == {"a.jpg", "b.jpg"}
    assert (output / "a.jpg").read_bytes() == b"done " + b"a" * 5000
    assert sorted(path.name for path in output.glob("*.jpg")) == ["a.jpg", "b.jpg"]
    assert leftovers(output) == []
    report = protect_album(album, output, SETTINGS, engine=Here())
    assert report.planned["done"] == 2
    assert {e.status for e in report.entries.values()} == {"done"}
    assert [path.read_bytes() for path in sorted(album.iterdir())] == [b"a" * 5000, b"b" * 5000,
                                                                      b"c" * 5000]  # fmt: skip


def test_a_file_of_an_album(disk: tuple[Path, Full], tmp_path: Path) -> None:
    """Only the file is too large for what is left: it fails, and the rest is done."""
    folder, full = disk
    album, output = album_in(tmp_path / "album"), folder / "out"

    class Tight(Here):
        def do(self, task: Task) -> Outcome:
            if task.name != "b.jpg":
                return super().do(task)
            with full():
                return super().do(task)

    report = protect_album(album, output, SETTINGS, engine=Tight())
    assert [e.name for e in report.named("done")] == ["a.jpg", "c.jpg"]
    assert "free space" in report.entries["b.jpg"].error
    assert not (output / "b.jpg").exists()
    assert protect_album(album, output, SETTINGS, engine=Here()).planned == {"done": 2, "again": 1}


def test_a_video(disk: tuple[Path, Full], tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra video is not installed")
    from bauta.media.video import VideoWriter, read_video
    from tests.media.video.make import Clip, make

    folder, full = disk
    original, target = make(tmp_path / "clip.mp4", Clip(frames=8)), folder / "out.mp4"
    before = original.read_bytes()

    def write() -> None:
        with read_video(original) as video, VideoWriter(video, target, overwrite=True) as writer:
            for frame in video:
                writer.write(frame, noise(frame.index)[:64].repeat(2, axis=1)[:, :96])

    write()
    earlier = target.read_bytes()
    with full(), pytest.raises(MediaError, match=r"cannot write .*out\.mp4.*free space"):
        write()
    assert (original.read_bytes(), target.read_bytes()) == (before, earlier)
    assert [path.name for path in folder.iterdir()] == ["out.mp4"]
    write()
    with read_video(target) as video:
        assert sum(1 for _ in video) == 8


def test_a_checkpoint(disk: tuple[Path, Full]) -> None:
    folder, full = disk
    file, part = folder / "checkpoint.pt", folder / "checkpoint.pt.part"

    def save(step: int) -> None:
        with keeping(file):
            torch.save({"step": step, "weights": torch.zeros(9000)}, part)
            part.replace(file)

    save(1)
    with full(), pytest.raises(MediaError, match=r"cannot write .*checkpoint\.pt: .*free space"):
        save(2)
    assert load_state(file)["step"] == 1
    with full(), pytest.raises(MediaError, match=ROOM):
        append_row(folder / "log.csv", ["epoch", "loss"], {"epoch": 1, "loss": "9" * 5000})
    save(3)
    assert load_state(file)["step"] == 3


# --- the folder cannot be written ------------------------------------------------------------


def test_photos_and_keys_of_a_read_only_folder(
    medium: Path, read_only: Callable[[], Path], tmp_path: Path
) -> None:
    """Originals and keys are used from where nothing can be written; nothing is written there."""
    key = make_key(medium / "my.key")
    give_out(register_of(medium / "my.key"), key, "Anna")
    write_photo(photo_from_array(noise(1)), noise(1), medium / "me.png")
    read_only()
    photo = read_photo(medium / "me.png")
    write_photo(photo, noise(2), tmp_path / "out.png")
    assert give_out(register_of(medium / "my.key"), key, "Anna") == ["Anna"]
    for write in (
        lambda: check_target(medium / "out.png"),  # before any work
        lambda: write_photo(photo, noise(2), medium / "out.png"),
        lambda: make_key(medium / "other.key"),
        lambda: give_out(register_of(medium / "my.key"), key, "Ben"),
    ):
        with pytest.raises(MediaError, match=REFUSED):
            write()
    assert sorted(p.name for p in medium.iterdir() if p.name[0] != ".") == [
        "me.png", "my.key", "my.key.ids",
    ]  # fmt: skip


def test_albums_of_and_into_a_read_only_folder(
    medium: Path, read_only: Callable[[], Path], tmp_path: Path
) -> None:
    album = album_in(medium / "album")
    protect_album(album, medium / "out", SETTINGS, engine=Here())
    (album / "d.jpg").write_bytes(b"new")
    read_only()
    for output in (medium / "out", medium / "other"):
        with pytest.raises(MediaError, match=REFUSED):
            protect_album(album, output, SETTINGS, engine=Here())
    assert not (medium / "out" / "d.jpg").exists()
    report = protect_album(album, tmp_path / "elsewhere", SETTINGS, engine=Here())
    assert len(report.named("done")) == 4


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_whatever_the_system_says(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody may mount anything, the refusal is made up."""
    real = os.open

    def refuse(path: str, flags: int, *mode: int, **options: int) -> int:
        if flags & os.O_CREAT and str(tmp_path) in str(path):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refuse)
    album = album_in(tmp_path / "album")
    for write in (
        lambda: atomic_write(tmp_path / "a.png", b"x"),
        lambda: make_key(tmp_path / "my.key"),
        lambda: protect_album(album, tmp_path / "out", SETTINGS, engine=Here()),
    ):
        with pytest.raises(MediaError) as caught:
            write()
        assert os.strerror(code) in str(caught.value)
        assert "free space" in str(caught.value)
    assert leftovers(tmp_path) == []
