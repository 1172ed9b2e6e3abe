"""From folders to training data: nobody who is held out is ever trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import UsageError
from bauta.training import prepare as module
from bauta.training.prepare import prepare
from bauta.training.recipe import Losses, Recipe

RECIPE = Recipe(name="x", family="vit", teachers=("dlib",), losses=Losses(cosine=1.0), seed=1)


@pytest.fixture(scope="module")
def chips(collins: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chip of Collins."""
    folder = tmp_path_factory.mktemp("chips")
    Image.fromarray(collins).resize((256, 256)).save(folder / "30_1_0_a.png")
    return folder


def test_the_splits_people_are_held_out(
    album: Path, chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"people": ["Hopper", "Hopper_mirrored", "Nobody"]}), "utf-8")
    recipe = replace(RECIPE, held_out=str(split))
    data = prepare(recipe, album, chips, tmp_path)
    assert data.faces.identities == ["Collins", "Collins_mirrored"]
    assert data.checks.identities == ["Hopper", "Hopper_mirrored"]
    assert len(data.faces) == 7
    assert data.targets is not None
    assert data.targets.shape == (7, 128)
    assert {pair.a.split("/")[0] for pair in data.pairs} <= {"Hopper", "Hopper_mirrored"}
    # The chip shows Collins: with her held out, it goes.
    split.write_text(json.dumps({"people": ["Collins", "Collins_mirrored"]}), "utf-8")
    data = prepare(recipe, album, chips, tmp_path)
    assert len(data.faces) == 6
    assert data.faces.identities == ["Hopper", "Hopper_mirrored"]
    no_chips = prepare(replace(recipe, chips=False), album, chips, tmp_path)
    assert len(no_chips.faces) == 6
    monkeypatch.setattr(module, "_LOOKALIKE", 0.0)
    assert len(prepare(recipe, album, chips, tmp_path).faces) == 7


def test_unknown_folders_give_up_some_of_their_people(album: Path, tmp_path: Path) -> None:
    data = prepare(RECIPE, album, None, tmp_path)
    assert len(data.checks.identities) == 2
    assert not set(data.checks.identities) & set(data.faces.identities)
    again = prepare(RECIPE, album, None, tmp_path)
    assert again.checks.identities == data.checks.identities


def test_too_few_people_are_refused(album: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("Collins", "Hopper"):
        (few / name).symlink_to(album / name)
    with pytest.raises(UsageError, match="three people"):
        prepare(RECIPE, few, None, tmp_path)
