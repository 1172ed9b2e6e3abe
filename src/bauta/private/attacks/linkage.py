"""Linkage: a student learns to see in masked faces what a teacher sees in clear ones.

Source: FaceLinkGen's question: whoever can match published faces with clear ones knows who they
are, whether or not he can draw them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, nn

from bauta.private.attacks.inversion import drawn_batch
from bauta.private.defences import Publisher
from bauta.recognizers.base import Crop
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.faceset import FaceSet
from bauta.training.losses import contrast_loss, cosine_loss
from bauta.training.seeds import seed_of

StepProgress = Callable[[int, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Linkage:
    """How an attacker's student learns.

    Attributes:
        steps: of learning.
        batch: faces per step.
        rate: highest learning rate of AdamW; it falls to 0.
        family: of the student.
        network: further arguments of the family.
        seed: of all randomness.

    """

    steps: int = 2000
    batch: int = 128
    rate: float = 2e-3
    family: str = "mobilefacenet"
    network: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


def train_linkage(
    publisher: Publisher,
    faces: FaceSet,
    targets: NDArray[np.float32],
    crop: Crop,
    how: Linkage,
    *,
    device: torch.device,
    count: int | None = None,
    progress: StepProgress | None = None,
) -> MaskedNetwork:
    """Distil a teacher of clear faces into a student of published ones.

    Args:
        publisher: the defence, with the secret that the attacker believes in.
        faces: the attacker's own.
        targets: (N, D) the teacher's embeddings of them, of unit length.
        crop: what is published of them.
        how: how to learn.
        device: where to compute.
        count: faces per mixture; None: as the defence draws them.
        progress: told about every step.

    """
    torch.manual_seed(how.seed)
    inner = build_network(
        how.family, size=crop.size, embedding=targets.shape[1], options=how.network
    )
    student = MaskedNetwork(inner, nn.Identity(), publisher.channels, publisher.stride).to(device)
    optimizer = torch.optim.AdamW(student.parameters(), how.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, total_steps=how.steps)
    table = torch.from_numpy(targets).to(device)
    student.train()
    for step in range(how.steps):
        generator = Generator().manual_seed(seed_of(how.seed, step))
        which, _, seen = drawn_batch(publisher, faces, crop, how.batch, generator, device, count)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            raw = student.of_masked(seen)
        told, wanted = F.normalize(raw.float()), table[which.to(device)]
        loss = cosine_loss(told, wanted) + 0.25 * contrast_loss(told, wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, how.steps, float(loss.detach()))
    return student.eval()
