"""Losses of training: distillation from teachers, identity heads, attributes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.errors import UsageError


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of 1 - cosine of (B, D) embeddings of unit length."""
    return 1 - (student * teacher).sum(dim=1).mean()


def relation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared difference of the similarities within a batch, its diagonal left out.

    Source: W. Park et al., "Relational Knowledge Distillation", CVPR 2019, with cosines.
    """
    count = len(student)
    gap = (student @ student.T - teacher @ teacher.T).square()
    return (gap.sum() - gap.diagonal().sum()) / (count * (count - 1))


def contrast_loss(student: Tensor, teacher: Tensor, temperature: float = 0.07) -> Tensor:
    """Cross-entropy of finding the own teacher embedding among those of the batch.

    Source: Y. Tian et al., "Contrastive Representation Distillation", ICLR 2020, within the batch.
    """
    logits = student @ teacher.T / temperature
    return F.cross_entropy(logits, torch.arange(len(student), device=student.device))


def triplet_loss(embeddings: Tensor, people: Tensor, margin: float = 0.2) -> Tensor:
    """Batch-hard triplet loss over the faces of known people; 0 where a batch has no pair.

    Source: A. Hermans et al., "In Defense of the Triplet Loss", arXiv 1703.07737.

    Args:
        embeddings: (B, D) of unit length.
        people: (B,) who it is, -1 for unknown.
        margin: by how much the same person must be nearer, in squared distance.

    """
    known = people >= 0
    e, who = embeddings[known], people[known]
    if len(e) < 2:
        return embeddings.sum() * 0
    far = 2 - 2 * e @ e.T
    same = who[:, None] == who[None]
    itself = torch.eye(len(e), dtype=torch.bool, device=e.device)
    positive = far.masked_fill(~same | itself, -math.inf).amax(dim=1)
    negative = far.masked_fill(same, math.inf).amin(dim=1)
    usable = positive.isfinite() & negative.isfinite()
    if not bool(usable.any()):
        return embeddings.sum() * 0
    return F.relu(positive[usable] - negative[usable] + margin).mean()


class MarginHead(nn.Module):
    """Classification of people with a margin, on the sphere.

    Sources: "arcface" J. Deng et al., CVPR 2019; "cosface" H. Wang et al., CVPR 2018; "adaface"
    M. Kim et al., CVPR 2022, whose margin follows the quality that the embedding's length tells;
    "softmax" is the normalised softmax without a margin; "centre" adds to it the pull to the
    person's centre (Y. Wen et al., ECCV 2016, on the sphere).

    Args:
        kind: one of :data:`KINDS`.
        people: number of people.
        embedding: length of the embedding.
        margin: in radians (arcface, adaface) or cosine (cosface).
        scale: of the cosines.

    """

    KINDS = ("arcface", "cosface", "adaface", "softmax", "centre")

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, kind: str, people: int, embedding: int, *, margin: float = 0.4, scale: float = 32.0
    ) -> None:
        super().__init__()
        if kind not in self.KINDS:
            raise UsageError(f"unknown head {kind!r}: use {', '.join(self.KINDS)}")
        self.kind, self.margin, self.scale = kind, margin, scale
        self.centres = nn.Parameter(F.normalize(torch.randn(people, embedding)))
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))

    def forward(self, raw: Tensor, people: Tensor) -> Tensor:
        """Mean loss of (B, D) raw embeddings of the people (B,), all known."""
        return self.each(raw, people).mean()

    def each(self, raw: Tensor, people: Tensor) -> Tensor:
        """(B,) losses of (B, D) raw embeddings of the people (B,), all known."""
        cosines = self.cosines(raw)
        own = cosines.gather(1, people[:, None])
        logits = cosines.scatter(1, people[:, None], self._with_margin(own, raw))
        loss = F.cross_entropy(self.scale * logits, people, reduction="none")
        return loss + (1 - own)[:, 0] if self.kind == "centre" else loss

    def cosines(self, raw: Tensor) -> Tensor:
        """(B, people) cosines of (B, D) raw embeddings with everybody's centre."""
        unit = F.normalize(raw.float())
        return (unit @ F.normalize(self.centres.float()).T).clamp(-1 + 1e-6, 1 - 1e-6)

    def _with_margin(self, own: Tensor, raw: Tensor) -> Tensor:
        if self.kind == "arcface":
            return torch.cos((torch.acos(own) + self.margin).clamp(max=math.pi))
        if self.kind == "cosface":
            return own - self.margin
        if self.kind == "adaface":
            quality = self._quality(raw)
            turned = (torch.acos(own) - self.margin * quality).clamp(1e-3, math.pi - 1e-3)
            return torch.cos(turned) - self.margin * (1 + quality)
        return own

    def _quality(self, raw: Tensor) -> Tensor:
        """(B, 1) in -1 to 1: how the embeddings' lengths stand to the usual (AdaFace, eq. 7)."""
        length = raw.detach().float().norm(dim=1, keepdim=True).clamp(1e-3, 100)
        if self.training and len(length) > 1:
            self.mean.lerp_(length.mean(), 0.01)
            self.deviation.lerp_(length.std(), 0.01)
        steps: Tensor = (length - self.mean) / (self.deviation + 1e-3)
        return (steps / 3).clamp(-1, 1)


class AttributeHead(nn.Module):
    """Age, sex and race out of the embedding, where they are known.

    Source of the labels: UTKFace (Z. Zhang et al., CVPR 2017).
    """

    _RACES = 5

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.age = nn.Linear(embedding, 1)
        self.sex = nn.Linear(embedding, 2)
        self.race = nn.Linear(embedding, self._RACES)

    def forward(self, embeddings: Tensor, attributes: Tensor) -> Tensor:
        """Loss of (B, D) embeddings against (B, 3) age, sex and race; -1 is unknown."""
        known = attributes[:, 0] >= 0
        if not bool(known.any()):
            return embeddings.sum() * 0
        e, (age, sex, race) = embeddings[known].float(), attributes[known].unbind(1)
        years = F.smooth_l1_loss(self.age(e)[:, 0], age.float() / 30)
        return years + F.cross_entropy(self.sex(e), sex) + F.cross_entropy(self.race(e), race)
