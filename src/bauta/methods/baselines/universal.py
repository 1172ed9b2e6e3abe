"""Masks for all photos of a person: GD-UAP, FI-UAP and OPOM, plain, with momentum, with dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from bauta.engine.loop import IterativeMethod, State
from bauta.engine.momentum import Momentum
from bauta.engine.problem import Problem
from bauta.engine.shared import SharedProblem
from bauta.engine.transforms import NONE
from bauta.methods.baselines.base import Setting, baseline

_STEPS = 50
#: OPOM's code: steps of one grey level, a rate of dropout of 0.1 in the variants with DFANet.
_STEP, _DROPOUT = 1.0, 0.1

#: What is added to the names of variants, and what the variant does.
_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "": {"momentum": Momentum(decay=0.0), "diversity": NONE},
    "-m": {"momentum": Momentum(), "diversity": NONE},
    "-md": {"momentum": Momentum(), "diversity": replace(NONE, dropout=_DROPOUT)},
}


@dataclass(frozen=True, kw_only=True)
class OutsideFirst(IterativeMethod):
    """Away from the centre until the photos are outside of the hull, then away from the hull.

    Args:
        outside: share of the steps that lead away from the centre.

    """

    outside: float = 0.3

    def gradient(
        self, problem: Problem, state: State, delta: Tensor, generator: Generator
    ) -> Tensor:
        """See :meth:`IterativeMethod.gradient`."""
        assert isinstance(problem, SharedProblem)
        if state.step < self.outside * self.steps:
            problem = replace(problem, away_from="centre")
        return super().gradient(problem, state, delta, generator)


@dataclass(frozen=True, kw_only=True)
class GdUap(IterativeMethod):
    """Data-free: the mask alone shall excite every layer (Mopuri et al., TPAMI 2019)."""

    def gradient(
        self, problem: Problem, state: State, delta: Tensor, generator: Generator
    ) -> Tensor:
        """Gradient of minus the sum of the logarithms of all layers' norms."""
        del state
        canvas = problem.canvas
        flat = replace(
            problem, canvas=replace(canvas, images=torch.full_like(canvas.images, 127.5))
        )
        out: list[Tensor] = []
        hooks = [
            layer.register_forward_hook(lambda _module, _inputs, y: out.append(y))
            for member in problem.ensemble.members
            for layer in member.network.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        ]
        try:
            with torch.enable_grad():
                point = delta.detach().requires_grad_(True)
                images = flat.render(point)
                problem.ensemble.embed(flat.canvas, images, self.diversity, self.views, generator)
                loss = -torch.stack([y.flatten(1).norm(dim=1).log().mean() for y in out]).sum()
                return torch.autograd.grad(loss, point)[0]
        finally:
            for hook in hooks:
                hook.remove()


def _register(
    name: str, paper: str, away_from: str, kind: type[IterativeMethod] = IterativeMethod
) -> None:
    """Register a mask in its variants; dropout drowns what is done without data."""
    variants = [v for v in _VARIANTS if kind is not GdUap or v != "-md"]
    for variant in variants:
        options = _VARIANTS[variant]

        def build(at: Setting, options: Mapping[str, Any] = options) -> IterativeMethod:
            return kind(steps=_STEPS, step_size=_STEP, start=1.0, seed=at.seed, **options)

        settings = f"{_STEPS} steps of one grey level, random start, as OPOM's code"
        if variant == "-md":
            settings += f"; dropout {_DROPOUT} (DFANet), there too"
        baseline(f"{name}{variant}", paper, settings, away_from=away_from)(build)


_OPOM = "Zhong and Deng, TPAMI 2022"
_register("gd-uap", "Mopuri et al., TPAMI 2019", "photo", GdUap)
_register("fi-uap", _OPOM, "photo")
_register("fi-uap+", _OPOM, "photos")
_register("opom-centre", _OPOM, "centre")
_register("opom-affine", _OPOM, "affine")
_register("opom-convex", _OPOM, "convex", OutsideFirst)
