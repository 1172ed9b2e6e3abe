"""A network in training: with the heads that only training needs, and its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.onnx_judge import OnnxEmbedding
from bauta.recognizers.zoo import get_surrogate
from bauta.training.losses import (
    AttributeHead,
    MarginHead,
    contrast_loss,
    cosine_loss,
    relation_loss,
    triplet_loss,
)
from bauta.training.recipe import Recipe


class Model(nn.Module):
    """The network with the heads that only training needs."""

    def __init__(self, recipe: Recipe, people: int) -> None:
        super().__init__()
        losses = recipe.losses
        self.recipe = recipe
        self.network: FaceNetwork = build_network(
            recipe.family, size=recipe.size, embedding=recipe.embedding, options=recipe.network
        )
        if recipe.start:
            elder = get_surrogate(recipe.start).network
            self.network.start_from(elder.graph if isinstance(elder, OnnxEmbedding) else elder)
        if losses.identity:
            self.identity = MarginHead(
                losses.head, people, recipe.embedding, margin=losses.margin, scale=losses.scale
            )
        if losses.attributes:
            self.attribute = AttributeHead(recipe.embedding)

    def forward(
        self, crops: Tensor, targets: Tensor | None, people: Tensor, attributes: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted loss of a batch, and its terms.

        Args:
            crops: (B, 3, size, size) RGB 0-255.
            targets: (B, D) the teachers' embeddings, or None.
            people: (B,) who it is, -1 for unknown.
            attributes: (B, 3), -1 for unknown.

        """
        raw = self.network.raw(crops).float()
        unit = F.normalize(raw)
        weights, terms = self.recipe.losses, {}
        if targets is not None:
            copying = {"cosine": cosine_loss, "relation": relation_loss, "contrast": contrast_loss}
            for name, loss in copying.items():
                if getattr(weights, name):
                    terms[name] = loss(unit, targets)
        known = people >= 0
        if weights.identity:
            some = bool(known.any())
            terms["identity"] = self.identity(raw[known], people[known]) if some else raw.sum() * 0
        if weights.triplet:
            terms["triplet"] = triplet_loss(unit, people)
        if weights.attributes:
            terms["attributes"] = self.attribute(unit, attributes)
        total = torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()
        return total, terms
