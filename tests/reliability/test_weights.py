"""Damaged weights are never used: the message names the file and the command that mends it.

A package one of whose files is damaged is run as a user runs it. What comes over the network is
damaged in tests/weights/test_fetch.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bauta
from bauta.errors import WeightsError
from bauta.recognizers.zoo import default_judges, default_surrogates
from bauta.weights import records as weights
from bauta.weights import states
from bauta.weights.records import FOLDERS_VARIABLE, folders, locate, records
from bauta.weights.states import packaged_tensors

PACKAGE = Path(bauta.__file__).parent
REINSTALL = "pip install --force-reinstall --no-deps bauta"
WEB_PAGE = b"<!DOCTYPE html><html><title>504 Gateway Time-out</title></html>"


def flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGES = {
    "a bit flipped": flipped,
    "cut off": lambda data: data[: len(data) // 2],
    "a web page": lambda data: WEB_PAGE,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["tight-judge", "dpg", "mediapipe-mesh", "dlib-landmarks-5"])
def test_built_in_weights(
    name: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = records()[name]
    whole = next(folder / row.filename for folder in folders(row)).read_bytes()
    (tmp_path / row.filename).write_bytes(DAMAGES[damage](whole))
    monkeypatch.setattr(weights, "folders", lambda _: [tmp_path])
    with pytest.raises(
        WeightsError, match=r"Do not use it: delete it\. Run: pip install"
    ) as caught:
        locate(name)
    assert str(tmp_path / row.filename) in str(caught.value)


@pytest.mark.parametrize("name", ["tight-dlib", "tight-judge"])
def test_no_team_goes_on_without_a_member(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer surrogates would protect less, and fewer judges prove less, unnoticed."""
    row = records()[name]
    (tmp_path / row.filename).write_bytes(WEB_PAGE)
    monkeypatch.setattr(weights, "folders", lambda r: [tmp_path] if r is row else folders(r))
    for team in (lambda: default_surrogates("balanced"), default_judges):
        with pytest.raises(WeightsError, match=f"not the file of {name}"):
            team()


@pytest.mark.parametrize("damage", DAMAGES)
def test_fetched_weights(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = records()["mobilefacenet-ms1m"]
    (tmp_path / row.filename).write_bytes(DAMAGES[damage](b"weights" * 100))
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(WeightsError, match=f"Run: bauta recognizers fetch {row.name}") as caught:
        locate(row.name)
    assert str(tmp_path / row.filename) in str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["targets", "gallery"])
def test_tables_inside_the_package(
    name: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert packaged_tensors(name)
    file = tmp_path / "data" / f"{name}.safetensors"
    file.parent.mkdir()
    file.write_bytes(DAMAGES[damage]((PACKAGE / "data" / file.name).read_bytes()))
    monkeypatch.setattr(states.resources, "files", lambda _: tmp_path)
    with pytest.raises(WeightsError, match=REINSTALL) as caught:
        packaged_tensors(name)
    assert str(file) in str(caught.value)
    file.unlink()
    with pytest.raises(WeightsError, match=REINSTALL):
        packaged_tensors(name)


def package_with(folder: Path, name: str, damage: str) -> Path:
    """The package, one of whose files is damaged."""
    (folder / "bauta").mkdir(parents=True)
    for path in sorted(PACKAGE.rglob("*")):
        copy = folder / "bauta" / path.relative_to(PACKAGE)
        if path.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".py":
            # Modules find their data from where they really lie.
            shutil.copyfile(path, copy)
        elif path.suffix != ".pyc":
            copy.symlink_to(path)
    spoilt = folder / "bauta" / name
    whole = spoilt.read_bytes()
    spoilt.unlink()
    spoilt.write_bytes(DAMAGES[damage](whole))
    return spoilt


def run(root: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    script = "import sys; from bauta.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], cwd=folder, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("data/weights/tight-judge.safetensors", "a bit flipped", ["--preset", "fast"]),
        ("data/weights/dpg.json", "a web page", []),
        ("data/thresholds.json", "cut off", []),
    ],
)
def test_the_command_line_says_what_to_do(
    name: str, damage: str, words: list[str], collins_path: Path, tmp_path: Path
) -> None:
    """Before any work is done, and nothing is written."""
    spoilt = package_with(tmp_path / "site", name, damage)
    script = "from bauta.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "protect", collins_path, "-o", "out.jpg", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    said = done.stderr.replace("\n", "")
    assert "error:" in said
    assert spoilt.name in said
    assert REINSTALL in said
    assert not (tmp_path / "out.jpg").exists()
