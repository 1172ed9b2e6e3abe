"""Inversion: a network learns, from faces the attacker has, to draw what was published.

The attacker knows the defence. In the black box it does not know the secret and learns with one of
its own; in the white box it has stolen it. Of a mixture, the face with the largest share is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bauta.masking.mixing import draw_blend
from bauta.private.attacks.unet import WIDTHS, Critic, UNet
from bauta.private.defences import Publisher
from bauta.recognizers.base import Crop
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.seeds import seed_of
from bauta.training.teachers import to_tensor

#: Told the steps done and in all, and the latest loss.
StepProgress = Callable[[int, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Inversion:
    """How an attacker learns.

    Attributes:
        steps: of learning.
        batch: faces per step.
        rate: highest learning rate of Adam; it falls to 0.
        adversarial: weight of the critic's loss, beside the mean absolute difference in 0-1.
        widths: channels of the U-Net's levels.
        half: whether to compute in bfloat16 on processors too; on GPUs that is always done.
        seed: of all randomness.

    """

    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    adversarial: float = 0.005
    widths: tuple[int, ...] = WIDTHS
    half: bool = False
    seed: int = 0


def published(
    publisher: Publisher, crops: Tensor, counts: Tensor | None, generator: Generator
) -> Tensor:
    """What leaves the owners of (B, 3, H, W) RGB 0-255 crops.

    Args:
        publisher: the defence.
        crops: the faces.
        counts: (B,) how many faces go into each mixture; None: as the defence draws them.
        generator: where randomness comes from.

    """
    shown = publisher.represent(crops, generator)
    blend = (
        publisher.draw(len(crops), generator, crops.device)
        if counts is None
        else draw_blend(counts.to(crops.device), generator)
    )
    return publisher.published(shown, blend, generator)


def drawn_batch(
    publisher: Publisher,
    faces: FaceSet,
    crop: Crop,
    size: int,
    generator: Generator,
    device: torch.device,
    count: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Some of the attacker's faces: which (B,), as they are, and as they would be published."""
    which = torch.randint(0, len(faces), (size,), generator=generator)
    crops = plain_crop(to_tensor(faces.take(which.numpy())).to(device), crop)
    if float(torch.rand((), generator=generator)) < 0.5:
        crops = crops.flip(3)
    counts = None if count is None else torch.full((len(crops),), count)
    return which, crops, published(publisher, crops, counts, generator)


def train_inversion(
    publisher: Publisher,
    faces: FaceSet,
    crop: Crop,
    how: Inversion,
    *,
    device: torch.device,
    count: int | None = None,
    progress: StepProgress | None = None,
) -> UNet:
    """Learn to invert a defence.

    Args:
        publisher: the defence, with the secret that the attacker believes in.
        faces: the attacker's own.
        crop: what is published of them.
        how: how to learn.
        device: where to compute.
        count: faces per mixture; None: as the defence draws them.
        progress: told about every step.

    Returns:
        The network, in evaluation mode.

    """
    torch.manual_seed(how.seed)
    net = UNet(publisher.channels, crop.size, how.widths).to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
    critic = Critic(publisher.channels).to(device)
    own = torch.optim.Adam(net.parameters(), how.rate, betas=(0.5, 0.99))
    other = torch.optim.Adam(critic.parameters(), how.rate / 4, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(own, how.rate, total_steps=how.steps)
    half = how.half or device.type == "cuda"
    for step in range(how.steps):
        generator = Generator().manual_seed(seed_of(how.seed, step))
        _, crops, seen = drawn_batch(publisher, faces, crop, how.batch, generator, device, count)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            drawn = net(seen.contiguous(memory_format=torch.channels_last))
            fooled = F.softplus(-critic(seen, drawn)).mean()
        loss = (drawn - crops).abs().mean() / 255 + how.adversarial * fooled.float()
        own.zero_grad(set_to_none=True)
        loss.backward()
        own.step()
        schedule.step()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            real, fake = critic(seen, crops), critic(seen, drawn.detach())
            told = F.softplus(-real).mean() + F.softplus(fake).mean()
        other.zero_grad(set_to_none=True)
        told.backward()  # type: ignore[no-untyped-call]  # torch's stubs
        other.step()
        if progress:
            progress(step + 1, how.steps, float(loss.detach()))
    return net.eval()


@torch.no_grad()
def reconstructions(net: UNet, seen: Tensor) -> Tensor:
    """(B, 3, size, size) RGB 0-255 faces as the attacker draws them."""
    net.eval()
    parts = [net(part) for part in torch.split(seen, 64)]
    return torch.cat(parts).round().clamp(0, 255)
