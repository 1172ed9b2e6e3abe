"""Defences: what leaves a face's owner, in training and when a service is asked.

Each is a representation (pixels, or masked frequencies) and a way to mix faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Generator, Tensor, nn

from bauta.errors import UsageError
from bauta.masking.dct import BLOCK, LIVE, PER_COLOUR, BlockDct
from bauta.masking.masks import Mask, MaskSpec, every_kind, normalised, random_channels
from bauta.masking.mixing import Blend, blended, draw_blend, flipped
from bauta.masking.strategy import COUNTS

#: PartialFace: coefficients with u + v above this are kept, and so many of each colour are shown.
_PARTIAL_ABOVE, _PARTIAL_SHOWN = 3, 9
_MIDDLE, _SPAN = 127.5, 128.0


@dataclass(frozen=True, kw_only=True)
class Defence:
    """How faces are protected in training.

    Attributes:
        name: name in tables.
        about: what it does, in a sentence.
        domain: "pixels"; "masked", by a secret; or "partial", other frequencies for every photo.
        counts: how many faces a mixture has; several are drawn from evenly.
        adaptive: whether a strategy chooses among 2 to 6 instead.
        flips: whether signs are flipped at random after mixing, as InstaHide does.
        noise: deviation of Laplace noise, in units of the representation's deviation.

    """

    name: str
    about: str
    domain: str = "pixels"
    counts: tuple[int, ...] = (1,)
    adaptive: bool = False
    flips: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Check names and ranges."""
        if self.domain not in ("pixels", "masked", "partial"):
            raise UsageError(f"unknown domain {self.domain!r}: use pixels, masked or partial")
        if not self.counts or min(self.counts) < 1:
            raise UsageError("a mixture has at least one face")
        if self.noise < 0:
            raise UsageError("noise must not be negative")


def _all() -> Mapping[str, Defence]:
    rows = [
        Defence(name="none", about="Plain training on pixels."),
        *(
            Defence(name=f"mixup-{k}", about=f"Pixels of {k} faces at a time.", counts=(k,))
            for k in COUNTS
        ),
        Defence(
            name="instahide", about="Pixels of 2 faces at a time, with signs flipped at random.",
            counts=(2,), flips=True,
        ),
        Defence(
            name="dp-noise", about="Pixels under Laplace noise of their own deviation.", noise=1.0
        ),
        Defence(name="ppfr-fd", about="Masked frequencies, one face at a time.", domain="masked"),
        Defence(
            name="partialface", about="Other high frequencies for every photo.", domain="partial"
        ),
        *(
            Defence(
                name=f"masked-{k}", about=f"Masked frequencies of {k} faces at a time.",
                domain="masked", counts=(k,),
            )
            for k in COUNTS
        ),
        Defence(
            name="ahm-uniform", about="Masked frequencies of 2 to 6 faces, drawn evenly.",
            domain="masked", counts=COUNTS,
        ),
        Defence(
            name="ahm", about="Masked frequencies of 2 to 6 faces, as the strategy chooses.",
            domain="masked", counts=COUNTS, adaptive=True,
        ),
    ]  # fmt: skip
    return MappingProxyType({row.name: row for row in rows})


DEFENCES: Mapping[str, Defence] = _all()


def defence(name: str) -> Defence:
    """Return a defence by name.

    Raises:
        UsageError: there is none of that name.

    """
    if name not in DEFENCES:
        raise UsageError(f"unknown defence {name!r}: use {', '.join(DEFENCES)}")
    return DEFENCES[name]


