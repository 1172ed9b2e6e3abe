"""``bauta recognizers train``: from a folder to a network, its card and its curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.training.conftest import album

pytest.importorskip("lightning_fabric")
__all__ = ["album"]
Run = Callable[..., Result]

RECIPE = """
name = "mine"
family = "ir-resnet"
size = 32
embedding = 128
teachers = ["dlib"]
[network]
widths = [8, 16]
units = [1, 1]
[losses]
cosine = 1.0
[schedule]
epochs = 3
batch = 4
"""


def test_train_stop_and_go_on(bauta: Run, album: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE, "utf-8")
    command = ["recognizers", "train", recipe, "--data", album, "-o", tmp_path]
    stopped = bauta(*command, "--minutes", 0)
    assert stopped.exit_code == 0
    assert "goes on from there" in stopped.stdout
    done = bauta(*command)
    assert done.exit_code == 0
    assert "6 faces to train on" in done.stdout
    assert "2 held-out people" in done.stdout
    folder = tmp_path / "mine"
    card = json.loads((folder / "mine.json").read_text("utf-8"))
    assert card["made"]["faces"] == 6
    assert card["record"]["training_data"] == f"6 faces of {album.name}, copying dlib"
    assert card["record"]["commercial_use"] is False
    assert (folder / "mine.safetensors").stat().st_size == card["record"]["size_bytes"]
    with Image.open(folder / "curves.png") as curves:
        assert curves.width > 800
    wrong = bauta(*command, "--seed", 9)
    assert wrong.exit_code == 2
    assert "choose another folder" in wrong.stderr


def test_unknown_recipes_are_a_usage_error(bauta: Run, tmp_path: Path) -> None:
    result = bauta("recognizers", "train", "nope", "--data", tmp_path)
    assert result.exit_code == 2
    assert "tight-ir" in result.stderr


WATERMARK = """
name = "mine"
surrogates = ["tight-ms1m"]
held_out = []
perturbations = 2
batch = 2
[[stages]]
name = "all"
steps = 2
attack = 1.0
hidden = 0.5
distortions = ["identity", "jpeg"]
"""


def test_a_watermark_is_trained(bauta: Run, album: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(WATERMARK, "utf-8")
    command = ["watermark", "train", recipe, "--data", album, "-o", tmp_path]
    stopped = bauta(*command, "--minutes", 0)
    assert stopped.exit_code == 0, stopped.output
    assert "goes on from there" in stopped.stdout
    done = bauta(*command)
    assert done.exit_code == 0, done.output
    assert "6 faces to train on" in done.stdout
    card = json.loads((tmp_path / "mine" / "mine.json").read_text("utf-8"))
    assert card["made"]["faces"] == 6
    assert "6 faces of" in card["record"]["training_data"]
    weights = tmp_path / "mine" / "mine.safetensors"
    assert weights.stat().st_size == card["record"]["size_bytes"]
    wrong = bauta(*command, "--seed", 9)
    assert wrong.exit_code == 2
    assert "choose another folder" in wrong.stderr
