"""An untrained network that draws: its structure alone keeps what it draws in line with the face.

Sources: D. Ulyanov et al., "Deep Image Prior", CVPR 2018; conditional makeup layers after
F. Shamshad et al., "Makeup-Guided Facial Privacy Protection via Untrained Neural Network Priors",
ECCV workshops 2024, which modulate normalised features by the makeup as T. Park et al., "Semantic
Image Synthesis with Spatially-Adaptive Normalization", CVPR 2019, do by labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

#: Deviation of the weights of the last layer: at first next to nothing is drawn.
_FAINT = 0.02
#: Channels at full, half and quarter of the network's resolution, and of a makeup layer.
_WIDTHS, _HIDDEN = (24, 40, 64), 24
_GROUPS, _SLOPE = 4, 0.2


class MakeupNetwork(nn.Module):
    """Encoder and decoder; what makeup is wanted where steers the decoder.

    Besides its weights it learns codes, maps that are added to what is encoded, as the deep image
    prior learns its input. A hundred steps on the weights alone hide half the faces that they hide
    with codes (docs/makeup.md).

    Args:
        seen: channels of what is encoded: the face.
        wanted: channels of what steers: the makeup.
        drawn: channels that come out.
        side: of what is drawn, in pixels, a multiple of 4.
        generator: where the weights come from.

    """

    def __init__(self, seen: int, wanted: int, drawn: int, side: int, generator: Generator) -> None:
        super().__init__()
        fine, middle, coarse = _WIDTHS
        self.down = nn.ModuleList(
            [_encoder(seen, fine, 1), _encoder(fine, middle, 2), _encoder(middle, coarse, 2)]
        )
        self.up = nn.ModuleList(
            [
                _Decoder(coarse, coarse, wanted),
                _Decoder(coarse + middle, middle, wanted),
                _Decoder(middle + fine, fine, wanted),
            ]
        )
        self.out = nn.Conv2d(fine, drawn, 3, padding=1)
        self.codes = nn.ParameterList(
            torch.zeros(1, width, side // step, side // step)
            for width, step in zip(_WIDTHS, (1, 2, 4), strict=True)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.out.weight, std=_FAINT, generator=generator)

    def parts(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Weights, and codes, which are learned at another pace."""
        codes = list(self.codes)
        known = {id(code) for code in codes}
        return [weight for weight in self.parameters() if id(weight) not in known], codes

    def forward(self, seen: Tensor, wanted: Tensor) -> Tensor:
        """Draw.

        Args:
            seen: (B, seen, S, S) the face, about -1 to 1; S as ``side``.
            wanted: (B, wanted, S, S) the makeup, about -1 to 1.

        Returns:
            (B, drawn, S, S), any range; close to 0 for a new network.

        """
        features = []
        for encode, code in zip(self.down, self.codes, strict=True):
            seen = encode(seen)
            features.append(seen + code)
        out = self.up[0](features[2], wanted)
        for decode, known in zip(self.up[1:], features[1::-1], strict=True):
            out = F.interpolate(out, scale_factor=2, mode="bilinear", align_corners=False)
            out = decode(torch.cat([out, known], dim=1), wanted)
        drawn: Tensor = self.out(F.leaky_relu(out, _SLOPE))
        return drawn


class _MakeupLayer(nn.Module):
    """Normalised features, scaled and shifted at each place by the makeup that is wanted there."""

    def __init__(self, width: int, wanted: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width, affine=False)
        self.hidden = nn.Conv2d(wanted, _HIDDEN, 3, padding=1)
        self.scale = nn.Conv2d(_HIDDEN, width, 3, padding=1)
        self.shift = nn.Conv2d(_HIDDEN, width, 3, padding=1)

    def forward(self, features: Tensor, wanted: Tensor) -> Tensor:
        height, width = features.shape[-2:]
        wanted = F.adaptive_avg_pool2d(wanted, (height, width))
        hidden = F.leaky_relu(self.hidden(wanted), _SLOPE)
        out: Tensor = self.norm(features) * (1 + self.scale(hidden)) + self.shift(hidden)
        return out


class _Decoder(nn.Module):
    """A makeup layer and a convolution, beside a way around them."""

    def __init__(self, width: int, out: int, wanted: int) -> None:
        super().__init__()
        self.layer = _MakeupLayer(width, wanted)
        self.conv = nn.Conv2d(width, out, 3, padding=1)
        self.around = nn.Conv2d(width, out, 1, bias=False) if width != out else nn.Identity()

    def forward(self, features: Tensor, wanted: Tensor) -> Tensor:
        changed = self.conv(F.leaky_relu(self.layer(features, wanted), _SLOPE))
        out: Tensor = self.around(features) + changed
        return out


def _encoder(width: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride, 1), nn.GroupNorm(_GROUPS, out), nn.LeakyReLU(_SLOPE)
    )
