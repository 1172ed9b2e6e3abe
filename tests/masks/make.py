"""Masks that took no fitting: smooth noise, so that they lie where a real one's would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from bauta.keys.mask import Facts, PersonalMask

#: Side of a mask, and of the noise that it is enlarged from: fine enough to be told from a face,
#: coarse enough to outlive JPEG.
SIZE, _GRAIN = 224, 40
#: The same for flows.
_GRID, _BEND = 16, 4


def noise_mask(
    epsilon: float = 8.0,
    *,
    members: int = 1,
    move: float = 0.0,
    seed: int = 0,
    grain: int = _GRAIN,
    **facts: object,
) -> PersonalMask:
    """A family of masks that use their budget well, and move pixels by up to ``move`` frames."""
    generator = torch.Generator().manual_seed(seed)
    about = replace(Facts(method="noise", epsilon=epsilon), **facts)
    noise = torch.randn(members, 3, grain, grain, generator=generator)
    fine = F.interpolate(noise, (SIZE, SIZE), mode="bicubic") * about.peak
    bends = 2 * torch.rand(members, 2, _BEND, _BEND, generator=generator) - 1
    moves = F.interpolate(bends, (_GRID, _GRID), mode="bicubic").clamp(-1, 1) * move / 2**0.5
    return PersonalMask(
        facts=about,
        deltas=half(fine.clamp(-about.peak, about.peak)),
        **({"flows": half(moves)} if move else {}),
    )


def half(values: torch.Tensor) -> NDArray[np.float16]:
    return values.numpy().astype(np.float16)
