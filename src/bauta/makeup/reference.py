"""Makeup taken from a photo of somebody else: each place of a face finds its like in the reference.

The correspondence module of F. Shamshad et al. (arXiv 2408.12387), reconstructed: attention between
features of both faces inside one region, so that makeup lands where it belongs under other poses
and shapes. Features are a fixed pyramid: where on a mean face a pixel lies, and light and shade at
three scales around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from kornia.color import lab_to_rgb, rgb_to_lab
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.blurring import blurred
from bauta.errors import NoFaceError
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.mesh import find_mesh
from bauta.faces.placement import to_mean
from bauta.makeup.areas import makeup_areas, mean_over
from bauta.makeup.canvas import bare_areas
from bauta.media import read_photo

#: Side that correspondences are looked for at, in pixels: a pixel is about a fortieth of a face.
_SIDE = 56
#: Temperature of the attention.
_TEMPERATURE = 0.01
#: Waves per side of the frame up to which a place is told by waves, how many, and their share of
#: the likeness; the rest is light and shade, blurred by these sigmas in pixels of that side.
_FREQUENCY, _WAVES, _PLACE = 6.0, 32, 0.95
_SCALES = (0.7, 1.5, 3.0)
#: Regions whose places find each other, and how much of the reference's makeup each takes on.
_REGIONS = {"lips": 0.85, "lids": 0.8, "lashes": 0.8, "brows": 0.3, "skin": 0.5}
#: How far a region may be lightened or darkened on the whole, in L of CIELAB.
_FARTHEST = 14.0


@dataclass(frozen=True, eq=False)
class Reference:
    """A face that wears makeup.

    Attributes:
        lab: for each region (1, 3, s, s) CIELAB of what of it lies in each pixel, less the median
            of the face's own skin.
        features: (1, K, s, s) of unit length, by which places find each other.
        areas: of :func:`bauta.makeup.areas.makeup_areas`, each (1, s, s).

    """

    lab: Mapping[str, Tensor]
    features: Tensor
    areas: Mapping[str, Tensor]

    def put_on(
        self, frame: Tensor, mesh: Tensor, areas: Mapping[str, Tensor], *, strength: float = 1.0
    ) -> Tensor:
        """A face that wears this makeup.

        Args:
            frame: (3, S, S) RGB 0-255, the face in its frame.
            mesh: (468, 2) its mesh in unit frame coordinates.
            areas: where makeup may be, (1, S, S) each.
            strength: how much of it, 0 to 2.

        Returns:
            (3, S, S) RGB 0-255.

        """
        lab = rgb_to_lab(frame[None] / 255)
        skin = _skin(lab, areas)
        own = _described(frame[None], mesh, areas)
        out = lab
        for name, share in _REGIONS.items():
            wanted = self._found(name, own)
            if wanted is None:
                continue
            wanted = F.interpolate(wanted, lab.shape[-2:], mode="bicubic", align_corners=False)
            area = areas[name][None]
            light = mean_over(wanted[:, :1] - (lab - skin)[:, :1], area)
            light = light.clamp(-_FARTHEST, _FARTHEST) if name != "skin" else 0 * light
            change = torch.cat([light.expand_as(area), (wanted + skin - lab)[:, 1:]], dim=1)
            out = out + (area * share * strength).clamp(0, 1) * change
        return (lab_to_rgb(out)[0] * 255).clamp(0, 255)

    def _found(self, name: str, own: Reference) -> Tensor | None:
        """(1, 3, s, s) what each place of a region has in the reference; None if one lacks it."""
        mine, theirs = (torch.nonzero(r.areas[name].flatten() > 0.3).flatten() for r in (own, self))
        if not len(mine) or not len(theirs):
            return None
        keys = self.features.flatten(2)[0][:, theirs]
        queries = own.features.flatten(2)[0][:, mine]
        attention = (queries.T @ keys / _TEMPERATURE).softmax(dim=1)
        values = attention @ self.lab[name].flatten(2)[0][:, theirs].T
        # Around the region, where its soft edge lies, its mean.
        out = values.mean(dim=0).view(3, 1).repeat(1, _SIDE * _SIDE)
        out[:, mine] = values.T
        return out.view(1, 3, _SIDE, _SIDE)


def read_reference(photo: str | Path | NDArray[np.uint8]) -> Reference:
    """The makeup in a photo, of its largest face.

    Args:
        photo: the file, or (H, W, 3) uint8 RGB.

    Raises:
        NoFaceError: there is no face in it.
        MediaError: the file cannot be read.

    """
    pixels = photo if isinstance(photo, np.ndarray) else read_photo(photo).pixels
    faces = find(pixels)
    if not faces:
        name = "the reference" if isinstance(photo, np.ndarray) else str(photo)
        raise NoFaceError(f"{name}: no face was found in this photo of makeup; take another one")
    canvas = cut_canvas([pixels], faces[:1])
    frame = frames_of(canvas)
    mesh = find_mesh(canvas)[0][0]
    areas = makeup_areas(mesh)
    # Of lids only what is not like skin is makeup.
    return _described(
        frame, mesh, {**bare_areas(frame, areas), "lids": areas["lids"], "lashes": areas["lashes"]}
    )


def _described(frame: Tensor, mesh: Tensor, areas: Mapping[str, Tensor]) -> Reference:
    lab = rgb_to_lab(frame / 255)
    away = lab - _skin(lab, areas)
    small = F.adaptive_avg_pool2d(away, _SIDE)
    shares = {name: F.adaptive_avg_pool2d(area[None], _SIDE) for name, area in areas.items()}
    places = to_mean(mesh[None]).to(frame)
    return Reference(
        # Weighed, so that thin lips keep their colour beside the skin.
        lab={
            name: F.adaptive_avg_pool2d(away * areas[name], _SIDE) / shares[name].clamp_min(1e-6)
            for name in _REGIONS
        },
        features=torch.cat([_PLACE**0.5 * _waves(places), (1 - _PLACE) ** 0.5 * _shades(small)], 1),
        areas={name: share[0] for name, share in shares.items()},
    )


def _waves(places: Tensor) -> Tensor:
    """(1, 2 N, s, s) waves of unit length, alike where (1, 2, P, P) places on a mean face are."""
    moves = F.interpolate(places, (_SIDE, _SIDE), mode="bicubic", align_corners=False)
    line = (torch.arange(_SIDE, device=moves.device) + 0.5) / _SIDE
    here = torch.stack(torch.meshgrid(line, line, indexing="xy")) + moves[0]
    generator = torch.Generator().manual_seed(0)
    turns = torch.randn(_WAVES, 2, generator=generator).to(moves) * _FREQUENCY
    phase = torch.einsum("nk,kij->nij", turns, here)
    waves: Tensor = torch.cat([phase.cos(), phase.sin()])[None] / _WAVES**0.5
    return waves


def _shades(lab: Tensor) -> Tensor:
    """(1, N, s, s) light and shade at several scales, of unit length."""
    light = lab[:, :1]
    bands = [blurred(light, sigma) - blurred(light, 2 * sigma) for sigma in _SCALES]
    return F.normalize(torch.cat(bands, dim=1), dim=1, eps=1.0)


def _skin(lab: Tensor, areas: Mapping[str, Tensor]) -> Tensor:
    """(1, 3, 1, 1) median of the skin."""
    there = areas["skin"][0] > 0.7
    if not bool(there.any()):
        there = torch.ones_like(there)
    return lab[0][:, there].median(dim=1).values.view(1, 3, 1, 1)
