"""DPG: a traceable adversarial watermark. One change hides a face and says whose photo it is.

Source: Y. Zhang et al., "Double Privacy Guard: Robust Traceable Adversarial Watermarking against
Face Recognition", arXiv 2404.14693. The paper's networks mark in one pass; descending on the photo,
on what recognizers and the decoder say at once, is beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from bauta.engine.flow import GRID, FlowBudget
from bauta.engine.loop import EarlyStop, State, StepProgress
from bauta.engine.problem import Problem
from bauta.methods.registry import methods
from bauta.methods.tip_im import TipIm
from bauta.watermark.codes import from_hex
from bauta.watermark.distortions import DISTORTIONS
from bauta.watermark.embedding import bits_of
from bauta.watermark.marking import mark_of, network_frames
from bauta.watermark.weights import trained_networks

#: What may happen to the photo afterwards, of which each step meets so many.
_DISTORTIONS, _MET = ("realigned", "jpeg", "soft-jpeg", "shared", "blur", "resize"), 2
#: Log odds of each bit that are enough.
_ENOUGH = 4.0


@methods.register("dpg")
@dataclass(frozen=True, kw_only=True)
class Dpg(TipIm):
    """Mark a face in one pass, then hide it by :class:`TipIm`'s steps, which keep the mark.

    Every step follows two gradients: what recognizers say, and what the decoder reads after real
    distortions. The second counts as far as bits are not read surely enough.

    Args:
        word: the 64 bits of the mark, as 16 hexadecimal digits; by default nobody's.
        refine: whether faces are hidden by gradient steps; else the mark is all there is.
        loudest: most that reading counts, in units of hiding.

    """

    word: str = "0" * 16
    refine: bool = True
    loudest: float = 4.0

    def __post_init__(self) -> None:
        """Check the ranges and the word."""
        super().__post_init__()
        from_hex(self.word)

    def run(
        self,
        problem: Problem,
        *,
        begin: Tensor | None = None,
        stop: EarlyStop | None = None,
        progress: StepProgress | None = None,
    ) -> Tensor:
        """Mark, then hide; see :meth:`IterativeMethod.run`."""
        if not self.refine:
            if progress:
                progress(self.steps, self.steps)
            return self._marked(problem)
        begin = self._marked(problem) if begin is None else begin
        return super().run(problem, begin=begin, stop=stop, progress=progress)

    def gradient(
        self, problem: Problem, state: State, delta: Tensor, generator: Generator
    ) -> Tensor:
        """Gradient of both losses, each brought to the same size and weighed."""
        hiding = super().gradient(problem, state, delta, generator)
        reading, missing = self._reading(problem, delta, generator)
        return _even(hiding) + self.loudest * missing * _even(reading)

    def _reading(
        self, problem: Problem, delta: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Gradient of what the decoder misses, and (B, 1, 1, 1) how much that is, 0 to 1."""
        decoder = trained_networks(str(delta.device)).networks.decoder
        bits = bits_of(from_hex(self.word)).to(delta)
        with torch.enable_grad():
            point = delta.detach().requires_grad_(True)
            frames = network_frames(replace(problem.canvas, images=problem.render(point)))
            losses = []
            for at in torch.randperm(len(_DISTORTIONS), generator=generator)[:_MET].tolist():
                seen = _alike(_DISTORTIONS[at], frames, generator)
                losses.append((1 - decoder(seen) * bits / _ENOUGH).clamp_min(0).mean(dim=1))
            loss = torch.stack(losses).mean(dim=0)
            (gradient,) = torch.autograd.grad(loss.sum(), point)
        return gradient, loss.detach().clamp(max=1).view(-1, 1, 1, 1)

    @torch.no_grad()
    def _marked(self, problem: Problem) -> Tensor:
        """What the encoder draws on the faces as they are."""
        encoder = trained_networks(str(problem.masks.device)).networks.encoder
        frames = network_frames(problem.canvas)
        bits = bits_of(from_hex(self.word)).to(frames).expand(len(frames), -1)
        budget = problem.budget
        pixels = budget.pixels if isinstance(budget, FlowBudget) else budget
        mark, _ = mark_of(encoder, frames, bits, problem.limits, pixels)
        if isinstance(budget, FlowBudget):
            mark = budget.pack(mark.new_zeros(len(mark), 2, GRID, GRID), mark)
        return problem.project(mark)


def _alike(name: str, frames: Tensor, generator: Generator) -> Tensor:
    """A distortion, the same for all faces, so that company changes nothing."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    change = DISTORTIONS[name]
    parts = [change(frame[None], torch.Generator().manual_seed(seed)) for frame in frames]
    return torch.cat(parts)


def _even(gradient: Tensor) -> Tensor:
    """(B, ...) gradients of mean absolute value 1, face by face."""
    size = gradient.abs().flatten(1).mean(dim=1).clamp_min(1e-12)
    return gradient / size.view(-1, *(1,) * (gradient.dim() - 1))
