"""Disks that are full or refuse, for real: small file systems of their own, or limits of Linux."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and mounts are POSIX's")
ROOT = Path(__file__).resolve().parents[2]
Full = Callable[[], contextlib.AbstractContextManager[None]]


def mounted(folder: Path, size: str) -> bool:
    """Whether a file system of its own could be mounted there, which only root may."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("mount"):
        return False
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """No file may grow beyond a few bytes, whoever writes it: EFBIG, as of a full disk ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left on the file system of the folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture(params=["limit", "file system"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Full]]:
    """A folder, and what makes its disk full for as long as a block lasts."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield folder, limited
        return
    if not mounted(folder, "1m"):
        pytest.skip("only root may mount a small file system")
    yield folder, lambda: filled(folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A folder that can be written until the function is called, which returns it."""
    folder = tmp_path / "medium"
    folder.mkdir()
    real = mounted(folder, "8m")
    if not real and not os.geteuid():
        pytest.skip("root writes everywhere, and may mount nothing here")

    def close() -> Path:
        if real:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        else:
            allow(folder, 0o555)
        return folder

    yield close
    if real:
        subprocess.run(["umount", str(folder)], check=True)
    else:
        allow(folder, 0o755)


def allow(folder: Path, mode: int) -> None:
    """Set the permissions of a folder and of those in it."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(mode)


@pytest.fixture
def medium(read_only: Callable[[], Path], tmp_path: Path) -> Path:
    """The folder of ``read_only``, while it can be written."""
    return tmp_path / "medium"


def leftovers(folder: Path) -> list[str]:
    """Files that were being written."""
    return [path.name for path in folder.rglob(".bauta-*.tmp")]
