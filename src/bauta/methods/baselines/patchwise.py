"""PI-FGSM: what a step cannot use because of the limit is passed on to the pixels around."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bauta.engine.loop import IterativeMethod, State
from bauta.engine.momentum import Momentum
from bauta.engine.problem import Problem
from bauta.engine.transforms import NONE
from bauta.methods.baselines.base import Setting, baseline


@dataclass
class _Overflowing(State):
    """A state that also knows all steps so far, as if there were no limit."""

    wanted: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class PatchWise(IterativeMethod):
    """Patch-wise iterative method (Gao et al., "Patch-wise Attack", ECCV 2020, algorithm 1).

    Args:
        amplification: by how much steps are longer than epsilon / steps.
        window: side of the uniform window that passes on the excess, odd.

    """

    amplification: float = 10.0
    window: int = 3

    def initial(self, problem: Problem, generator: Generator) -> State:
        """Random start, nothing wanted yet."""
        state = super().initial(problem, generator)
        zero = torch.zeros_like(state.delta)
        return _Overflowing(state.delta, state.velocity, state.active, wanted=zero)

    def advance(self, problem: Problem, state: State, direction: Tensor) -> None:
        """Step, and pass on what is beyond the limit."""
        assert isinstance(state, _Overflowing)
        assert state.wanted is not None
        step = self.amplification * problem.budget.epsilon / self.steps
        move = -step * direction.sign()
        state.wanted = state.wanted + move
        over = (state.wanted.abs() - problem.budget.epsilon).clamp(min=0) * state.wanted.sign()
        passed = step * self._around(over).sign()
        state.wanted = state.wanted + passed
        state.delta = problem.project(state.delta + (move + passed) * state.active)

    def _around(self, over: Tensor) -> Tensor:
        """Mean of the neighbours, the middle left out."""
        area = self.window**2
        kernel = over.new_full((1, 1, self.window, self.window), 1 / (area - 1))
        kernel[..., self.window // 2, self.window // 2] = 0
        channels = over.shape[1]
        weight = kernel.expand(channels, 1, -1, -1)
        return F.conv2d(over, weight, padding=self.window // 2, groups=channels)


@baseline("pi-fgsm", "Gao et al., ECCV 2020", "10 steps, amplification 10, window 3: the paper")
def _pi(at: Setting) -> IterativeMethod:
    return PatchWise(steps=10, momentum=Momentum(decay=0.0), diversity=NONE, seed=at.seed)
