"""MixUp of several faces at a time.

Sources: H. Zhang et al., "mixup", ICLR 2018, for two; Y. Huang et al., "InstaHide", ICML 2020, for
k, with signs flipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, eq=False)
class Blend:
    """Which faces of a batch go into which mixture.

    Attributes:
        partners: (B, K) rows of the batch; the first is the face itself.
        weights: (B, K) shares, falling, which add up to 1; 0 where fewer faces are mixed.

    """

    partners: Tensor
    weights: Tensor


def draw_blend(counts: Tensor, generator: Generator, most: int | None = None) -> Blend:
    """Draw a mixture for every face of a batch.

    Args:
        counts: (B,) how many faces each mixture has, itself included.
        generator: where randomness comes from.
        most: K; None for the largest of the counts.

    Returns:
        The blend, on the device of the counts. Shares are uniform among all that add up to 1
        (Dirichlet of ones), the largest of them for the face itself.

    """
    here = counts.detach().cpu()
    size, most = len(here), most or int(here.max())
    # Uniform shares are the gaps between exponential waiting times, normalised.
    waits = -torch.log(torch.rand(size, most, generator=generator).clamp(min=1e-12))
    waits *= torch.arange(most)[None] < here[:, None]
    weights = (waits / waits.sum(dim=1, keepdim=True)).sort(dim=1, descending=True).values
    turns = torch.rand(size, most - 1, generator=generator) if most > 1 else torch.empty(size, 0)
    others = (turns * max(1, size - 1)).long() + 1
    own = torch.arange(size)[:, None]
    partners = torch.cat([own, (own + others) % size], dim=1)
    return Blend(partners.to(counts.device), weights.to(counts.device))


def blended(x: Tensor, blend: Blend, own: Tensor | None = None) -> Tensor:
    """Mix (B, C, H, W).

    Args:
        x: faces.
        blend: who is mixed with whom.
        own: (H, W) which part of its share a face keeps at each place, 0 to 1; the others have the
            rest there. Faces that are alone keep all. None: all of it everywhere.

    """
    weights = blend.weights.to(x.dtype)[..., None, None, None]
    mine = weights[:, 0]
    others = torch.ones_like(mine)
    if own is not None:
        mine = torch.where(mine < 1, mine * own, mine)
        others = (1 - mine) / (1 - weights[:, 0]).clamp(min=1e-6)
    out = x * mine
    for place in range(1, weights.shape[1]):
        which = (blend.weights[:, place] > 0).nonzero()[:, 0]
        if len(which):
            added = x[blend.partners[which, place]] * weights[which, place] * others[which]
            out.index_add_(0, which, added)
    return out


def flipped(x: Tensor, generator: Generator) -> Tensor:
    """Flip the sign of every value with an even chance, as InstaHide does."""
    signs = torch.randint(0, 2, x.shape, generator=generator, dtype=torch.int8) * 2 - 1
    return x * signs.to(x)
