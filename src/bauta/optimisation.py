"""Changing faces in photos, in memory: settings become problems, methods, and changed pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.engine.budgets import Budget, Linf, Perceptual
from bauta.engine.ensemble import Ensemble
from bauta.engine.flow import FlowBudget, FlowProblem
from bauta.engine.goals import Dodge, Goal, Impersonate
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import NoFaceError
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
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
    """Protect faces: pixels are moved, if the settings allow it, and changed.

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
    method = build_method(settings, len(surrogates))
    jobs = [(index, face) for index, some in enumerate(faces) for face in some]
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    answers, masks = [], []
    for number, batch in enumerate(batches):
        problem = build_problem(
            [photos[index] for index, _ in batch],
            [face for _, face in batch],
            settings,
            surrogates,
            grey=[grey[index] for index, _ in batch],
        )

        def step(done: int, steps: int, number: int = number) -> None:
            if progress:
                progress((number + done / steps) / len(batches))

        answer = method.run(problem, stop=_early_stop(problem, settings), progress=step)
        answers.append(answer.cpu())
        masks.append(problem.masks.cpu())
    if not batches:
        return [photo.copy() for photo in photos]
    return _carried_out(photos, faces, torch.cat(answers), torch.cat(masks), settings, grey)


def _carried_out(
    photos: Sequence[Pixels],
    faces: Sequence[Sequence[Face]],
    answers: torch.Tensor,
    masks: torch.Tensor,
    settings: Settings,
    grey: Sequence[bool],
) -> list[Pixels]:
    """Photos with what was found for their faces, which come photo by photo."""
    budget = budget_of(settings)
    flows = None
    if isinstance(budget, FlowBudget):
        flows, answers = budget.unpack(answers)
        budget = budget.pixels
    out, row = [], 0
    for photo, some, plain in zip(photos, faces, grey, strict=True):
        mine = slice(row, row := row + len(some))
        if flows is not None:
            photo = move_in_photo(photo, some, flows[mine], masks[mine])
        out.append(
            render_into_photo(
                photo, some, answers[mine], masks[mine], limit=budget.peak, grey=plain
            )
        )
    return out


def build_method(settings: Settings, surrogates: int = 1) -> IterativeMethod:
    """Return the method that the settings name, with its preset's effort for so many surrogates."""
    preset = PRESETS[settings.preset]
    options: dict[str, Any] = {}
    if settings.method == "tip-im":
        options["gamma"] = settings.gamma
    return methods[settings.method](
        steps=preset.steps,
        views=max(1, round(preset.views / surrogates)),
        diversity=preset.diversity,
        seed=settings.seed,
        **options,
    )


def budget_of(settings: Settings) -> Budget:
    """How far the settings let a photo be changed."""
    pixels = Perceptual(settings.epsilon) if settings.perceptual else Linf(settings.epsilon)
    return FlowBudget(pixels, settings.displacement) if settings.displacement else pixels


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
    budget = budget_of(settings)
    values: dict[str, Any] = {
        "canvas": canvas,
        "masks": masks.to(settings.device),
        "faces": ovals.to(settings.device),
        "ensemble": ensemble,
        "goal": goal,
        "own": own_embeddings(canvas, ensemble, diversity, _OWN_VIEWS, generator),
        "targets": _targets(settings, surrogates) if goal.targeted else [],
        "grey": torch.tensor(grey or [False] * len(faces), device=settings.device),
    }
    if isinstance(budget, FlowBudget):
        return FlowProblem(budget=budget, **values)
    return Problem(budget=budget, **values)


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
