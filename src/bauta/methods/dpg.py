"""DPG: a traceable adversarial watermark. One change hides a face and says whose photo it is.

Source: Y. Zhang et al., "Double Privacy Guard: Robust Traceable Adversarial Watermarking against
Face Recognition", arXiv 2404.14693. The paper's networks mark in one pass; refining on the photo is
beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bauta.engine.budgets import Budget, Linf, Perceptual
from bauta.engine.flow import GRID, FlowBudget
from bauta.engine.loop import EarlyStop, StepProgress
from bauta.engine.problem import Problem
from bauta.errors import UsageError
from bauta.methods.registry import methods
from bauta.methods.tip_im import TipIm
from bauta.watermark.codes import from_hex
from bauta.watermark.embedding import bits_of
from bauta.watermark.marking import mark_of, network_frames
from bauta.watermark.weights import trained_networks


@methods.register("dpg")
@dataclass(frozen=True, kw_only=True)
class Dpg(TipIm):
    """Hide faces first, as :class:`TipIm` does, then mark what came of it, within one budget.

    The order counts: a mark that the encoder draws on the hidden face is read as well as ever,
    while steps against recognizers wear off one that is there already.

    Args:
        word: the 64 bits of the mark, as 16 hexadecimal digits.
        refine: whether faces are hidden by gradient steps; else the mark is all there is.
        share: of the budget's root mean square, what is kept for the mark.

    """

    word: str = ""
    refine: bool = True
    share: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges, and that there is something to mark with."""
        super().__post_init__()
        if not 0 < self.share < 1:
            raise UsageError(f"share must be between 0 and 1, got {self.share}")
        if not self.word:
            raise UsageError("the method dpg marks with a key: give --key and --id")
        from_hex(self.word)

    def run(
        self,
        problem: Problem,
        *,
        begin: Tensor | None = None,
        stop: EarlyStop | None = None,
        progress: StepProgress | None = None,
    ) -> Tensor:
        """Hide, then mark; see :meth:`IterativeMethod.run`."""
        if not self.refine:
            if progress:
                progress(self.steps, self.steps)
            return self._marked(problem, _nothing(problem), problem.budget)
        hiding, marking = shared_out(problem.budget, self.share)
        answer = super().run(
            replace(problem, budget=hiding), begin=begin, stop=stop, progress=progress
        )
        return self._marked(problem, answer, marking)

    @torch.no_grad()
    def _marked(self, problem: Problem, answer: Tensor, budget: Budget) -> Tensor:
        """An answer, with the mark of what it leads to."""
        encoder = trained_networks(str(answer.device)).networks.encoder
        seen = replace(problem.canvas, images=problem.render(answer))
        bits = bits_of(from_hex(self.word)).to(answer).expand(len(answer), -1)
        pixels = budget.pixels if isinstance(budget, FlowBudget) else budget
        mark, _ = mark_of(encoder, network_frames(seen), bits, problem.limits, pixels)
        if isinstance(problem.budget, FlowBudget):
            flows, deltas = problem.budget.unpack(answer)
            return problem.project(problem.budget.pack(flows, deltas + mark))
        return problem.project(answer + mark)


def shared_out(budget: Budget, share: float) -> tuple[Budget, Budget]:
    """A budget in two, so that both together stay within it: what hides, and what marks.

    Mean squares add up, as the two have nothing to do with each other; hard limits add up as such.
    """
    if isinstance(budget, FlowBudget):
        hiding, marking = shared_out(budget.pixels, share)
        return replace(budget, pixels=hiding), replace(budget, pixels=marking)
    if isinstance(budget, Perceptual):
        rest = (1 - share**2) ** 0.5
        return replace(budget, rms=rest * budget.rms), replace(budget, rms=share * budget.rms)
    assert isinstance(budget, Linf)
    return Linf((1 - share) * budget.epsilon), Linf(share * budget.epsilon)


def _nothing(problem: Problem) -> Tensor:
    """The answer that changes nothing."""
    deltas = problem.masks.new_zeros(len(problem.canvas), 3, problem.size, problem.size)
    if isinstance(problem.budget, FlowBudget):
        return problem.budget.pack(deltas.new_zeros(len(deltas), 2, GRID, GRID), deltas)
    return deltas
