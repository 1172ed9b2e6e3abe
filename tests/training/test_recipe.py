"""Recipes: those that ship make sense, and mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bauta.errors import UsageError
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.zoo import recognizers
from bauta.training.recipe import parse_recipe, read_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_build_their_networks(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert set(recipe.teachers) <= set(recognizers.names())
    assert recipe.held_out == "lfw-identification"
    network = build_network(
        recipe.family, size=recipe.size, embedding=recipe.embedding, options=recipe.network
    ).eval()
    with torch.no_grad():
        out = network(torch.rand(2, 3, recipe.size, recipe.size) * 255)
    assert out.shape == (2, recipe.embedding)
    assert out.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)


GOOD = {
    "name": "x",
    "family": "vit",
    "teachers": ["dlib"],
    "losses": {"cosine": 1.0},
    "schedule": {"epochs": 3},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "resnext"}, "unknown family"),
        ({"crop": "ears"}, "unknown crop"),
        ({"colour": 1}, "unknown colour"),
        ({"losses": {"cosin": 1.0}}, "unknown cosin"),
        ({"losses": {"cosine": 1.0, "head": "x"}}, "unknown head"),
        ({"schedule": {"epochs": 0}}, "epochs"),
        ({"teachers": []}, "go together"),
        ({"losses": {"identity": 1.0}}, "go together"),
        ({"teachers": [], "losses": {"attributes": 1.0}}, "identity or triplet"),
    ],
)
def test_mistakes_are_named(change: dict[str, object], message: str) -> None:
    assert parse_recipe(GOOD, "here").schedule.epochs == 3
    with pytest.raises(UsageError, match=message):
        parse_recipe({**GOOD, **change}, "here")


def test_files_are_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nfamily = "ghost"\n[losses]\nidentity = 1.0\n', "utf-8")
    assert read_recipe(file).losses.identity == 1.0
    file.write_text("name = ", "utf-8")
    with pytest.raises(UsageError, match="not a recipe"):
        read_recipe(file)
    with pytest.raises(UsageError, match="tight-ir"):
        read_recipe("no-such")
    with pytest.raises(UsageError, match="missing 1 required"):
        parse_recipe({"family": "vit", "losses": {"identity": 1.0}}, "here")
