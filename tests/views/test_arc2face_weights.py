"""Import of Arc2Face's files, and what is refused; small files stand in for the real ones."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bauta.errors import UsageError, WeightsError
from bauta.views.arc2face_weights import FILES, TERMS, import_arc2face, verified_folder
from tests.views.tiny_arc2face import pin


def test_missing_files_name_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="bauta views import FOLDER --accept-licences") as error:
        verified_folder()
    assert str(tmp_path / "none" / "arc2face") in str(error.value)


def test_nothing_is_imported_without_consent(tmp_path):
    with pytest.raises(UsageError, match=r"OpenRAIL-M.*non-commercial|non-commercial.*OpenRAIL-M"):
        import_arc2face(tmp_path, into=tmp_path / "weights")
    assert "MIT" in TERMS
    assert not (tmp_path / "weights").exists()


def test_the_pinned_hashes_are_of_the_large_files():
    pinned = {file.path for file in FILES if file.sha256}
    assert pinned == {
        "arcface.onnx",
        "arc2face/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }
    assert all(len(file.sha256) in (0, 64) for file in FILES)
    assert not any(file.path.endswith((".bin", ".pt", ".pth", ".ckpt")) for file in FILES)


@pytest.fixture
def plain(tmp_path, monkeypatch) -> Path:
    """A folder as the user brings it, whose large files are pinned to what they hold."""
    folder = tmp_path / "brought"
    for file in FILES:
        (folder / file.source).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.source).write_bytes(file.source.encode())
    torch.save({"a": torch.ones(2), "embeddings.position_ids": torch.arange(3)},
               folder / "encoder/pytorch_model.bin")  # fmt: skip
    pin(folder, monkeypatch)
    return folder


def test_import_copies_and_records(plain, tmp_path):
    told: list[tuple[int, int]] = []
    done = import_arc2face(
        plain, accept_licences=True, into=tmp_path, progress=lambda *step: told.append(step)
    )
    assert done == tmp_path / "arc2face" == verified_folder(done)
    assert told[-1][0] == told[-1][1] == sum((plain / f.source).stat().st_size for f in FILES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arc2face", "brought"]
    assert list(load_file(done / "encoder/model.safetensors")) == ["a"]
    # Again: what is there is replaced.
    assert import_arc2face(plain, accept_licences=True, into=tmp_path) == done


def test_folders_of_weights_are_looked_into(plain, tmp_path, monkeypatch):
    done = import_arc2face(plain, accept_licences=True, into=tmp_path)
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path))
    assert verified_folder() == done


def test_import_refuses_a_missing_file(plain, tmp_path):
    (plain / "vae/config.json").unlink()
    with pytest.raises(WeightsError, match=r"lacks vae/config.json .*stable-diffusion-v1-5"):
        import_arc2face(plain, accept_licences=True, into=tmp_path / "weights")


def test_import_refuses_what_was_not_published(plain, tmp_path):
    (plain / "arcface.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(WeightsError, match="not the published file: expected sha256"):
        import_arc2face(plain, accept_licences=True, into=tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


class Program:
    """Runs when a careless loader unpickles it."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("content", [Program(), {"a": Program()}, {"a": 1}, [torch.ones(1)]])
def test_import_runs_no_program_and_takes_tensors_only(content, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, plain / "encoder/pytorch_model.bin")
    with pytest.raises(WeightsError, match="holds something other than"):
        import_arc2face(plain, accept_licences=True, into=tmp_path / "weights")
    assert not Path("executed").exists()


def alter(folder: Path) -> str:
    (folder / "encoder/config.json").write_text("{}")
    return "encoder/config.json was altered"


def alter_with_manifest(folder: Path) -> str:
    file = "vae/diffusion_pytorch_model.safetensors"
    (folder / file).write_bytes(b"other")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file] = hashlib.sha256(b"other").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return f"{file} was altered"


def lose(folder: Path) -> str:
    (folder / "tokenizer/merges.txt").unlink()
    return "tokenizer/merges.txt is missing"


def slip_in(folder: Path) -> str:
    (folder / "encoder/pytorch_model.bin").write_bytes(b"pickle")
    return "encoder/pytorch_model.bin is not from the import"


def break_manifest(folder: Path) -> str:
    (folder / "manifest.json").write_text("[")
    return "manifest.json is damaged"


def other_format(folder: Path) -> str:
    (folder / "manifest.json").write_text('{"format": 2, "files": {}}')
    return "is not from the import"


@pytest.mark.parametrize(
    "harm", [alter, alter_with_manifest, lose, slip_in, break_manifest, other_format]
)
def test_tampered_files_are_refused(harm, plain, tmp_path):
    done = import_arc2face(plain, accept_licences=True, into=tmp_path)
    (done / ".DS_Store").write_bytes(b"no weights, and never read")
    assert verified_folder(done) == done
    words = harm(done)
    with pytest.raises(WeightsError, match=words):
        verified_folder(done)
