"""A recognizer in one file: a network on aligned crops.

Run it by: BAUTA_PLUGINS=my_recognizer.py bauta protect me.jpg --surrogate rough-looks

Its weights are random numbers, so that the example needs no file. That compares faces roughly, and
recognises nobody well: put your own network in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bauta.recognizers.base import Recognizer
from bauta.recognizers.crops import arcface_crop
from bauta.recognizers.zoo import recognizers


class RoughLooks(nn.Module):
    """What is left of a face in 14 x 14 pixels, mixed at random."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(3 * 14 * 14, 64, bias=False)
        generator = torch.Generator().manual_seed(0)
        nn.init.normal_(self.mix.weight, generator=generator)

    def forward(self, crops: Tensor) -> Tensor:
        """Map (B, 3, 112, 112) RGB 0-255 to (B, 64) embeddings of unit length."""
        small = functional.avg_pool2d(crops, 8).flatten(1)
        small = small - small.mean(dim=1, keepdim=True)
        return functional.normalize(self.mix(small))


@recognizers.register("rough-looks")
def rough_looks() -> Recognizer:
    """Build it: name, what part of a photo it sees, the network, and an identity of the weights.

    Recognizers with the same identity are kin: none judges what another of them helped to make.
    """
    return Recognizer("rough-looks", arcface_crop(112), RoughLooks(), weights="rough-looks")
