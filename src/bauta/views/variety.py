"""Variety: recipes for a set of views that differ from each other, and not at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bauta.views.camera import Camera
from bauta.views.expression import EXPRESSIONS, Expression
from bauta.views.lighting import Light
from bauta.views.pose import Pose

#: Largest yaw, pitch and roll of a view, in degrees.
YAW, PITCH, ROLL = 30.0, 14.0, 7.0
#: A head that is turned far does not nod far as well, nor the other way round.
_BOTH = 0.6
#: Share of the distance between two neighbours by which each angle is off its place.
_JITTER = 0.5

#: Lights and cameras by the words that describe them.
_LIGHTS = {
    "lit from the left": Light(-60, 15, 0.7),
    "lit from the right": Light(60, 15, 0.7),
    "lit from above": Light(0, 60, 0.6),
    "even light": Light(0, 0, 0.0),
    "lit from the upper left": Light(-40, 40, 0.75),
    "lit from the upper right": Light(40, 40, 0.75),
    "lit from below": Light(10, -35, 0.35),
    "flash": Light(0, 0, 0.7),
}
_CAMERAS = {
    "sharp": Camera(contrast=1.08),
    "warm": Camera(warmth=0.9, gamma=0.92, quality=85),
    "cool, dark": Camera(warmth=-0.8, gamma=1.22, noise=3.0),
    "out of focus": Camera(blur=0.006, contrast=0.95),
    "low resolution": Camera(resolution=110, quality=80),
    "pale": Camera(gamma=0.8, contrast=0.85, saturation=0.75),
    "strong contrast": Camera(contrast=1.25, quality=70),
    "noisy": Camera(noise=5.0, warmth=0.4, gamma=1.1, quality=75),
}


@dataclass(frozen=True)
class Recipe:
    """What one view is to be.

    Attributes:
        pose: of the head in the view.
        expression: what is added to the photo's own.
        light: the main light.
        camera: how the picture is taken.
        about: all that in words.

    """

    pose: Pose
    expression: Expression
    light: Light
    camera: Camera
    about: str


def recipes(count: int, rng: np.random.Generator) -> list[Recipe]:
    """Recipes of a set.

    Yaw, pitch and roll are spread evenly over their ranges, in orders of their own, so that a
    set covers all of each; expressions, lights and cameras take turns.

    Args:
        count: how many.
        rng: draws the orders and what each angle is off its place.

    """
    yaw = _spread(count, YAW, rng)
    pitch = rng.permutation(_spread(count, PITCH, rng))
    roll = rng.permutation(_spread(count, ROLL, rng))
    pitch *= 1 - _BOTH * np.square(yaw / YAW)
    names = [_turns(list(table), count, rng) for table in (EXPRESSIONS, _LIGHTS, _CAMERAS)]
    out = []
    for y, p, r, face, light, camera in zip(yaw, pitch, roll, *names, strict=True):
        pose = Pose(round(float(y), 1), round(float(p), 1), round(float(r), 1))
        about = f"yaw {y:+.0f}, pitch {p:+.0f}, {face}, {light}, {camera}"
        out.append(Recipe(pose, EXPRESSIONS[face], _LIGHTS[light], _CAMERAS[camera], about))
    return out


def _spread(count: int, most: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Angles from -``most`` to ``most``, one in each of ``count`` equal parts of that."""
    places = (np.arange(count) + 0.5 + _JITTER * rng.uniform(-0.5, 0.5, count)) / count
    angles: NDArray[np.float64] = most * (2 * places - 1)
    return angles


def _turns(names: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Draw names without repeating one before all have had their turn."""
    rounds = [rng.permutation(len(names)) for _ in range(-(-count // len(names)))]
    return [names[i] for i in np.concatenate(rounds)[:count]]
