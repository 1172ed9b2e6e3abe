"""Named styles: makeup that is rendered, from nobody's photo.

A style is a TOML file with a title and ``[[layers]]``. Each layer is an area, an opacity, and
either a ``colour`` that the area takes on, or a ``shift`` by which its own colour changes. Both are
in CIELAB, whose L is lightness (0-100), a red (+) to green, b yellow (+) to blue, so that lipstick
keeps the lips' own light and shade. A shift is what light skin shows; like any pigment it filters
what light there is, so darker skin changes in proportion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Generator, Tensor

from bauta.engine.transforms import blur
from bauta.errors import UsageError
from bauta.makeup.areas import AREAS, mean_over
from bauta.named import names_of, read_named
from bauta.plain import build

#: How far a colour may lighten or darken an area on the whole, in L.
_FARTHEST = 14.0
#: CIELAB of the skin that shifts are said for.
_SKIN = (65.0, 14.0, 17.0)
#: Chroma of an area from which on pigment adds less colour, and from which on none: warm light on
#: warm skin would turn orange.
_COLOURFUL = (24.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One kind of makeup.

    Attributes:
        area: one of :data:`bauta.makeup.areas.AREAS`.
        opacity: 0 to 1.
        colour: (L, a, b) that the area takes on, or None.
        shift: (L, a, b) that light skin changes by.
        grain: deviation of noise in L, as of stubble.

    """

    area: str
    opacity: float = 1.0
    colour: tuple[float, float, float] | None = None
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    grain: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.area not in AREAS:
            raise UsageError(f"no area {self.area!r} to put makeup on: use {', '.join(AREAS)}")
        if not 0 <= self.opacity <= 1:
            raise UsageError(f"opacity must be between 0 and 1, got {self.opacity}")


@dataclass(frozen=True, kw_only=True)
class Style:
    """A look.

    Attributes:
        title: what people call it.
        layers: from the first put on to the last.

    """

    title: str
    layers: Sequence[Layer]


def style_names() -> list[str]:
    """Names of the styles that come with Bauta."""
    return names_of("style")


def read_style(name: str | Path) -> Style:
    """Read a style by its name, or from a .toml file.

    Raises:
        UsageError: there is no such style, or it says what no style can say.

    """
    given = read_named("style", name)
    try:
        layers = [build(Layer, dict(row)) for row in given["layers"]]
        return Style(title=str(given.get("title", name)), layers=layers)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{name} is not a style: {error}") from error


def painted(
    frame: Tensor,
    areas: Mapping[str, Tensor],
    style: Style,
    *,
    strength: float = 1.0,
    generator: Generator,
) -> Tensor:
    """A face that wears a style.

    Args:
        frame: (3, S, S) RGB 0-255, the face in its frame.
        areas: of :func:`bauta.makeup.areas.makeup_areas`.
        style: the look.
        strength: how much of it, 0 (none) to 2 (twice as much).
        generator: of the grain.

    Returns:
        (3, S, S) RGB 0-255.

    """
    lab = rgb_to_lab(frame[None] / 255)[0]
    for layer in style.layers:
        share = (areas[layer.area] * layer.opacity * strength).clamp(0, 1)
        lab = lab + share * _change(lab, areas[layer.area], layer, generator)
    return (lab_to_rgb(lab[None])[0] * 255).clamp(0, 255)


def _change(lab: Tensor, area: Tensor, layer: Layer, generator: Generator) -> Tensor:
    """(3, S, S) what a layer at full opacity adds."""
    change = _filtered(lab, area, layer.shift) - lab
    if layer.colour is not None:
        wanted = lab.new_tensor(layer.colour).view(3, 1, 1)
        own = mean_over(lab[:1], area)
        light = (wanted[:1] - own).clamp(-_FARTHEST, _FARTHEST).expand_as(lab[:1])
        change = change + torch.cat([light, wanted[1:] - lab[1:]])
    if layer.grain:
        noise = torch.randn(1, 1, *lab.shape[1:], generator=generator).to(lab)
        # Hairs are about a pixel of the frame thick; a little softer, they outlive JPEG.
        soft = blur(noise, 3)[0]
        grain = soft / soft.std() * layer.grain
        change = change + torch.cat([grain, torch.zeros_like(lab[1:])])
    return change


def _filtered(lab: Tensor, area: Tensor, shift: tuple[float, float, float]) -> Tensor:
    """(3, S, S) CIELAB behind a pigment that shifts light skin."""
    skin = lab.new_tensor(_SKIN)
    before, after = (
        lab_to_rgb(colour.view(1, 3, 1, 1)) for colour in (skin, skin + skin.new_tensor(shift))
    )
    out = rgb_to_lab((lab_to_rgb(lab[None]) * after / before).clamp(0, 1))[0]
    had, has = (mean_over(image[1:].norm(dim=0, keepdim=True), area) for image in (lab, out))
    some, full = _COLOURFUL
    most = had + (has - had) * ((full - had) / (full - some)).clamp(0, 1)
    return torch.cat([out[:1], out[1:] * (most / has.clamp_min(1)).clamp(max=1)])
