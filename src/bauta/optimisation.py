"""Changing faces in photos, in memory: settings become problems, methods, and changed pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.engine.budgets import Budget, Linf, Perceptual
from bauta.engine.ensemble import Ensemble
from bauta.engine.flow import FlowProblem
from bauta.engine.goals import Dodge, Goal, Impersonate
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import NoFaceError
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas, render_into_photo
from bauta.faces.moving import move_in_photo
from bauta.faces.regions import region_mask
from bauta.media import read_photo
from bauta.methods.registry import methods
from bauta.methods.targets import default_targets
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import PRESETS, Settings

#: Faces that are optimised together; more cost memory and gain no time.
_BATCH = 8
#: Views from which a person's reference embedding is averaged.
_OWN_VIEWS = 4

Pixels = NDArray[np.uint8]


def change_photos(
    photos: Sequence[Pixels],
    faces: Sequence[Sequence[Face]],
    settings: Settings,
    surrogates: Sequence[Recognizer],
    *,
    grey: Sequence[bool] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Pixels]:
    """Protect faces: first pixels are moved, if the settings allow it, then they are changed.

    Args:
        photos: (H, W, 3) uint8 RGB each.
        faces: per photo, the faces to protect.
        settings: how.
        surrogates: recognizers with gradients.
        grey: per photo, whether it is to stay without colour.
        progress: told the share done, 0 to 1.

    Returns:
        New photos.

    """
    grey = grey or [False] * len(photos)
    owners = [index for index, some in enumerate(faces) for _ in some]
    everyone = [face for some in faces for face in some]
    batches = [slice(s, s + _BATCH) for s in range(0, len(owners), _BATCH)]
    problems = [
        build_problem(
            [photos[i] for i in owners[batch]],
            everyone[batch],
            settings,
            surrogates,
            grey=[grey[i] for i in owners[batch]],
        )
        for batch in batches
    ]
    run = _Runs(problems, settings, progress or (lambda _share: None))
    masks = torch.cat([problem.masks for problem in problems]).cpu()
    rows = {i: [row for row, owner in enumerate(owners) if owner == i] for i in owners}
    out = list(photos)
    if settings.displacement:
        flows = run(
            build_method(settings, move=True),
            [FlowProblem.of(problem, settings.displacement) for problem in problems],
        )
        for i, mine in rows.items():
            out[i] = move_in_photo(out[i], faces[i], flows[mine], masks[mine])
        canvases = [cut_canvas([out[i] for i in owners[b]], everyone[b]) for b in batches]
        problems = [
            replace(problem, canvas=canvas.to(settings.device))
            for problem, canvas in zip(problems, canvases, strict=True)
        ]
    deltas = run(build_method(settings), problems)
    limit = budget_of(settings).peak
    for i, mine in rows.items():
        out[i] = render_into_photo(
            out[i], faces[i], deltas[mine], masks[mine], limit=limit, grey=grey[i]
        )
    return out


class _Runs:
    """Runs methods over the same batches of faces, and tells the share of all steps done."""

    def __init__(
        self, problems: Sequence[Problem], settings: Settings, tell: Callable[[float], None]
    ) -> None:
        # What stops a face early is its likeness to the original, also once pixels have moved.
        self.stops = [_early_stop(problem, settings) for problem in problems]
        self.tell = tell
        self.done = 0
        steps = build_method(settings).steps
        if settings.displacement:
            steps += build_method(settings, move=True).steps
        self.total = steps * len(problems)

    def __call__(self, method: IterativeMethod, problems: Sequence[Problem]) -> torch.Tensor:
        found = []
        for problem, stop in zip(problems, self.stops, strict=True):
            found.append(method.run(problem, stop=stop, progress=self._step).cpu())
            self.done += method.steps
        return torch.cat(found)

    def _step(self, done: int, _steps: int) -> None:
        self.tell((self.done + done) / self.total)


def build_method(settings: Settings, *, move: bool = False) -> IterativeMethod:
    """Return the method that the settings name, with its preset's effort.

    Moving pixels (``move``) takes half of the preset's steps, and longer ones: a flow has few
    parameters, and most of them end at the limit.
    """
    preset = PRESETS[settings.preset]
    options: dict[str, Any] = {"reach": 4.0} if move else {}
    if settings.method == "tip-im":
        options["gamma"] = settings.gamma
    return methods[settings.method](
        steps=preset.steps // 2 if move else preset.steps,
        views=preset.views,
        diversity=preset.diversity,
        seed=settings.seed,
        **options,
    )


def budget_of(settings: Settings) -> Budget:
    """How far the settings let a photo be changed."""
    return Perceptual(settings.epsilon) if settings.perceptual else Linf(settings.epsilon)


def build_problem(
    photos: Sequence[NDArray[np.uint8]],
    faces: Sequence[Face],
    settings: Settings,
    surrogates: Sequence[Recognizer],
    *,
    grey: Sequence[bool] | None = None,
) -> Problem:
    """Faces as one optimisation problem.

    Args:
        photos: per face, the (H, W, 3) uint8 RGB photo it is in.
        faces: N faces.
        settings: how to protect them.
        surrogates: recognizers with gradients.
        grey: per face, whether its photo is to stay without colour.

    """
    canvas = cut_canvas(photos, faces).to(settings.device)
    bf16 = native_bf16(settings.device)
    ensemble = Ensemble(surrogates, settings.weights, settings.level, bf16)
    generator = torch.Generator().manual_seed(settings.seed)
    diversity = PRESETS[settings.preset].diversity
    goal = _goal(settings)
    masks = torch.stack([region_mask(face, (settings.region,)) for face in faces])
    ovals = torch.stack([region_mask(face, ("face",)) for face in faces])
    return Problem(
        canvas=canvas,
        masks=masks.to(settings.device),
        faces=ovals.to(settings.device),
        ensemble=ensemble,
        goal=goal,
        budget=budget_of(settings),
        own=own_embeddings(canvas, ensemble, diversity, _OWN_VIEWS, generator),
        targets=_targets(settings, surrogates) if goal.targeted else [],
        grey=torch.tensor(grey or [False] * len(faces), device=settings.device),
    )


def _early_stop(problem: Problem, settings: Settings) -> EarlyStop | None:
    """Early stop on held-out recognizers, if the settings name any."""
    if not settings.held_out:
        return None
    members = [get_surrogate(name).to(settings.device) for name in settings.held_out]
    held_out = Ensemble(members)
    generator = torch.Generator().manual_seed(settings.seed)
    own = own_embeddings(problem.canvas, held_out, NONE, 0, generator)
    return EarlyStop(held_out=held_out, own=own)


def _goal(settings: Settings) -> Goal:
    if settings.goal == "dodge":
        return Dodge()
    return Impersonate(gain=settings.gain, search=settings.target_search)


def _targets(settings: Settings, surrogates: Sequence[Recognizer]) -> list[torch.Tensor]:
    """Per surrogate, (K, D) embeddings of the targets."""
    if not settings.targets:
        tables = [default_targets(s.name) for s in surrogates]
    else:
        photos = [read_photo(path).pixels for path in settings.targets]
        faces = []
        for path, photo in zip(settings.targets, photos, strict=True):
            found = find(photo, detector=settings.detector)
            if not found:
                raise NoFaceError(f"{path}: no face was found in this target photo")
            faces.append(found[0])
        tables = [torch.from_numpy(s.embed(photos, faces)) for s in surrogates]
    if settings.gain == "centre":
        tables = [table.mean(dim=0, keepdim=True) for table in tables]
    return [table.to(settings.device) for table in tables]


def native_bf16(device: str) -> bool:
    """Whether the device computes convolutions in bfloat16 natively, so that they gain time."""
    if not device.startswith("cpu"):
        return False
    with suppress(AttributeError):
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
