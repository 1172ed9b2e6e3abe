"""Cloaks that end users know: what Fawkes and LowKey optimise, inside the same frame and limit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.metrics import ssim
from torch import Generator, Tensor

from bauta.engine.ensemble import fused
from bauta.engine.goals import Impersonate
from bauta.engine.loop import IterativeMethod, State
from bauta.engine.momentum import normalised
from bauta.engine.problem import Problem
from bauta.engine.transforms import Blur, Diversity
from bauta.methods.baselines.base import Setting, baseline

_WINDOW = 11


@dataclass(frozen=True, kw_only=True)
class DssimBound(IterativeMethod):
    """Iterative method whose change is also bounded in DSSIM, (1 - SSIM) / 2.

    Args:
        dssim: largest DSSIM of the face's canvas. A face beyond it is led back before it goes on.

    """

    dssim: float = 0.007

    def gradient(
        self, problem: Problem, state: State, delta: Tensor, generator: Generator
    ) -> Tensor:
        """Gradient of the loss, or of DSSIM for faces that have too much of it."""
        out = super().gradient(problem, state, delta, generator)
        with torch.enable_grad():
            point = delta.detach().requires_grad_(True)
            values = dssim(problem.canvas.images, problem.render(point))
            (back,) = torch.autograd.grad(values.sum(), point)
        beyond = (values.detach() > self.dssim).view(-1, 1, 1, 1)
        return torch.where(beyond, normalised(back), normalised(out))


def dssim(a: Tensor, b: Tensor) -> Tensor:
    """(B,) DSSIM of (B, 3, H, W) pictures, RGB 0-255."""
    return (1 - ssim(a, b, _WINDOW, max_val=255.0).mean(dim=(1, 2, 3))) / 2


@dataclass(frozen=True, kw_only=True)
class Cloak(DssimBound):
    """Toward the target that is farthest from the person (Shan et al., Fawkes, USENIX 2020)."""

    def choose(self, problem: Problem, embeddings: list[Tensor]) -> Tensor | None:
        """(B,) index of the farthest target; it never changes."""
        del embeddings
        rows = zip(problem.own, problem.targets, problem.ensemble.scales, strict=True)
        far = [(o[:, None] - t[None]).square().sum(-1) / scale for o, t, scale in rows]
        return fused(far, problem.ensemble.shares).argmax(dim=1)


@baseline(
    "fawkes", "Shan et al., USENIX Security 2020",
    "far identity, DSSIM 0.007 as in the paper; 50 sign steps instead of 1,000 of Adam",
    goal=Impersonate(away=0.0),
)  # fmt: skip
def _fawkes(at: Setting) -> IterativeMethod:
    return Cloak(steps=50, step_size=1.5 * at.epsilon / 50, dssim=0.007, seed=at.seed)


@baseline(
    "lowkey", "Cherepanova et al., ICLR 2021",
    "50 steps, half of the views blurred by 7 px, as in the paper; DSSIM 0.02 in place of LPIPS",
)  # fmt: skip
def _lowkey(at: Setting) -> IterativeMethod:
    half = Diversity(jitter=None, transforms=(Blur(probability=0.5, sizes=(7,)),), ghosts=0.0)
    step = 1.5 * at.epsilon / 50
    return DssimBound(steps=50, step_size=step, dssim=0.02, views=2, diversity=half, seed=at.seed)
