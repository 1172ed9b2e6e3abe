"""Adversaries that learn: recognizers trained on protected photos of other people.

The adversary knows the method, protects photos of people at hand with it, and teaches a network to
find in the protected photo what a teacher finds in the clean one. What it learns about the method's
masks is then tried on people that it has never seen.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate

_STEPS = 300
#: Photos per step; each is seen clean and protected.
_BATCH = 16
_RATE = 3e-4
#: Ridge of the first linear map from the student's embeddings to the teacher's.
_RIDGE = 1e-2


@dataclass(frozen=True, kw_only=True)
class Learner:
    """An adversary that learns.

    Attributes:
        student: recognizer that it starts as.
        teacher: recognizer whose embeddings of clean photos it learns.

    """

    student: str
    teacher: str


#: The shipped judge learns to see through masks; a default surrogate, which they fool most, learns
#: anew what it was fooled about from a recognizer that they fool less.
LEARNING: Mapping[str, Learner] = MappingProxyType(
    {
        "fine-tuned": Learner(student="tight-judge", teacher="tight-judge"),
        "distilled": Learner(student="tight-ms1m", teacher="tight-judge"),
    }
)


class _Adapted(nn.Module):
    """A network whose embeddings are mapped to those of another."""

    def __init__(self, network: nn.Module, weight: Tensor) -> None:
        super().__init__()
        self.network = network
        self.weight = nn.Parameter(weight)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, H, W) RGB 0-255 to (B, D) embeddings of unit length."""
        return F.normalize(self.network(crops) @ self.weight)


def student_of(learner: Learner, crops: Tensor, targets: Tensor) -> Recognizer:
    """The recognizer that learns, before it has: a copy, mapped to the teacher's embeddings.

    Args:
        learner: who.
        crops: (N, 3, H, W) clean crops, RGB 0-255, as the student cuts them.
        targets: (N, D) what the teacher says of them.

    """
    start = get_surrogate(learner.student)
    network = copy.deepcopy(start.network)
    if learner.student != learner.teacher:
        network = _Adapted(network, _first_map(start, crops, targets))
    return Recognizer(
        name=learner.student,
        crop=start.crop,
        network=network,
        weights="trained by an adversary",
        device=start.device,
    )


@torch.no_grad()
def _first_map(start: Recognizer, crops: Tensor, targets: Tensor) -> Tensor:
    """(D, E) linear map of the student's embeddings that comes nearest to the teacher's."""
    seen = torch.cat([start.embed_crops(some) for some in torch.split(crops, start.batch)])
    ridge = _RIDGE * len(seen) * torch.eye(seen.shape[1], device=seen.device)
    weight: Tensor = torch.linalg.solve(seen.T @ seen + ridge, seen.T @ targets)
    return weight


def learn(
    student: Recognizer,
    clean: Tensor,
    changed: Tensor,
    targets: Tensor,
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Train a recognizer to find in clean and protected crops what the teacher finds in clean ones.

    Args:
        student: it is changed in place.
        clean: (N, 3, H, W) crops, RGB 0-255.
        changed: (N, 3, H, W) of the same photos, protected.
        targets: (N, D) the teacher's embeddings of the clean ones, of unit length.
        seed: seed of all randomness.
        progress: told the steps done and in all.

    """
    generator = torch.Generator().manual_seed(seed)
    network = student.network.requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
    for step in range(_STEPS):
        which = torch.randint(len(clean), (_BATCH,), generator=generator)
        crops = torch.cat([clean[which], changed[which]]).to(student.device)
        flipped = torch.rand(len(crops), generator=generator) < 0.5
        crops = torch.where(flipped.to(crops.device).view(-1, 1, 1, 1), crops.flip(-1), crops)
        wanted = targets[which].repeat(2, 1).to(crops)
        loss = 1 - (student.embed_crops(crops) * wanted).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, _STEPS)
    network.requires_grad_(False)
