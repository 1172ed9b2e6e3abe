"""Relighting: shading from the relief's normals, in place of the light that a photo shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bauta.faces.luma import LUMA
from bauta.views.pose import Pose
from bauta.views.shape import normals
from bauta.views.turning import look_up
from bauta.views.window import Window, mapped

#: Light that comes round the corner: shading ends at a normal this far beyond a right angle.
_WRAP = 0.45
#: Least and most that relighting multiplies grey levels with.
_DARKEST, _BRIGHTEST = 0.45, 1.7
#: Share of the photo's own light that is taken away, since the guess is rough.
_UNDONE = 0.6
#: How much darker, as a logarithm per unit of the normal, one side may be taken to be.
_STEEPEST = 0.8
#: Half axes of the oval that is lit anew: sideways, up, and down to below the chin; its centre's
#: height; and where, in its half axes, the light begins to fade and has faded.
_OVAL, _OVAL_HEIGHT = (0.66, 1.05, 0.86), -0.02
_LIT, _UNLIT = 0.8, 1.1
_LUMA = torch.tensor(LUMA)


@dataclass(frozen=True)
class Light:
    """Where the main light stands.

    Attributes:
        azimuth: degrees, towards the picture's right positive; 0 is beside the camera.
        elevation: degrees, upwards positive.
        strength: share of the light that comes from there, 0 to 1; the rest from everywhere.

    """

    azimuth: float = 0.0
    elevation: float = 0.0
    strength: float = 0.0

    def shading(self, normal: Tensor) -> Tensor:
        """Brightness of surfaces with (..., 3) normals; 1 for one that faces the camera."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        towards = [
            np.sin(azimuth) * np.cos(elevation),
            -np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
        falling = (normal @ normal.new_tensor(towards) + _WRAP).clamp(min=0)
        facing = max(float(towards[2]) + _WRAP, 0.3)
        return (1 - self.strength) + self.strength * falling / facing


def own_light(window: Window, table: Tensor, pose: Pose) -> float:
    """How a photo's light falls off from one side of the face to the other.

    Args:
        window: of the photo.
        table: of the head in the photo (:meth:`bauta.views.turning.Head.table`).
        pose: of the head in the photo.

    Returns:
        Slope of the logarithm of brightness over the normals' x; positive: lit from the right.

    """
    # A grid on forehead, cheeks and chin: hair at the sides would count as shade.
    y, x = torch.meshgrid(
        torch.linspace(-0.5, 0.7, 31), torch.linspace(-0.45, 0.45, 25), indexing="ij"
    )
    points = torch.stack([x, y], dim=-1)
    at = mapped(window.to_image, look_up(table, points))
    column = at[..., 0].round().long().clamp(0, window.image.shape[3] - 1)
    row = at[..., 1].round().long().clamp(0, window.image.shape[2] - 1)
    luma = torch.einsum("c,chw->hw", _LUMA, window.image[0][:, row, column])
    sideways = turned_normals(points, pose)[..., 0]
    sideways = sideways - sideways.mean()
    slope = (sideways * (luma / 255 + 0.02).log()).sum() / sideways.square().sum()
    return float(slope.clamp(-_STEEPEST, _STEEPEST))


def turned_normals(points: Tensor, pose: Pose) -> Tensor:
    """(H, W, 3) normals of a turned head at (H, W, 2) points of its plane."""
    return look_up(normals(), points) @ torch.from_numpy(pose.rotation).float().T


def relight(
    picture: Tensor,
    window: Window,
    points: Tensor,
    light: Light,
    *,
    was: Pose,
    now: Pose,
    own: float,
) -> Tensor:
    """Light a face anew.

    Args:
        picture: (3, H, W) RGB 0-255.
        window: that it is a view of.
        points: (h, w, 2) of the head's plane that :meth:`Window.points` show.
        light: the new light.
        was: pose in the photo.
        now: pose in the picture.
        own: the photo's light, from :func:`own_light`.

    Returns:
        (3, H, W) RGB 0-255.

    """
    old = (_UNDONE * own * turned_normals(points, was)[..., 0]).exp()
    gain = (light.shading(turned_normals(points, now)) / old).clamp(_DARKEST, _BRIGHTEST)
    gain = 1 + (gain - 1) * _lit(points)
    return brightened(picture, window.enlarged(gain[..., None]))


def _lit(points: Tensor) -> Tensor:
    """Share, 0 to 1, by which (..., 2) points of the head's plane are lit anew."""
    x, y = points.unbind(-1)
    y = y - _OVAL_HEIGHT
    out = torch.hypot(x / _OVAL[0], y / torch.where(y < 0, _OVAL[1], _OVAL[2]))
    ramp = ((_UNLIT - out) / (_UNLIT - _LIT)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def brightened(picture: Tensor, gain: Tensor) -> Tensor:
    """RGB 0-255 times a gain, which highlights take up without clipping."""
    value = picture / 255
    more = 1 - (1 - value) ** gain.clamp(min=1)
    return 255 * torch.where(gain > 1, more, value * gain)
