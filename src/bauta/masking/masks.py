"""Masks: which frequencies are kept, and how secrets mix them.

Source: PPFR-FD (AAAI 2022), section 3.3: channels that show a face are dropped, the rest are
shuffled, neighbours are mixed, shuffled again, and each is normalised. Everything but the last step
is linear, so that a masked face is one convolution and a normalisation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.masking.dct import (
    BLOCK,
    CHANNELS,
    KINDS,
    LIVE,
    PER_COLOUR,
    biases,
    deviations,
    kernels,
    transformed,
)

#: Channels that DuetFace's client keeps to itself: they show the face.
VISIBLE = (0, 1, 2, 3, 4, 5, 8, 9, 16, 24)
#: Deviations below this are of flat channels.
_FLAT = 1e-3


def every_kind() -> tuple[int, ...]:
    """Channels that say different things, of each colour; means are left out."""
    return tuple(PER_COLOUR * colour + f for colour in range(3) for f in KINDS[1:])


def low_frequencies(per_colour: int = 36) -> tuple[int, ...]:
    """Channels of the lowest live frequencies of each colour, in zigzag order; means are left out.

    As PPFR-FD has them; :func:`every_kind` says as much in 24 as this does in 108.
    """
    if not 1 <= per_colour < len(LIVE):
        raise UsageError(f"there are 1 to {len(LIVE) - 1} channels per colour to choose from")
    order = sorted(LIVE[1:], key=lambda f: (f // BLOCK + f % BLOCK, f // BLOCK))
    chosen = order[:per_colour]
    return tuple(PER_COLOUR * colour + f for colour in range(3) for f in chosen)


@dataclass(frozen=True, kw_only=True)
class MaskSpec:
    """What is known of a mask to everybody.

    Attributes:
        channels: kept channels, 0 to 191.
        stride: blocks of every so manieth pixel are made.
        mixing: share of its neighbour in each channel, at most; 0 for no mixing.
        rounds: how often channels are mixed and shuffled.
        keys: how many masks the secret makes, of which every photo has one or another.

    """

    channels: tuple[int, ...] = every_kind()
    stride: int = 1
    mixing: float = 0.5
    rounds: int = 1
    keys: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.channels or not set(self.channels) <= set(range(CHANNELS)):
            raise UsageError(f"channels are numbers from 0 to {CHANNELS - 1}, and at least one")
        if len(set(self.channels)) < len(self.channels):
            raise UsageError("channels must differ from each other")
        if not set(self.channels) <= {f + PER_COLOUR * c for f in LIVE for c in range(3)}:
            raise UsageError(
                "some of these channels say nothing of any photo: leave out u or v = 4"
            )
        if not 0 <= self.mixing < 1:
            raise UsageError(f"mixing is a share, 0 to 1, got {self.mixing}")
        if self.rounds < 1:
            raise UsageError(f"channels are mixed at least once, got {self.rounds}")
        if self.keys < 1:
            raise UsageError(f"there is at least one mask, got {self.keys}")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "channels": list(self.channels)}


def spec_from_json(data: Mapping[str, Any]) -> MaskSpec:
    """Read what :meth:`MaskSpec.to_json` wrote.

    Raises:
        UsageError: it is something else.

    """
    try:
        return MaskSpec(
            channels=tuple(int(c) for c in data["channels"]),
            stride=int(data["stride"]),
            mixing=float(data["mixing"]),
            rounds=int(data["rounds"]),
            keys=int(data["keys"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"not the description of a mask: {error}") from error


class Mask(nn.Module):
    """Map (B, 3, H, W) RGB 0-255 to (B, C, H / stride, W / stride) masked coefficients.

    Every channel of every photo has mean 0 and deviation 1 (0 if it is flat).

    Args:
        spec: what everybody knows of it.
        secret: what nobody else knows, any bytes.

    """

    kernel: Tensor
    bias: Tensor

    def __init__(self, spec: MaskSpec, secret: bytes) -> None:
        super().__init__()
        self.spec = spec
        which = torch.as_tensor(spec.channels)
        tables = torch.stack([mixing_table(spec, secret, key) for key in range(spec.keys)])
        # As they come, mixtures would be of the strongest alone: they span three orders.
        tables /= deviations()[which]
        kernel = torch.einsum("koc,crij->korij", tables, kernels()[which])
        self.register_buffer("kernel", kernel.flatten(0, 1).float())
        self.register_buffer("bias", (tables @ biases()[which]).flatten().float())

    def forward(self, x: Tensor, key: int = 0) -> Tensor:
        """See the class; of the masks, one."""
        count = len(self.spec.channels)
        own = slice(key * count, (key + 1) * count)
        return normalised(transformed(x, self.kernel[own], self.bias[own], self.spec.stride))

    def with_keys(self, x: Tensor, keys: Tensor) -> Tensor:
        """Mask every photo with a mask of its own, (B,) of 0 to ``spec.keys`` - 1."""
        parts, rows = [], []
        for key in sorted(set(keys.tolist())):
            rows.append((keys == key).nonzero()[:, 0])
            parts.append(self(x[rows[-1].to(x.device)], key))
        return torch.cat(parts)[torch.cat(rows).argsort().to(x.device)]


def normalised(x: Tensor) -> Tensor:
    """(B, C, H, W) with every channel of every photo at mean 0 and deviation 1."""
    deviation, mean = torch.std_mean(x, dim=(2, 3), keepdim=True, correction=0)
    return (x - mean) / deviation.clamp(min=_FLAT)


def mixing_table(spec: MaskSpec, secret: bytes, key: int = 0) -> Tensor:
    """(C, C) float64: channels that go out, from those that are kept, under one of the masks.

    Shuffled, each mixed with its neighbour, the last with the first, and shuffled again. Shares
    below a half keep the table invertible, so that nothing is lost to who knows the secret.
    """
    count = len(spec.channels)
    shuffles, shares = _draw(secret, f"shuffles {key}"), _draw(secret, f"shares {key}")
    table = torch.eye(count, dtype=torch.float64)[torch.from_numpy(shuffles.permutation(count))]
    for _ in range(spec.rounds):
        share = torch.from_numpy(shares.uniform(0.2, 1, count))[:, None] * spec.mixing
        table = (1 - share) * table + share * table.roll(-1, 0)
        table = table[torch.from_numpy(shuffles.permutation(count))]
    return table


def _draw(secret: bytes, use: str) -> np.random.Generator:
    """A generator that nobody without the secret can follow, and of its own for every use."""
    digest = hashlib.blake2b(use.encode(), key=secret[:64], digest_size=32).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def random_channels(
    masked: Tensor, groups: Sequence[Sequence[int]], each: int, generator: torch.Generator
) -> Tensor:
    """PartialFace's view: some channels of every group, others for every photo.

    Args:
        masked: (B, C, H, W) coefficients.
        groups: rows of C that belong to one colour.
        each: how many of a group go out.
        generator: where randomness comes from.

    Returns:
        (B, each * groups, H, W), each group's in the order of frequency.

    """
    count = len(masked)
    rows = []
    for group in groups:
        order = torch.rand(count, len(group), generator=generator).argsort(dim=1)[:, :each]
        rows.append(torch.as_tensor(group)[order.sort(dim=1).values])
    which = torch.cat(rows, dim=1).to(masked.device)
    return masked[torch.arange(count, device=masked.device)[:, None], which]
