"""Recipes of watermarks: everything that makes an encoder and a decoder, in one TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bauta.errors import UsageError
from bauta.named import names_of, read_named
from bauta.training.recipe import build
from bauta.watermark.distortions import DISTORTIONS


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the curriculum: what counts, for how long, and what may happen to photos.

    Attributes:
        name: what it is called in the log.
        steps: how many.
        distortions: names of what happens to marked faces before they are read.
        message: weight of reading the message.
        image: weight of how much is seen of the mark.
        attack: weight of how well recognizers still recognise the face.
        blank: weight of reading nothing in faces without a mark.
        hidden: share of the faces that somebody has hidden before they are marked.
        faintest: least share of the root mean square that a mark may have; it is drawn anew for
            every half of a step.

    """

    name: str
    steps: int
    distortions: tuple[str, ...]
    message: float = 1.0
    image: float = 0.0
    attack: float = 0.0
    blank: float = 0.0
    hidden: float = 0.0
    faintest: float = 1.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        unknown = sorted(set(self.distortions) - set(DISTORTIONS))
        if unknown or not self.distortions:
            what = f"unknown distortion {unknown[0]!r}" if unknown else "no distortions"
            raise UsageError(f"stage {self.name}: {what}; there are {', '.join(DISTORTIONS)}")
        if self.steps < 1:
            raise UsageError(f"stage {self.name}: steps must be at least 1, got {self.steps}")
        if min(self.message, self.image, self.attack, self.blank) < 0:
            raise UsageError(f"stage {self.name}: weights must not be negative")
        if not 0 <= self.hidden <= 1 or not 0 < self.faintest <= 1:
            raise UsageError(f"stage {self.name}: hidden and faintest are shares, 0 to 1")


@dataclass(frozen=True, kw_only=True)
class WatermarkRecipe:
    """How a watermark's networks are made.

    Attributes:
        name: name of the weights.
        stages: the curriculum.
        about: what it is for, in a sentence.
        surrogates: recognizers that marked faces are to be hidden from.
        held_out: names of splits whose people are never trained on.
        epsilon: size of the change, in grey levels, weighed by what the eye notices.
        perturbations: how many perturbations hide faces before they are marked.
        margin: similarity below the threshold that is enough.
        batch: faces per step; half of them for each side of the meta-optimisation.
        rate: highest learning rate of AdamW.
        swift: how much faster what is added to every face alike is learned.
        meta: whether the second half's gradient is taken after a step on the first half's.
        virtual: length of that step, in parameter space.
        clip: largest norm of the gradient.
        seed: seed of all randomness.

    """

    name: str
    stages: tuple[Stage, ...]
    about: str = ""
    surrogates: tuple[str, ...] = ("loose-dlib", "tight-ms1m", "loose-ms1m")
    held_out: tuple[str, ...] = ("lfw-identification", "lfw-universal")
    epsilon: float = 8.0
    perturbations: int = 128
    margin: float = 0.15
    batch: int = 24
    rate: float = 1e-3
    swift: float = 2.0
    meta: bool = True
    virtual: float = 0.1
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.stages:
            raise UsageError(f"recipe {self.name}: stages are missing")
        if self.batch < 2 or self.batch % 2:
            raise UsageError(f"batch must be even and at least 2, got {self.batch}")
        if any(stage.attack for stage in self.stages) and not self.surrogates:
            raise UsageError(f"recipe {self.name}: an attack needs surrogates")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """Return the stage that a step, counted from 0, belongs to."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_watermark_recipe(name: str | Path) -> WatermarkRecipe:
    """Read a recipe of the package, or a .toml file.

    Raises:
        UsageError: there is no such recipe, or it does not make sense.

    """
    return parse_watermark_recipe(read_named("watermark", name), str(name))


def watermark_recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return names_of("watermark")


def parse_watermark_recipe(data: Mapping[str, Any], where: str) -> WatermarkRecipe:
    """Build a recipe of plain data; unknown keys are errors.

    Raises:
        UsageError: a key is unknown, missing or of the wrong type.

    """
    values = dict(data)
    stages = values.get("stages", [])
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise UsageError(f"{where}: stages must be tables, [[stages]]")
    values["stages"] = tuple(build(Stage, stage, where) for stage in stages)
    return build(WatermarkRecipe, values, where)
