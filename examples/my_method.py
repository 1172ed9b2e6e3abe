"""A protection method in one file: steps that become smaller, first far, then fine.

BAUTA_PLUGINS=my_method.py bauta protect me.jpg --method shrinking-steps
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bauta.engine.loop import IterativeMethod, State
from bauta.engine.problem import Problem
from bauta.methods.registry import methods


@methods.register("shrinking-steps")
@dataclass(frozen=True, kw_only=True)
class ShrinkingSteps(IterativeMethod):
    """Sign steps whose size falls evenly from the usual one to a share of it.

    Args:
        last: share of the usual size that the last step has.

    """

    last: float = 0.2

    def advance(self, problem: Problem, state: State, direction: Tensor) -> None:
        """Step against ``direction``, and back into the budget."""
        share = 1 - (1 - self.last) * state.step / self.steps
        step = share * self.step_of(problem) * problem.budget.step(direction, problem.limits)
        # Faces that a held-out recognizer has lost already are not active: they stay as they are.
        state.delta = problem.project(state.delta - step * state.active)
