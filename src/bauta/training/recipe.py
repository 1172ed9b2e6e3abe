"""Recipes: everything that makes a network, in one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bauta import plain
from bauta.errors import UsageError
from bauta.named import names_of, read_named
from bauta.recognizers.crops import CROPS
from bauta.recognizers.networks.families import FAMILIES
from bauta.training.augment import Augment
from bauta.training.losses import MarginHead

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Weights of the loss terms; a term of weight 0 is not computed.

    Attributes:
        cosine: distance to the teachers' embedding.
        relation: difference of the similarities within a batch from the teachers'.
        contrast: finding the own teacher embedding among those of the batch.
        identity: classification of labelled people by ``head``.
        triplet: batch-hard triplets of labelled people.
        attributes: age, sex and race, where they are known.
        head: margin head of the identity term.
        margin: its margin.
        scale: its scale.

    """

    cosine: float = 0.0
    relation: float = 0.0
    contrast: float = 0.0
    identity: float = 0.0
    triplet: float = 0.0
    attributes: float = 0.0
    head: str = "arcface"
    margin: float = 0.4
    scale: float = 32.0

    def __post_init__(self) -> None:
        """Check the head."""
        if self.head not in MarginHead.KINDS:
            raise UsageError(f"unknown head {self.head!r}: use {', '.join(MarginHead.KINDS)}")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: passes over the data.
        batch: faces per step and device.
        rate: highest learning rate of AdamW.
        decay: weight decay.
        warmup: share of the steps in which the rate rises.
        ema: decay of the averaged weights, which are what is kept.
        clip: largest norm of the gradient.
        per_person: at least this many faces of a labelled person come together in a batch, as
            triplets need; 1 for plain shuffling.
        attack: largest change in grey levels by which faces are changed against the network in
            training (see :mod:`bauta.training.attack`); 0 for none.
        attacked: share of the faces that are.
        ghosts: strength of the random gains under which the network learns (see
            :mod:`bauta.engine.ghosts`); 0 for none.

    """

    epochs: int = 30
    batch: int = 128
    rate: float = 2e-3
    decay: float = 0.05
    warmup: float = 0.08
    ema: float = 0.999
    clip: float = 5.0
    per_person: int = 1
    attack: float = 0.0
    attacked: float = 0.5
    ghosts: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.epochs < 1 or self.batch < 2:
            raise UsageError("epochs must be at least 1, and batch at least 2")
        if self.attack < 0 or not 0 <= self.attacked <= 1:
            raise UsageError("attack must not be negative, and attacked lie between 0 and 1")
        if not 0 <= self.ghosts < 1:
            raise UsageError("ghosts must be at least 0 and less than 1")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is made.

    Attributes:
        name: name of the network.
        about: what it is for, in a sentence.
        family: family of networks.
        crop: what it looks at.
        size: side of the crop in pixels.
        embedding: length of the embedding; with teachers, the sum of theirs.
        network: further arguments of the family.
        start: recognizer whose weights the network starts from; empty: random ones. The family must
            be its own.
        teachers: recognizers to distil; empty: labels alone.
        chips: whether unlabelled chips are trained on too, if given.
        held_out: name of a split in the package, or a file, whose people are never trained on.
        losses: the loss.
        augment: the augmentation.
        schedule: the schedule.
        seed: seed of all randomness.

    """

    name: str
    family: str
    crop: str = "arcface"
    size: int = 112
    embedding: int = 128
    about: str = ""
    network: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    teachers: tuple[str, ...] = ()
    chips: bool = True
    held_out: str = "lfw-identification"
    losses: Losses = Losses(identity=1.0)
    augment: Augment = Augment()  # noqa: RUF009  frozen, so it may be shared
    schedule: Schedule = Schedule()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check names, and that there is something to learn from."""
        if self.family not in FAMILIES:
            raise UsageError(f"unknown family {self.family!r}: use {', '.join(FAMILIES)}")
        if self.crop not in CROPS:
            raise UsageError(f"unknown crop {self.crop!r}: use {', '.join(CROPS)}")
        copying = self.losses.cosine + self.losses.relation + self.losses.contrast
        if bool(self.teachers) != (copying > 0):
            raise UsageError("teachers and the losses cosine, relation, contrast go together")
        if not self.teachers and self.losses.identity + self.losses.triplet <= 0:
            raise UsageError("without teachers, a loss of identity or triplet is needed")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_recipe(name: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name: a recipe of the package, or the path of a TOML file.

    Raises:
        UsageError: there is no such recipe, or it does not make sense.

    """
    return parse_recipe(read_named("recipe", name), str(name))


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return names_of("recipe")


def parse_recipe(data: Mapping[str, Any], where: str) -> Recipe:
    """Build a recipe of plain data; unknown keys are errors.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.

    """
    values = dict(data)
    parts = {"losses": Losses, "augment": Augment, "schedule": Schedule}
    for key, kind in parts.items():
        if key in values:
            values[key] = build(kind, values[key], f"{where}, [{key}]")
    return build(Recipe, values, where)


def build(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build a dataclass of plain data; unknown keys are errors.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.

    """
    try:
        return plain.build(kind, values)
    except TypeError as error:
        raise UsageError(f"{where}: {error}") from error
