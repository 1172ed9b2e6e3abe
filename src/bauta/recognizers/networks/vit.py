"""A small vision transformer with a convolutional stem.

Source: A. Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; T. Xiao et al., "Early
Convolutions Help Transformers See Better", NeurIPS 2021 (the stem).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.recognizers.networks.blocks import ConvNorm, FaceNetwork


class _Layer(nn.Module):
    """Attention and a two-layer perceptron, each with a norm before and a shortcut around."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        x = x + self.mix(seen)
        out: Tensor = x + self.narrow(F.gelu(self.wide(self.norm2(x))))
        return out


class VisionTransformer(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding).

    Args:
        size: side of the crop, a multiple of 16.
        embedding: length of the embedding.
        width: length of a token, a multiple of ``heads`` and of 8.
        depth: layers.
        heads: attention heads.
        dropout: before the last layer, in training.
        grey: look at the luma alone.

    """

    def __init__(
        self,
        *,
        size: int,
        embedding: int,
        width: int = 192,
        depth: int = 6,
        heads: int = 4,
        dropout: float = 0.0,
        grey: bool = False,
    ) -> None:
        super().__init__(grey=grey)
        parts: list[nn.Module] = []
        inputs = self.channels
        for outputs in (width // 8, width // 4, width // 2, width):
            parts.append(ConvNorm(inputs, outputs, 3, 2, act=nn.ReLU(inplace=True)))
            inputs = outputs
        self.stem = nn.Sequential(*parts)
        self.places = nn.Parameter(0.02 * torch.randn(1, (size // 16) ** 2, width))
        self.layers = nn.Sequential(*[_Layer(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        # Faces are aligned, so what a token says depends on its place: no average over places.
        self.output = nn.Linear(width * (size // 16) ** 2, embedding)

    def body(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.body`."""
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.places
        out: Tensor = self.output(self.dropout(self.norm(self.layers(tokens)).flatten(1)))
        return out
