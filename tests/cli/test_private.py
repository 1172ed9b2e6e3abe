"""``bauta private``: from a folder of people to a network, its attacks, and a report."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from safetensors.numpy import load_file
from typer.testing import Result

from bauta.keys import sealing
from bauta.private import attacking
from bauta.private.attacks.inversion import Inversion
from bauta.private.attacks.linkage import Linkage

pytest.importorskip("lightning_fabric")
pytest.importorskip("onnx")
pytest.importorskip("matplotlib")
Run = Callable[..., Result]

RECIPE = """
name = "mine"
size = 112
embedding = 16
epochs = 2
batch = 8
held_out = []
[network]
stem = 8
last = 16
bottlenecks = [[2, 8, 1, 2], [2, 16, 1, 2], [2, 16, 1, 2]]
"""


@pytest.fixture(scope="module")
def crowd(
    collins: np.ndarray[Any, Any], hopper: np.ndarray[Any, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """Fourteen people of two photos: two portraits, mirrored and tinted."""
    root = tmp_path_factory.mktemp("crowd")
    for number in range(14):
        pixels = (collins, hopper)[number % 2]
        image = Image.fromarray(pixels).resize((200, 200 * pixels.shape[0] // pixels.shape[1]))
        image = ImageOps.mirror(image) if number % 4 > 1 else image
        folder = root / f"person_{number:02}"
        folder.mkdir()
        for shot in range(2):
            gains = np.array([0.7 + 0.04 * number, 1.0, 1.2 - 0.04 * number]) * (1 - 0.1 * shot)
            tinted = np.clip(np.asarray(image) * gains, 0, 255).astype(np.uint8)
            Image.fromarray(tinted).save(folder / f"{shot}.jpg")
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def test_train_evaluate_invert_report_mask(
    bauta: Run, crowd: Path, runs: Path, portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = {"stem": 8, "last": 16, "bottlenecks": [[2, 8, 1, 2], [2, 16, 1, 2], [2, 16, 1, 2]]}
    monkeypatch.setattr(attacking, "Linkage", partial(Linkage, batch=8, network=little))
    monkeypatch.setattr(attacking, "Inversion", partial(Inversion, batch=8))
    recipe = runs / "mine.toml"
    recipe.write_text(RECIPE, "utf-8")
    command = ["private", "train", recipe, "--data", crowd, "-o", runs]
    stopped = bauta(*command, "--minutes", 0)
    assert stopped.exit_code == 0, stopped.output
    assert "goes on from there" in stopped.stdout
    key = runs / "mine" / "masking.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_bytes()
    done = bauta(*command)
    assert done.exit_code == 0, done.output
    assert "24 faces of 12 people" in done.stdout
    assert key.read_bytes() == secret
    model = runs / "mine"
    assert (model / "mine-service.onnx").is_file()

    scores = json.loads(bauta("private", "evaluate", model, "--data", crowd, "--json").stdout)
    assert 0 <= scores["accuracy"] <= 1
    assert "mine" in bauta("private", "evaluate", model, "--data", crowd, "--decoys", 1).stdout

    early = bauta("private", "report", model, "-o", runs / "page")
    assert early.exit_code == 2
    assert "private invert first" in early.stderr
    attack = ["private", "invert", model, "--data", crowd, "--steps", 2, "--width", 4]
    rows = json.loads(bauta(*attack, "--json").stdout)
    assert {(row["attack"], row["box"]) for row in rows} == {
        ("glimpse", "none"), ("unet", "white"), ("unet", "black"), ("linkage", "white"),
        ("linkage", "black"), ("optimised", "white"),
    }  # fmt: skip
    with Image.open(model / "attacks" / "unet-white.png") as sheet:
        assert sheet.size == (1120, 224)
    asked = bauta(
        *attack, "--attack", "unet", "--box", "white", "--count", 1, "--several", 2, "--json"
    )
    assert [(row["count"], row["several"]) for row in json.loads(asked.stdout)] == [(1, 2)]
    assert (model / "attacks" / "unet-white-1-of-2.png").is_file()

    page = bauta("private", "report", model, "-o", runs / "page")
    assert page.exit_code == 0, page.output
    assert "**mine**" in (runs / "page" / "report.md").read_text("utf-8")
    with Image.open(runs / "page" / "report.png") as plot:
        assert plot.width > 1000

    masked = runs / "me.masked"
    done = bauta("private", "mask", portrait, "--model", model, "-o", masked)
    assert done.exit_code == 0, done.output
    assert load_file(masked)["faces"].shape == (1, 24, 56, 56)
    again = bauta("private", "mask", portrait, "--model", model, "-o", masked)
    assert again.exit_code == 1


def test_channels_are_chosen_and_trained_on(bauta: Run, crowd: Path, tmp_path: Path) -> None:
    recipe, chosen = tmp_path / "mine.toml", tmp_path / "channels.json"
    recipe.write_text("views = 1\n" + RECIPE, "utf-8")
    select = ["private", "select", recipe, "--data", crowd, "--steps", 3, "--per-colour", 2]
    done = bauta(*select, "-o", chosen)
    assert done.exit_code == 0, done.output
    assert "of the energy is dropped" in done.stdout
    channels = json.loads(chosen.read_text("utf-8"))["channels"]
    assert [c // 64 for c in channels] == [0, 0, 1, 1, 2, 2]
    assert bauta(*select, "-o", chosen).exit_code == 1
    assert bauta(*select, "-o", tmp_path / "x", "--per-colour", 9).exit_code == 2
    train = ["private", "train", recipe, "--data", crowd, "-o", tmp_path, "--epochs", 1]
    done = bauta(*train, "--channels", chosen)
    assert done.exit_code == 0, done.output
    # Twelve people of two photos, and a view of each.
    assert "48 faces of 12 people" in done.stdout
    card = json.loads((tmp_path / "mine" / "mine.json").read_text("utf-8"))
    assert card["recipe"]["channels"] == channels
    assert card["recipe"]["views"] == 1
    refused = bauta(*train, "--channels", recipe)
    assert refused.exit_code == 2
    assert "private select" in refused.stderr


def test_a_key_of_ones_own(
    bauta: Run, crowd: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_COST", 1 << 4)
    monkeypatch.setenv("BAUTA_PASSPHRASE", "correct horse")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(RECIPE, "utf-8")
    command = ["private", "train", recipe, "--data", crowd, "--minutes", 0]
    sealed = bauta(*command, "-o", tmp_path, "--passphrase")
    assert sealed.exit_code == 0, sealed.output
    key = tmp_path / "mine" / "masking.key"
    given = bauta(*command, "-o", tmp_path / "other", "--key", key)
    assert given.exit_code == 0, given.output
    assert not (tmp_path / "other" / "mine" / "masking.key").exists()
    monkeypatch.setenv("BAUTA_PASSPHRASE", "wrong")
    refused = bauta(*command, "-o", tmp_path / "third", "--key", key)
    assert refused.exit_code == 1
    assert "passphrase" in refused.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evaluate", "nowhere"], "private train first"),
        (["invert", "nowhere"], "private train first"),
        (["train", "--defence", "hope"], "ppfr-fd"),
        (["train", "--privacy", "3"], "between 0 and 1"),
        (["train", "nope"], "ahm"),
    ],
)
def test_bad_usage(
    bauta: Run, crowd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str],
    says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = bauta("private", *words, "--data", crowd)
    assert result.exit_code == 2
    assert says in result.stderr


def test_unknown_attacks(bauta: Run, crowd: Path, runs: Path) -> None:
    model = runs / "mine"
    for words, says in (
        (["--attack", "luck"], "optimised"),
        (["--box", "grey"], "white"),
        (["--attack", "optimised", "--box", "black"], "white box"),
        (["--judge", "loose-dlib"], "--judge"),
    ):
        result = bauta("private", "invert", model, "--data", crowd, *words)
        assert result.exit_code == 2, result.output
        assert says in result.stderr
