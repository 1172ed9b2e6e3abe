"""The strategy: a network that says of every face with how many others it is mixed.

Source: W. Wang et al., arXiv 2403.10558: it learns by REINFORCE (R. J. Williams, 1992) with the
recognition loss as reward, which recognition in turn brings down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

#: How many faces a mixture may have.
COUNTS = (2, 3, 4, 5, 6)
_GRID, _EXPLORE = 4, 0.05
#: How steeply missing grows dear, and the least span of misses that it is measured by.
_GAIN, _LEAST_ROOM, _DEAREST = 4.0, 0.02, 3.0


class Strategy(nn.Module):
    """Map (B, C, H, W) masked faces to logits of how many faces are mixed, and expected rewards.

    It looks at how strong each channel is in the squares of a 4 x 4 grid.
    """

    def __init__(self, channels: int, hidden: int = 64) -> None:
        super().__init__()
        self.look = nn.Linear(channels * _GRID * _GRID, hidden)
        self.choose = nn.Linear(hidden, len(COUNTS))
        self.expect = nn.Linear(hidden, 1)
        nn.init.zeros_(self.choose.weight)
        nn.init.zeros_(self.choose.bias)

    def forward(self, masked: Tensor) -> tuple[Tensor, Tensor]:
        """See the class: (B, 5) and (B,)."""
        strength = F.adaptive_avg_pool2d(masked.abs(), _GRID).flatten(1).float()
        seen = F.gelu(self.look(strength - strength.mean(dim=1, keepdim=True)))
        return self.choose(seen), self.expect(seen)[:, 0]


@dataclass(frozen=True, eq=False)
class Choice:
    """What a strategy chose.

    Attributes:
        index: (B,) places in :data:`COUNTS`.
        chances: (B, 5) logarithms of the probabilities that it was chosen with; differentiable.
        expected: (B,) rewards that were expected; differentiable.

    """

    index: Tensor
    chances: Tensor
    expected: Tensor

    @property
    def counts(self) -> Tensor:
        """(B,) how many faces are mixed."""
        return torch.tensor(COUNTS, device=self.index.device)[self.index]


def choose(strategy: nn.Module, masked: Tensor, generator: Generator) -> Choice:
    """Draw how many faces each is mixed with."""
    logits, expected = strategy(masked)
    even = torch.full_like(logits, 1 / len(COUNTS))
    chances = ((1 - _EXPLORE) * logits.softmax(dim=1) + _EXPLORE * even).log()
    drawn = torch.multinomial(chances.detach().exp().cpu(), 1, generator=generator)
    return Choice(drawn[:, 0].to(masked.device), chances, expected)


@dataclass
class Bound:
    """How far recognition may miss: between what it does at 2 faces and at 6, as privacy says.

    What recognition misses at each count is followed while it learns, so that the bound means the
    same early and late. Missing costs the more the further recognition is above the bound; at the
    bound it costs as much as the loss is worth, so that neither more nor fewer faces gain anything.

    Attributes:
        privacy: 0 (as accurate as with 2) to 1 (as private as with 6).
        missed: how far faces were missed at each count, 0 to 1, followed slowly.
        seen: how many faces that is about.
        lately: how far faces were missed in the last batches.

    """

    privacy: float
    missed: Tensor
    seen: Tensor
    lately: float = 1.0

    @classmethod
    def start(cls, privacy: float) -> Bound:
        """Nothing is known yet."""
        return cls(privacy, torch.ones(len(COUNTS)), torch.zeros(len(COUNTS)))

    @property
    def allowed(self) -> float:
        """How far faces may be missed."""
        few, many = float(self.missed[0]), float(self.missed[-1])
        return few + self.privacy * max(0.0, many - few)

    @property
    def price(self) -> float:
        """What missing costs, in units of what the loss is worth."""
        room = max(_LEAST_ROOM, float(self.missed[-1] - self.missed[0]))
        return min(_DEAREST, max(0.0, 1 + _GAIN * (self.lately - self.allowed) / room))

    def update(self, index: Tensor, missed: Tensor, *, memory: float = 0.98) -> None:
        """Take in how far faces (B,) of a batch were missed, mixed as ``index`` says."""
        here, out = index.detach().cpu(), missed.detach().float().cpu()
        first = not bool(self.seen.any())
        for place in range(len(COUNTS)):
            of = here == place
            if bool(of.any()):
                # Of the first few it is their mean.
                keep = min(memory, float(self.seen[place]) / float(self.seen[place] + of.sum()))
                self.missed[place] = keep * self.missed[place] + (1 - keep) * out[of].mean()
                self.seen[place] += of.sum()
        self.lately = float(out.mean()) if first else 0.8 * self.lately + 0.2 * float(out.mean())


def rewards(losses: Tensor, missed: Tensor, price: float) -> Tensor:
    """(B,) what the strategy gets: recognition's loss, minus what its misses cost.

    Both count as they stand to the batch's, so that neither outgrows the other.
    """
    return _standing(losses) - price * _standing(missed)


def _standing(x: Tensor) -> Tensor:
    """Deviations from the batch's mean, in units of its deviation."""
    x = x.detach().float()
    return (x - x.mean()) / x.std(correction=0).clamp(min=1e-3)


def strategy_loss(choice: Choice, reward: Tensor, entropy: float) -> tuple[Tensor, Tensor]:
    """REINFORCE with a baseline that is learned, and a bonus for entropy; and that entropy."""
    gain = (reward - choice.expected).detach()
    own = choice.chances.gather(1, choice.index[:, None])[:, 0]
    disorder = -(choice.chances.exp() * choice.chances).sum(dim=1).mean()
    guess = F.mse_loss(choice.expected, reward)
    return -(own * gain).mean() - entropy * disorder + 0.5 * guess, disorder.detach()
