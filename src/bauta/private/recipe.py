"""Recipes of private training: everything that makes a masked network, in one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bauta.errors import UsageError
from bauta.masking.masks import every_kind
from bauta.masking.regions import check_strength
from bauta.named import names_of, read_named
from bauta.private.defences import defence
from bauta.recognizers.crops import CROPS
from bauta.recognizers.networks.families import FAMILIES
from bauta.recognizers.own import check_name
from bauta.training.augment import Augment
from bauta.training.recipe import build


@dataclass(frozen=True, kw_only=True)
class PrivateRecipe:
    """How a network is trained on faces that nobody is shown.

    Attributes:
        name: name of the network.
        defence: name of the defence.
        family: family of networks.
        crop: what it looks at.
        size: side of the crop in pixels.
        embedding: length of the embedding.
        network: further arguments of the family.
        about: what it is for, in a sentence.
        held_out: names of splits whose people are never trained on.
        least: people with fewer photos are left out.
        views: synthetic views of every face, which are learned from and mixed in like photos.
        mixtures: in how many mixtures a face is published, which are then learned from again and
            again; 0 for new ones in every epoch. Who sees several can average over them.
        channels: channels that the mask keeps.
        stride: it makes the blocks of every so manieth pixel.
        keys: how many masks there are; every photo has one or another.
        region_strength: how much less of its own a face keeps in a mixture at its eyes, nose and
            mouth: 0 as much as elsewhere, 1 nothing.
        privacy: 0 (as accurate as mixtures of 2) to 1 (as private as mixtures of 6).
        entropy: bonus for a strategy that keeps trying.
        strategy_rate: learning rate of the strategy.
        epochs: passes over the data.
        batch: faces per step and device.
        rate: highest learning rate of AdamW.
        decay: weight decay.
        warmup: share of the steps in which the rate rises.
        head: margin head of the loss.
        margin: its margin.
        scale: its scale.
        augment: the augmentation.
        seed: seed of all randomness.

    """

    name: str
    defence: str = "ahm"
    family: str = "mobilefacenet"
    crop: str = "arcface"
    size: int = 112
    embedding: int = 128
    network: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    held_out: tuple[str, ...] = ("lfw-identification", "lfw-universal")
    least: int = 1
    views: int = 0
    mixtures: int = 0
    channels: tuple[int, ...] = every_kind()
    stride: int = 2
    keys: int = 1
    region_strength: Mapping[str, float] = field(default_factory=dict)
    privacy: float = 0.5
    entropy: float = 0.05
    strategy_rate: float = 1e-3
    epochs: int = 30
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    warmup: float = 0.08
    head: str = "cosface"
    margin: float = 0.2
    scale: float = 32.0
    augment: Augment = Augment()  # noqa: RUF009  frozen, so it may be shared
    seed: int = 0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_name(self.name)
        defence(self.defence)
        if self.family not in FAMILIES:
            raise UsageError(f"unknown family {self.family!r}: use {', '.join(FAMILIES)}")
        if self.crop not in CROPS:
            raise UsageError(f"unknown crop {self.crop!r}: use {', '.join(CROPS)}")
        if self.mixtures < 0:
            raise UsageError(f"there are no {self.mixtures} mixtures of a face: use 0 or more")
        if self.views < 0:
            raise UsageError(f"there are no {self.views} views of a face: use 0 or more")
        if self.keys < 1:
            raise UsageError(f"there is at least one mask, got keys = {self.keys}")
        check_strength(self.region_strength)
        if not 0 <= self.privacy <= 1:
            raise UsageError(f"privacy must lie between 0 and 1, got {self.privacy}")
        if self.epochs < 1 or self.batch < 2:
            raise UsageError("epochs must be at least 1, and batch at least 2")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_private_recipe(name: str | Path) -> PrivateRecipe:
    """Read a recipe of the package, or a .toml file.

    Raises:
        UsageError: there is no such recipe, or it does not make sense.

    """
    return parse_private_recipe(read_named("privacy-recipe", name), str(name))


def private_recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return names_of("privacy-recipe")


def parse_private_recipe(data: Mapping[str, Any], where: str) -> PrivateRecipe:
    """Build a recipe of plain data; unknown keys are errors.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.

    """
    values = dict(data)
    if "augment" in values:
        values["augment"] = build(Augment, values["augment"], f"{where}, [augment]")
    return build(PrivateRecipe, values, where)
