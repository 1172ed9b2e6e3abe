"""Surrogate ensembles: several recognizers asked at once, their answers put together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from bauta.engine.ghosts import ghost, thinned
from bauta.engine.transforms import Diversity
from bauta.errors import UsageError
from bauta.faces.frame import Canvas
from bauta.recognizers.base import Recognizer

Level = Literal["loss", "logit", "gradient"]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Recognizers with gradients, weighted.

    Attributes:
        members: the recognizers.
        weights: one each, or empty for equal ones; they are normalised to sum to 1.
        level: "loss" adds the members' losses, "logit" their distances before the loss, and
            "gradient" their gradients after bringing each to the same size.
        bf16: let the networks that gain from it compute in bfloat16.

    """

    members: Sequence[Recognizer]
    weights: Sequence[float] = ()
    level: Level = "loss"
    bf16: bool = False

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not self.members:
            raise UsageError("an ensemble needs at least one surrogate")
        if self.weights and len(self.weights) != len(self.members):
            raise UsageError(f"{len(self.members)} surrogates need as many weights")
        if self.level not in ("loss", "logit", "gradient"):
            raise UsageError(f"level must be loss, logit or gradient, got {self.level!r}")

    @property
    def shares(self) -> list[float]:
        """Weights that sum to 1."""
        raw = list(self.weights) or [1.0] * len(self.members)
        return [weight / sum(raw) for weight in raw]

    @property
    def scales(self) -> list[float]:
        """Squared distance at each member's threshold: the unit of its distances."""
        return [2 * (1 - member.threshold) for member in self.members]

    def embed(
        self, canvas: Canvas, images: Tensor, diversity: Diversity, views: int, generator: Generator
    ) -> list[Tensor]:
        """Embeddings of (changed) canvas images under random views. Differentiable.

        Args:
            canvas: B faces.
            images: (B, 3, C, C) RGB 0-255.
            diversity: random changes of each view.
            views: number V of views.
            generator: where randomness comes from; on the CPU.

        Returns:
            Per member, (B, V, D) embeddings.

        """
        # Repeating the canvas costs less than the networks by far, and keeps one code path.
        many = images.repeat_interleave(views, dim=0) if views > 1 else images
        out = []
        jitter = diversity.jitter.draw(views, generator) if diversity.jitter else None
        if jitter is not None:
            jitter = jitter.repeat(len(canvas), 1, 1).to(images)
        for member in self.members:
            crops = member.crop.take(canvas, many, jitter)
            for transform in diversity.transforms:
                crops = transform(crops, views, generator)
            bf16 = self.bf16 and member.gains_from_bf16
            weights = (
                ghost(member.network, diversity.ghosts, generator) if diversity.ghosts else None
            )
            with thinned(member.network, diversity.dropout, generator):
                embedding = member.embed_crops(crops, bf16=bf16, weights=weights)
            out.append(embedding.view(-1, views, embedding.shape[-1]))
        return out


def distances(embeddings: Tensor, references: Tensor, scale: float) -> Tensor:
    """Squared distances in units of ``scale``.

    Args:
        embeddings: (B, V, D).
        references: (B, D), one per face, or (K, 1, D) for K that all faces share.
        scale: squared distance that counts as 1.

    Returns:
        (B, V), or (B, V, K).

    """
    if references.dim() == 2:
        return (embeddings - references[:, None]).square().sum(-1) / scale
    return (embeddings[:, :, None] - references[:, 0]).square().sum(-1) / scale


def fused(parts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Weighted sum of the members' tensors."""
    return torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)


def native_bf16(device: str) -> bool:
    """Whether the device computes convolutions in bfloat16 natively, so that they gain time."""
    if not device.startswith("cpu"):
        return False
    with suppress(AttributeError):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
