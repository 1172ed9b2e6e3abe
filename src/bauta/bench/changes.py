"""What adversaries do before the judges look: change photos, learn, or guess a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from bauta.audit.adversaries import adversaries

if TYPE_CHECKING:
    from bauta.bench.plan import Plan

#: What photos are called to which no adversary has done anything.
CLEAN = "clean"
#: Recognizers that the adversary trains on protected photos of others: :mod:`.learning`.
LEARNERS = ("fine-tuned", "distilled")
#: Guessing a person's mask from posts that wear it: :mod:`.unmasking`.
ESTIMATE = "estimate"


@dataclass(frozen=True)
class Curve:
    """The strengths of an adversary, from the mildest to the hardest, and what they count."""

    unit: str
    strengths: tuple[float, ...]


_POSTS = "protected photos of other people that it learnt from"
#: Adversaries that need more than the photo they look at.
_KNOWING: Mapping[str, Curve] = MappingProxyType(
    {
        # From none: what they see before they have learnt.
        **dict.fromkeys(LEARNERS, Curve(_POSTS, (0, 100, 400))),
        ESTIMATE: Curve("posts with the mask that it is estimated from", (1, 3, 10)),
    }
)


@dataclass(frozen=True)
class Change:
    """An adversary at a strength; without a name, nothing happens.

    Attributes:
        adversary: its name, or "".
        strength: out of its strengths.

    """

    adversary: str = ""
    strength: float = 0.0

    @property
    def name(self) -> str:
        """What its results are called."""
        return f"{self.adversary}-{self.strength:g}" if self.adversary else CLEAN


def adversary_names() -> list[str]:
    """Names of all adversaries that a plan may have."""
    return sorted({*adversaries.names(), *_KNOWING})


def curve_of(name: str) -> Curve:
    """Strengths of an adversary."""
    if name in _KNOWING:
        return _KNOWING[name]
    row = adversaries[name]
    return Curve(row.unit, row.strengths)


def changes_of(plan: Plan) -> list[Change]:
    """Nothing, and then all adversaries of a plan at all strengths."""
    curves = {name: curve_of(name).strengths for name in plan.adversaries}
    return [Change(), *(Change(name, s) for name, some in curves.items() for s in some)]
