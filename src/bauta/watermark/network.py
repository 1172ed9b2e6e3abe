"""Encoder and decoder of the watermark that hides: what is added to a face, and what is read of it.

Source: Y. Zhang et al., "Double Privacy Guard: Robust Traceable Adversarial Watermarking against
Face Recognition", arXiv 2404.14693, which gives the architecture and no sizes: two branches, for
the face and for the message, fused and weighed by CBAM (S. Woo et al., ECCV 2018). Beyond the
paper, both sides share patterns, one per bit, that a message is spread over; the networks learn
what to add to that. Plain spreading (I. Cox et al., 1997) can be read from the first step on, so
learning does not begin at chance.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bauta.engine.blurring import blurred
from bauta.faces.luma import luma
from bauta.watermark.codes import BITS

#: Side of the frames that networks see, and of what is spread, in pixels.
SIDE, COARSE = 128, 32
_WIDTH, _WIDE, _MESSAGE, _GROUPS, _SLOPE = 48, 64, 16, 4, 0.1
#: Least and largest sigma of the blur between which patterns lie, in coarse pixels.
_FINE, _ROUGH = 0.8, 3.0
#: Root mean square of what is spread before anything is learned, as a share of the largest change.
_FAINT = 0.5
#: Grey levels of coarse details from which they are evened out; much of a mark lies below.
_LOUD = 2.0


class Encoder(nn.Module):
    """A face and a message become what is added to the face."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.patterns = nn.Parameter(spread_patterns(generator))
        #: What is added to every face, whoever it is and whatever the message.
        self.common = nn.Parameter(torch.zeros(1, 1, SIDE // 2, SIDE // 2))
        self.fine = nn.Sequential(_conv(3, _WIDTH, 2), _conv(_WIDTH, _WIDTH))
        self.middle = nn.Sequential(_conv(_WIDTH, _WIDE, 2), _conv(_WIDE, _WIDE))
        self.rough = nn.Sequential(_conv(_WIDE, _WIDE, 2), _conv(_WIDE, _WIDE))
        self.message = nn.ModuleList(
            nn.Sequential(_conv(1, _MESSAGE), _conv(_MESSAGE, _MESSAGE)) for _ in range(2)
        )
        self.joined = nn.Sequential(
            _conv(2 * _WIDE + _MESSAGE, _WIDE), Attention(_WIDE), _conv(_WIDE, _WIDTH)
        )
        self.fused = nn.Sequential(
            _conv(2 * _WIDTH + _MESSAGE + 1, _WIDTH), Attention(_WIDTH), _conv(_WIDTH, _WIDTH)
        )
        self.drawn = nn.Conv2d(_WIDTH, 1, 3, padding=1)
        _initialised(self, generator)
        nn.init.normal_(self.drawn.weight, std=0.01, generator=generator)

    def forward(self, faces: Tensor, bits: Tensor) -> Tensor:
        """Draw.

        Args:
            faces: (B, 3, 128, 128) frames, RGB 0-255.
            bits: (B, 64), -1 or 1.

        Returns:
            (B, 1, 128, 128), -1 to 1: shares of the largest change, of all colours alike, since
            stains of colour are seen long before those of light.

        """
        spread = torch.einsum("bk,kchw->bchw", bits, self.patterns)
        spread = _FAINT * spread / bits.shape[1] ** 0.5
        plain = _scaled(spread, SIDE // 2)
        fine = self.fine(faces / 127.5 - 1)
        middle = self.middle(fine)
        rough = _scaled(self.rough(middle), COARSE)
        joined = self.joined(torch.cat([middle, rough, self.message[0](2 * spread)], dim=1))
        common = self.common.expand(len(faces), -1, -1, -1)
        parts = [fine, _scaled(joined, SIDE // 2), self.message[1](2 * plain), common]
        drawn = self.drawn(self.fused(torch.cat(parts, dim=1))) + plain + common
        return torch.tanh(_scaled(drawn, faces.shape[-1]))


class Decoder(nn.Module):
    """A face becomes the message that it carries, if it does."""

    def __init__(self, patterns: Tensor, generator: Generator) -> None:
        super().__init__()
        self.patterns = nn.Parameter(patterns.detach().clone())
        self.features = nn.Sequential(_conv(4, _WIDTH, 2), _conv(_WIDTH, _WIDTH),
                                      _conv(_WIDTH, 64, 2), _conv(64, 64))  # fmt: skip
        self.seen = nn.Conv2d(64, 1, 3, padding=1)
        self.deep = nn.Sequential(_conv(64, 64, 2), _conv(64, 64), nn.Conv2d(64, 32, 1))
        self.read = nn.Linear(32 * (COARSE // 2) ** 2, patterns.shape[0])
        self.scale = nn.Parameter(torch.tensor(0.03))
        _initialised(self, generator)
        for layer in (self.seen, self.read):
            nn.init.normal_(layer.weight, std=0.001, generator=generator)

    def forward(self, faces: Tensor) -> Tensor:
        """Read.

        Args:
            faces: (B, 3, 128, 128) frames, RGB 0-255.

        Returns:
            (B, 64) log odds that each bit is 1.

        """
        light = luma(faces)
        small = F.adaptive_avg_pool2d(light, COARSE)
        details = _evened(small - _around(small))
        rough = _scaled(small, faces.shape[-1])
        seen = self.features(torch.cat([faces / 127.5 - 1, (light - rough) / 16], dim=1))
        clean = details + _LOUD * self.seen(seen)
        plain = torch.einsum("bchw,kchw->bk", clean, self.patterns) / COARSE
        deep: Tensor = self.read(self.deep(seen).flatten(1))
        return self.scale * plain + deep


class WatermarkNetworks(nn.Module):
    """Encoder and decoder, which belong together."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.encoder = Encoder(generator)
        self.decoder = Decoder(self.encoder.patterns, generator)


class Attention(nn.Module):
    """CBAM: which channels count, then which places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = nn.Sequential(
            nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width)
        )
        self.places = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Weigh (B, C, H, W) features."""
        mean, most = features.mean(dim=(2, 3)), features.amax(dim=(2, 3))
        share = torch.sigmoid(self.channels(mean) + self.channels(most))
        features = features * 2 * share[:, :, None, None]
        seen = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        out: Tensor = features * 2 * torch.sigmoid(self.places(seen))
        return out


def spread_patterns(generator: Generator) -> Tensor:
    """(64, 1, 32, 32) patterns of unit root mean square, none like another."""
    noise = torch.randn(BITS, 1, COARSE, COARSE, generator=generator)
    band = blurred(noise, _FINE) - blurred(noise, _ROUGH)
    rows = torch.linalg.qr(band.flatten(1).T)[0].T.reshape(band.shape)
    out: Tensor = rows / rows.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    return out


def _evened(details: Tensor) -> Tensor:
    """Details as loud in busy places as in smooth ones."""
    power = _around(details.square())
    return details * _LOUD / (power + _LOUD**2).sqrt()


def _around(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 3, 1, 1, count_include_pad=False)


def _scaled(features: Tensor, side: int) -> Tensor:
    return F.interpolate(features, (side, side), mode="bilinear", align_corners=False)


def _conv(width: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride, 1), nn.GroupNorm(_GROUPS, out), nn.LeakyReLU(_SLOPE)
    )


def _initialised(module: nn.Module, generator: Generator) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