@dataclass(eq=False)
class Publisher:
    """A defence with its secret, ready to use.

    Attributes:
        defence: which.
        front: maps (B, 3, H, W) RGB 0-255 to the representation of faces, one at a time.
        channels: of the representation.
        stride: how much smaller its maps are than the crop.
        own: (H, W) which part of its share a face keeps at each place of a mixture; None: all.

    """

    defence: Defence
    front: nn.Module
    channels: int
    stride: int = 1
    own: Tensor | None = None
    _groups: tuple[tuple[int, ...], ...] = field(default=(), repr=False)

    def to(self, device: torch.device) -> Publisher:
        """Move to a device, and return this publisher."""
        self.front.to(device)
        self.own = None if self.own is None else self.own.to(device)
        return self

    @torch.no_grad()
    def represent(self, crops: Tensor, generator: Generator) -> Tensor:
        """Faces one at a time, as a service sees them when it is asked.

        Args:
            crops: (B, 3, H, W) RGB 0-255.
            generator: where randomness comes from.

        Returns:
            (B, channels, H / stride, W / stride).

        """
        out: Tensor
        if isinstance(self.front, Mask) and self.front.spec.keys > 1:
            keys = torch.randint(0, self.front.spec.keys, (len(crops),), generator=generator)
            out = self.front.with_keys(crops, keys)
        else:
            out = self.front(crops)
        if self._groups:
            out = random_channels(out, self._groups, _PARTIAL_SHOWN, generator)
        return self._noisy(out, generator)

    @torch.no_grad()
    def published(self, shown: Tensor, blend: Blend, generator: Generator) -> Tensor:
        """Mixtures, as they are trained on, of what :meth:`represent` gave.

        Those of frequencies are normalised again: the more faces, the flatter they would be, and
        networks would meet faces alone as something stronger than whatever they have seen.
        """
        out = blended(shown, blend, self.own)
        if self.defence.domain != "pixels":
            out = normalised(out)
        return flipped(out, generator) if self.defence.flips else out

    def draw(self, count: int, generator: Generator, device: torch.device) -> Blend:
        """Draw mixtures for a batch, of a defence that is not adaptive."""
        choices = torch.tensor(self.defence.counts)
        counts = choices[torch.randint(0, len(choices), (count,), generator=generator)]
        return draw_blend(counts.to(device), generator, max(self.defence.counts))

    def _noisy(self, x: Tensor, generator: Generator) -> Tensor:
        if not self.defence.noise:
            return x
        u = torch.rand(x.shape, generator=generator).to(x) - 0.5
        laplace = -u.sign() * torch.log1p(-2 * u.abs().clamp(max=0.5 - 1e-6)) / 2**0.5
        return x + self.defence.noise * laplace * x.std(dim=(1, 2, 3), keepdim=True)


class _Pixels(nn.Module):
    """Pixels as networks like them."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - _MIDDLE) / _SPAN


class _Partial(nn.Module):
    """High frequencies, normalised."""

    def __init__(self, channels: tuple[int, ...], stride: int) -> None:
        super().__init__()
        self.dct = BlockDct(channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        return normalised(self.dct(x))


def publisher(
    which: Defence,
    secret: bytes,
    *,
    stride: int = 1,
    channels: tuple[int, ...] = every_kind(),
    keys: int = 1,
) -> Publisher:
    """Make a defence ready to use.

    Args:
        which: the defence.
        secret: of its mask; those without one ignore it.
        stride: frequencies are made of the blocks of every so manieth pixel.
        channels: that a mask keeps.
        keys: how many masks there are; every photo has one or another.

    """
    if which.domain == "masked":
        spec = MaskSpec(channels=channels, stride=stride, keys=keys)
        return Publisher(which, Mask(spec, secret), len(channels), stride)
    if which.domain == "partial":
        kept = [f for f in LIVE if f // BLOCK + f % BLOCK > _PARTIAL_ABOVE]
        groups = tuple(
            tuple(range(colour * len(kept), (colour + 1) * len(kept))) for colour in range(3)
        )
        every = tuple(PER_COLOUR * colour + f for colour in range(3) for f in kept)
        front = _Partial(every, stride)
        return Publisher(which, front, 3 * _PARTIAL_SHOWN, stride, _groups=groups)
    return Publisher(which, _Pixels(), 3, 1)
