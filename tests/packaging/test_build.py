"""Wheel and source archive: both can be built, hold the same, and nothing that does not belong."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("build", reason="the extra dev is not installed")
#: What a wheel may weigh: 29 MB of weights, and not much else.
MOST_BYTES = 40_000_000
PACKAGE = ROOT / "src/bauta"


def built(source: Path, out: Path, *kinds: str) -> list[Path]:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", out, source],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(out.iterdir())


def tracked() -> set[str]:
    """Files of the package: those that git knows; without git, all but what Python makes."""
    done = subprocess.run(
        ["git", "ls-files", "src/bauta"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and done.stdout:
        files = [ROOT / line for line in done.stdout.splitlines()]
    else:
        files = [path for path in PACKAGE.rglob("*") if path.is_file()]
    kept = [path for path in files if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(ROOT / "src").as_posix() for path in kept}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source archive, built of a copy of the checkout.

    In the checkout itself setuptools would take what earlier builds left behind.
    """
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    left = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=left)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    built(copy, out, "--sdist", "--wheel")
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def inside(archives: tuple[Path, Path]) -> set[str]:
    with zipfile.ZipFile(archives[0]) as wheel:
        return set(wheel.namelist())


def test_the_wheel_holds_the_whole_package(inside: set[str]):
    missing = tracked() - inside
    assert missing == set()
    assert "bauta/py.typed" in inside
    for end in (".html", ".safetensors", ".toml", ".json", ".jpg"):
        assert any(name.endswith(end) for name in inside), end


def test_the_wheel_holds_nothing_else(archives: tuple[Path, Path], inside: set[str]):
    roots = {PurePosixPath(name).parts[0] for name in inside}
    assert len(roots) == 2
    assert "bauta" in roots
    assert not {
        name for name in inside if "test" in PurePosixPath(name).name.split(".")[0].split("_")
    }
    assert not {name for name in inside if name.endswith((".pyc", ".ckpt", ".pt", ".onnx", ".md"))}
    assert archives[0].stat().st_size < MOST_BYTES
    assert archives[1].stat().st_size < MOST_BYTES


def test_the_source_archive_makes_the_same_wheel(
    archives: tuple[Path, Path], inside: set[str], tmp_path: Path
):
    with tarfile.open(archives[1]) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert not (source / "tests").exists()
    assert (source / "LICENSE").is_file()
    (again,) = built(source, tmp_path / "again", "--wheel")
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(archives[0]) as other:
        assert set(one.namelist()) == inside
        for name in inside - {name for name in inside if name.endswith("/RECORD")}:
            assert one.read(name) == other.read(name), name


def test_metadata_says_what_pyproject_says(archives: tuple[Path, Path], inside: set[str]):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (home,) = {name for name in inside if name.endswith(".dist-info/METADATA")}
    with zipfile.ZipFile(archives[0]) as wheel:
        about = email.message_from_bytes(wheel.read(home))
        entries = wheel.read(home.replace("METADATA", "entry_points.txt")).decode()
    assert about["Name"] == "bauta"
    assert about["Version"] == project["version"]
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == project["requires-python"]
    assert set(about.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    needed = about.get_all("Requires-Dist")
    core = [line for line in needed if "extra ==" not in line]
    assert len(core) == len(project["dependencies"])
    # GPL comes only to those who ask for it.
    assert not [line for line in core if line.split(">")[0].strip() in ("av", "pi-heif")]
    assert "bauta = bauta.cli:main" in entries
    assert any(name.endswith("licenses/LICENSE") for name in inside)
