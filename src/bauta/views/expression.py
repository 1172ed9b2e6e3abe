"""Expressions as smooth movements of a face within its own plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Expression:
    """What the muscles do, each from 0 (nothing) to about 1 (plain to see); some may be negative.

    Attributes:
        smile: corners of the mouth out and up, cheeks up; negative: corners down.
        jaw: lower lip and chin go down, so that the mouth opens a little.
        brows: brows go up; negative: down and together.
        squint: lids come together; negative: eyes go wide.
        pucker: the mouth gets narrow.

    """

    smile: float = 0.0
    jaw: float = 0.0
    brows: float = 0.0
    squint: float = 0.0
    pucker: float = 0.0


#: The photo's own expression.
NEUTRAL = Expression()
#: Expressions by the words that describe them.
EXPRESSIONS: Mapping[str, Expression] = MappingProxyType(
    {
        "as in the photo": NEUTRAL,
        "smile": Expression(smile=1.0, squint=0.35),
        "mouth a little open": Expression(jaw=0.8, brows=0.2),
        "brows raised": Expression(brows=1.0, squint=-0.5),
        "squint": Expression(squint=1.0, brows=-0.5, smile=0.2),
        "serious": Expression(smile=-0.7, brows=-0.4),
        "laugh": Expression(smile=1.0, jaw=0.7, squint=0.7),
        "pout": Expression(pucker=1.0, smile=-0.3, brows=0.3),
    }
)

#: Where the mean face has its parts, in head coordinates: see bauta.views.shape.
_EYE, _BROW, _CORNER, _CHEEK = (0.285, -0.15), (0.23, -0.33), (0.235, 0.42), (0.31, 0.17)
_LIPS = 0.42
#: The mouth opens between these heights, and below the chin all is as it was.
_LIP_LINE, _CHIN, _THROAT = 0.395, 0.80, 1.25


def movement(points: Tensor, expression: Expression) -> Tensor:
    """How far an expression moves points of the face's plane.

    Args:
        points: (..., 2) in head coordinates.
        expression: the expression.

    Returns:
        (..., 2) displacements (x, y) in head units.

    """
    e = expression
    x, y = points.unbind(-1)
    side = torch.tanh(x / 0.08)
    corner = _bump(x.abs() - _CORNER[0], y - _CORNER[1], 0.11, 0.10)
    cheek = _bump(x.abs() - _CHEEK[0], y - _CHEEK[1], 0.14, 0.11)
    right = e.smile * 0.045 * corner * side
    down = -e.smile * (0.045 * corner + 0.02 * cheek)
    brow = _bump(x.abs() - _BROW[0], y - _BROW[1], 0.22, 0.10)
    down = down - e.brows * 0.045 * brow
    right = right + min(e.brows, 0.0) * 0.03 * brow * side
    eye = _bump(x.abs() - _EYE[0], y - _EYE[1], 0.12, 0.075)
    down = down - e.squint * 0.26 * (y - _EYE[1]) * eye
    mouth = _bump(x, y - _LIPS, 0.20, 0.12)
    right = right - e.pucker * 0.22 * x * mouth
    return torch.stack([right, down + e.jaw * _opening(x, y)], dim=-1)


def _bump(x: Tensor, y: Tensor, across: float, along: float) -> Tensor:
    return torch.exp(-((x / across).square() + (y / along).square()) / 2)


def _opening(x: Tensor, y: Tensor) -> Tensor:
    """How far down the jaw goes: nothing above the lips' line, all of it to the chin."""
    begun = _ramp((y - _LIP_LINE) / 0.09)
    ended = _ramp((_THROAT - y) / (_THROAT - _CHIN))
    # At the corners the lips stay together, and the whole jaw goes along further down.
    wide = 0.17 + 0.35 * _ramp((y - _LIP_LINE) / 0.25)
    return 0.045 * begun * ended * torch.exp(-((x / wide) ** 4))


def _ramp(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)
