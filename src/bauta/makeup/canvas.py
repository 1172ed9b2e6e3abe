"""What makeup a face is to wear, and how far an adversary may draw on it where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from kornia.color import rgb_to_lab
from torch import Tensor

from bauta.engine.blurring import blurred
from bauta.faces.luma import luma
from bauta.makeup.areas import AREAS

#: Areas that are makeup's own, where more may be drawn, and how much more than elsewhere.
_DRAWN = ("lips", "lids", "lashes", "brows")
_MORE = 1.5
#: CIELAB distances from the median of the skin at which a pixel is half skin: lightness, a, b.
_UNLIKE = (35.0, 14.0, 18.0)
#: Blur, in sides of the frame, before it is looked at which pixels are skin.
_LOOK = 0.009
#: Share of the lids that is skin, up to which there are glasses, and how much more says no.
_GLASSES = (0.6, 0.25)
#: Lightness, less than the skin's, at which a pixel between eye and brow is half a lid's.
_RIM = 20.0
#: On skin as smooth as a cheek's, shades look like bruises and wrinkles. How much of them is kept
#: there, before and after they are blurred; the window that is looked at (sigma, in sides of the
#: frame); and the deviation of luma in it, in grey levels, from which on all of it is kept.
_SMOOTH, _WINDOW, _LIVELY = 0.4, 0.03, 14.0
#: Pixels darker than this, in grey levels, are tinted as if they were as light.
_DARK = 40.0


@dataclass(frozen=True, eq=False)
class MadeUp:
    """A face and its makeup, in the frame.

    Attributes:
        frame: (1, 3, S, S) the face, RGB 0-255.
        worn: (1, 3, S, S) the face with the makeup that is wanted.
        areas: of :func:`bauta.makeup.areas.makeup_areas`.
        reach: (1, 1, S, S) how much light may be changed where: not on hair, glasses, eyes and
            teeth, less on smooth skin, more where makeup is.
        skin: (1, 1, S, S) how much colour may, 0 to 1.

    """

    frame: Tensor
    worn: Tensor
    areas: Mapping[str, Tensor]
    reach: Tensor
    skin: Tensor

    @property
    def paint(self) -> Tensor:
        """(1, 3, S, S) what the makeup alone adds, in grey levels."""
        return self.worn - self.frame

    def lit(self, light: Tensor) -> Tensor:
        """(1, 3, S, S) grey levels for (1, 1, S, S) of light and shadow.

        Shadows keep the hue of what they fall on. Light goes midway to grey, since a cheek that
        keeps its hue in more light becomes orange.
        """
        hue = self.frame / luma(self.frame).clamp_min(_DARK)
        return light.clamp(max=0) * hue + light.clamp(min=0) * (1 + hue) / 2

    def maps(self) -> Tensor:
        """(1, 8, S, S) the areas, in the order of :data:`bauta.makeup.areas.AREAS`."""
        return torch.cat([self.areas[name] for name in AREAS])[None]


def bare_areas(frame: Tensor, areas: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Areas without what is not skin: hair over the forehead, glasses, beards, hands.

    Args:
        frame: (1, 3, S, S) RGB 0-255.
        areas: of :func:`bauta.makeup.areas.makeup_areas`.

    Returns:
        The same names and shapes; lips and brows, whose colours are their own, as they were.
        There are no lashes where much of the lids is hidden: those are glasses.

    """
    lab = rgb_to_lab(frame / 255)
    there = areas["skin"][0] > 0.7
    if not bool(there.any()):
        return dict(areas)
    middle = lab[0][:, there].median(dim=1).values.view(1, 3, 1, 1)
    skin = _like(blurred(lab, _LOOK * frame.shape[-1]) - middle, _UNLIKE)
    # Rims of glasses are thin, and darker than any lid.
    lids = _like(lab - middle, (_RIM, *_UNLIKE[1:])).clamp(max=1)
    shares = dict.fromkeys(("lips", "brows"), torch.ones_like(skin))
    shares |= {"lids": lids, "lashes": lids * _share_of(lids, areas["lids"])}
    return {name: area * shares.get(name, skin) for name, area in areas.items()}


def _like(away: Tensor, unlike: tuple[float, ...]) -> Tensor:
    """(1, S, S) how far (1, 3, S, S) CIELAB differences are those of skin, 0 to 1."""
    size = (away[0] / away.new_tensor(unlike).view(3, 1, 1)).square().sum(dim=0).sqrt()
    return ((1.6 - size) * 2).clamp(0, 1)[None]


def _share_of(skin: Tensor, area: Tensor) -> Tensor:
    """1 where an area is all skin, 0 where much of it is not."""
    seen = (area * skin).sum() / area.sum().clamp_min(1e-6)
    return ((seen - _GLASSES[0]) / _GLASSES[1]).clamp(0, 1)


def reach_of(frame: Tensor, areas: Mapping[str, Tensor]) -> Tensor:
    """(1, 1, S, S) how much may be drawn where; see :class:`MadeUp`."""
    drawn = torch.stack([areas[name] for name in _DRAWN]).sum(dim=0).clamp(0, 1)
    kept = _SMOOTH + (1 - _SMOOTH) * _lively(frame)
    return kept * (areas["skin"] * (1 - drawn))[None] + _MORE * drawn[None]


def _lively(frame: Tensor) -> Tensor:
    """(1, 1, S, S) how much there is to see around each pixel, 0 to 1."""
    light, sigma = luma(frame), _WINDOW * frame.shape[-1]
    spread = (blurred(light.square(), sigma) - blurred(light, sigma).square()).clamp_min(0).sqrt()
    return (spread / _LIVELY).clamp(max=1)
