"""Outputs appear whole or not at all, and never in the place of the original."""

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from bauta.errors import MediaError, OutputExistsError
from bauta.media import atomic, atomic_write, photo_from_array, read_photo, write_photo
from tests.media import make


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.fixture
def source(put, every):
    return put("source.png", every["png-RGB"][1])


def test_writes_and_refuses_to_replace(tmp_path):
    path = tmp_path / "report.json"
    atomic_write(path, b"one")
    with pytest.raises(OutputExistsError, match="allow overwriting"):
        atomic_write(path, b"two")
    assert path.read_bytes() == b"one"
    atomic_write(path, b"two", overwrite=True)
    assert path.read_bytes() == b"two"
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="other systems know no such permissions")
def test_secrets_are_their_owners_alone(tmp_path):
    for secret in (False, True):
        path = tmp_path / f"{secret}.key"
        atomic_write(path, b"key", secret=secret)
        assert bool(path.stat().st_mode & 0o077) is not secret


@pytest.mark.parametrize("step", ["fsync", "link", "replace", "write"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_state(step, error, tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail(*args, **kwargs):
        raise error

    overwrite = step != "link"
    target = path if overwrite else tmp_path / "new.bin"
    if step == "write":
        real = os.fdopen

        def broken(descriptor, mode):
            file = real(descriptor, mode)
            file.write(b"half of it")
            file.close()
            raise error

        monkeypatch.setattr(os, "fdopen", broken)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, step, fail)
        if step == "link" and isinstance(error, OSError):
            monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MediaError if isinstance(error, OSError) else KeyboardInterrupt):
        atomic_write(target, b"new content", overwrite=overwrite)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin"]


def test_without_hard_links_a_rename_does(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    atomic_write(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"
    with pytest.raises(OutputExistsError):
        atomic_write(tmp_path / "a", b"two")


def test_a_name_taken_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a"
    real = atomic._write_new

    def slow(temporary, data, mode):
        real(temporary, data, mode)
        path.write_bytes(b"someone else")

    monkeypatch.setattr(atomic, "_write_new", slow)
    with pytest.raises(OutputExistsError):
        atomic_write(path, b"mine")
    assert path.read_bytes() == b"someone else"
    assert leftovers(tmp_path) == []


def test_of_many_writers_one_wins(tmp_path):
    path, outcomes = tmp_path / "a", []

    def write(number: int) -> None:
        try:
            atomic_write(path, bytes([number]) * 1000)
            outcomes.append(number)
        except OutputExistsError:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [n for n in outcomes if n is not None]
    assert len(winners) == 1
    assert path.read_bytes() == bytes(winners) * 1000


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        atomic_write(tmp_path / "a", b"x")
        (tmp_path / "b").write_bytes(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_the_original_is_never_replaced_under_any_name(source, tmp_path, monkeypatch):
    before = source.read_bytes()
    (tmp_path / "soft.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    (tmp_path / "below").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    photo = read_photo(source)
    through_link = read_photo(tmp_path / "soft.png")
    monkeypatch.chdir(tmp_path)
    names = [source, "source.png", "./below/../source.png", "soft.png", "hard.png",
             "folder/source.png"]  # fmt: skip
    for name in names:
        for one in (photo, through_link):
            with pytest.raises(OutputExistsError, match="original"):
                write_photo(one, one.pixels, name, overwrite=True)
    assert source.read_bytes() == before
    assert (tmp_path / "soft.png").is_symlink()
    assert leftovers(tmp_path) == []


def test_the_original_is_protected_after_a_change_of_folder(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo = read_photo("source.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(OutputExistsError, match="original"):
        write_photo(photo, photo.pixels, "../source.png", overwrite=True)


def test_a_link_to_another_file_is_replaced_not_followed(source, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(b"precious")
    link = tmp_path / "link.png"
    link.symlink_to(other)
    photo = read_photo(source)
    with pytest.raises(OutputExistsError):
        write_photo(photo, photo.pixels, link)
    write_photo(photo, photo.pixels, link, overwrite=True)
    assert other.read_bytes() == b"precious"
    assert not link.is_symlink()
    np.testing.assert_array_equal(read_photo(link).pixels, photo.pixels)


def test_a_dangling_link_counts_as_existing(source, tmp_path):
    (tmp_path / "out.png").symlink_to(tmp_path / "nowhere")
    photo = read_photo(source)
    with pytest.raises(OutputExistsError):
        write_photo(photo, photo.pixels, tmp_path / "out.png")


@pytest.mark.parametrize("name", ["missing/out.png", "", "folder.png", "a\0b.png", "x" * 300])
def test_impossible_targets_are_refused(name, source, tmp_path):
    (tmp_path / "folder.png").mkdir()
    photo = read_photo(source)
    with pytest.raises(MediaError, match="cannot write"):
        write_photo(photo, photo.pixels, tmp_path / name, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png", "source.png"]


def test_nothing_is_encoded_for_a_target_that_exists(source, tmp_path, monkeypatch):
    photo = read_photo(source)
    monkeypatch.setattr(type(photo._source), "encode", None)
    (tmp_path / "out.png").write_bytes(b"")
    with pytest.raises(OutputExistsError):
        write_photo(photo, photo.pixels, tmp_path / "out.png")


def test_an_array_has_no_original_to_protect(tmp_path):
    photo = photo_from_array(make.face(8, 8))
    write_photo(photo, photo.pixels, tmp_path / "a.png")
    write_photo(photo, 255 - photo.pixels, tmp_path / "a.png", overwrite=True)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, 255 - photo.pixels)
