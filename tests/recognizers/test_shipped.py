"""The networks that come with Bauta: whole, as their recipe says, and able to tell people apart."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bauta.faces.face import Face
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.thresholds import thresholds_of
from bauta.recognizers.trained import read_card
from bauta.recognizers.zoo import get_surrogate, recognizers
from bauta.training.recipe import parse_recipe, read_recipe
from bauta.weights.records import locate, record, records, shipped_names

Pixels = NDArray[np.uint8]
SHIPPED = shipped_names()


def card(name: str) -> dict[str, object]:
    return read_card(locate(name).with_suffix(".json"))


def test_there_are_some_and_they_are_small() -> None:
    assert SHIPPED
    assert sum(locate(name).stat().st_size for name in SHIPPED) < 30e6


@pytest.mark.parametrize("name", SHIPPED)
def test_the_recipe_in_the_card_is_the_one_in_the_package(name: str) -> None:
    assert parse_recipe(card(name)["recipe"], name) == read_recipe(name)
    assert read_recipe(name).held_out == "lfw-identification"


@pytest.mark.parametrize("name", SHIPPED)
def test_its_training_can_be_followed(name: str) -> None:
    made = card(name)["made"]
    assert {"command", "faces", "people", "held_out_pairs", "check", "torch"} <= set(made)
    assert made["check"]["accuracy"] >= 0.95
    row = record(name)
    assert row.licence
    assert row.training_data
    folder = Path(__file__).parents[2] / "docs/results/training"
    log = (folder / f"{name}.csv").read_text().splitlines()
    assert len(log) == 1 + read_recipe(name).schedule.epochs
    assert (folder / f"{name}.png").is_file()


@pytest.mark.parametrize("name", SHIPPED)
def test_it_decides_and_has_gradients(
    name: str, collins: Pixels, collins_face: Face, hopper: Pixels, hopper_face: Face
) -> None:
    assert name in recognizers.names()
    judge = get_surrogate(name)
    assert {"far-1%", "far-0.1%"} <= set(thresholds_of(name))
    mirrored = np.ascontiguousarray(collins[:, ::-1])
    flipped = collins_face.landmarks.copy()
    flipped[:, 0] = collins.shape[1] - 1 - flipped[:, 0]
    left, top, right, bottom = collins_face.box
    box = (collins.shape[1] - 1 - right, top, collins.shape[1] - 1 - left, bottom)
    # Image-left and image-right change places: outer and inner corners of both eyes, then the nose.
    other = Face(box, 1.0, flipped[[2, 3, 0, 1, 4]], collins_face.scheme)
    rows = judge.embed([collins, mirrored, hopper], [collins_face, other, hopper_face])
    same, different = similarity_matrix(rows[:1], rows[1:])[0]
    assert different < judge.threshold < same
    crops = (255 * torch.rand(1, 3, judge.crop.size, judge.crop.size)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(judge.embed_crops(crops).sum(), crops)
    assert float(gradient.abs().max()) > 0


def test_nothing_lies_there_that_is_not_recorded() -> None:
    folder = resources.files("bauta").joinpath("data/weights")
    stems = {Path(entry.name).stem for entry in folder.iterdir()}
    assert stems == {row.name for row in records().values() if row.source == "shipped"}
    assert {f"{stem}.json" for stem in SHIPPED} <= {entry.name for entry in folder.iterdir()}
