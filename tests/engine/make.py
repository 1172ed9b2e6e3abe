"""A small recognizer and problems about made-up faces, so that engine tests take milliseconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bauta.engine.budgets import Linf
from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Dodge
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.faces.frame import cut_canvas
from bauta.recognizers.base import Recognizer, affine_crop
from tests.faces.make import face_at, noise

SIZE = 48


class ToyNetwork(nn.Module):
    """Coarse brightness pattern of a crop, mixed at random, of unit length."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("mix", torch.randn(3 * 8 * 8, 16, generator=generator))

    def forward(self, crops: Tensor) -> Tensor:
        coarse = nn.functional.adaptive_avg_pool2d(crops / 255 - 0.5, 8).flatten(1)
        return nn.functional.normalize(torch.tanh(coarse @ self.mix))


class Toy(Recognizer):
    """A recognizer with a threshold that nobody needs to measure."""

    threshold = 0.8  # type: ignore[assignment]  # a property there


def toy(seed: int = 0) -> Toy:
    return Toy(f"toy-{seed}", affine_crop(32, (0.2, 0.2), 0.6), ToyNetwork(seed), f"toy-{seed}")


def problem(count: int = 2, **changes: Any) -> Problem:
    """Faces in noise, to be dodged within 8 grey levels."""
    photos = [noise(90, 100, seed) for seed in range(count)]
    faces = [face_at(48 + i, 45, 70 + 3 * i, 10 * i) for i in range(count)]
    canvas = cut_canvas(photos, faces)
    ensemble = changes.pop("ensemble", None) or Ensemble([toy()])
    values: dict[str, Any] = {
        "canvas": canvas,
        "masks": torch.ones(count, 1, SIZE, SIZE),
        "faces": torch.ones(count, 1, SIZE, SIZE),
        "ensemble": ensemble,
        "goal": Dodge(),
        "budget": Linf(8),
        "own": own_embeddings(canvas, ensemble, NONE, 0, torch.Generator()),
        "targets": [],
        "grey": torch.zeros(count, dtype=torch.bool),
    }
    return Problem(**{**values, **changes})


def distance_now(of: Problem, delta: Tensor) -> Tensor:
    """(B,) mean distance of the changed faces to themselves."""
    embeddings = of.ensemble.embed(of.canvas, of.render(delta), NONE, 1, torch.Generator())
    own, _ = of.distances(embeddings)
    return torch.stack(own).mean(dim=(0, 2))
