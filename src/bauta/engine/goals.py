"""Goals: what a protected face should look like to a recognizer.

Goals see distances only, never networks. A distance is the squared Euclidean one between
embeddings, divided by its value at the recognizer's threshold, so that 1 is where two faces stop
counting as one person, and recognizers with different scales can be added up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bauta.errors import UsageError

Gain = Literal["max", "sum", "min", "centre"]
Search = Literal["embedding", "exact"]


class Goal(ABC):
    """What is wanted of a protected face."""

    #: Whether targets are needed.
    targeted: bool = False

    @abstractmethod
    def loss(self, own: Tensor, targets: Tensor | None, choice: Tensor | None) -> Tensor:
        """Loss to minimise, per face.

        Args:
            own: (B, ...) distances to the person themselves.
            targets: (B, ..., K) distances to the targets, or None.
            choice: (B,) index of the target that each face is drawn to, or None.

        Returns:
            Loss of the shape of ``own``.

        """


@dataclass(frozen=True, kw_only=True)
class Dodge(Goal):
    """Not to be recognised as oneself."""

    def loss(self, own: Tensor, targets: Tensor | None, choice: Tensor | None) -> Tensor:
        """Loss to minimise: see :meth:`Goal.loss`."""
        del targets, choice
        return -own


@dataclass(frozen=True, kw_only=True)
class Impersonate(Goal):
    """To be taken for one of a set of targets, and not for oneself.

    Source: Yang et al., "Towards Face Encryption by Generating Adversarial Identity Masks",
    ICCV 2021, equations 2 to 5.

    Args:
        gain: how a candidate is scored over all targets: the paper's "max", its variants "sum"
            and "min", or "centre", which optimises toward the targets' centre (Center-Opt).
        search: "embedding" predicts the best target from the embeddings at hand and needs one
            backward pass a step; "exact" is the paper's, with one per target.
        away: weight of the distance to oneself.

    """

    gain: Gain = "max"
    search: Search = "embedding"
    away: float = 1.0
    targeted = True

    def __post_init__(self) -> None:
        """Check the names."""
        if self.gain not in ("max", "sum", "min", "centre"):
            raise UsageError(f"gain must be max, sum, min or centre, got {self.gain!r}")
        if self.search not in ("embedding", "exact"):
            raise UsageError(f"search must be embedding or exact, got {self.search!r}")

    def loss(self, own: Tensor, targets: Tensor | None, choice: Tensor | None) -> Tensor:
        """Loss to minimise: see :meth:`Goal.loss`."""
        assert targets is not None
        assert choice is not None
        index = choice.view(-1, *[1] * (targets.dim() - 1)).expand(*targets.shape[:-1], 1)
        return targets.gather(-1, index)[..., 0] - self.away * own

    def gains(self, own: Tensor, targets: Tensor) -> Tensor:
        """Gain of candidates, to be maximised.

        Args:
            own: (...) distances to the person.
            targets: (..., K) distances to the targets.

        Returns:
            (...) G = log(1 + f_j exp(own - target_j)), f one of max, sum, min.

        """
        margin = own[..., None] - targets
        if self.gain == "sum":
            inner = torch.logsumexp(margin, dim=-1)
        elif self.gain == "min":
            inner = margin.amin(dim=-1)
        else:
            inner = margin.amax(dim=-1)
        return torch.nn.functional.softplus(inner)
