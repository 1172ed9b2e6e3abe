"""Changing faces in photos, in memory: settings become problems, methods, and changed pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.budgets import Budget, Guide, pixel_budget
from bauta.engine.ensemble import Ensemble, native_bf16
from bauta.engine.flow import FlowBudget, FlowProblem
from bauta.engine.goals import Dodge, Goal, Impersonate
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import NoFaceError, UsageError
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import FRAME_SIZE, cut_canvas
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
from bauta.makeup.reference import read_reference
from bauta.media import read_photo
from bauta.methods.registry import methods
from bauta.methods.targets import default_targets
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import default_held_out, get_surrogate
from bauta.settings import PRESETS, Settings

#: Faces that are optimised together; more cost memory and gain no time.
_BATCH = 8
#: Views from which a person's reference embedding is averaged.
_OWN_VIEWS = 4
#: Share of epsilon that is enough for faces that are lost with it.
_SPARED = 0.75

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
    jobs = [(index, face) for index, some in enumerate(faces) for face in some]
    if not jobs:
        return [photo.copy() for photo in photos]
    found: list[Found] = []
    for start in range(0, len(jobs), _BATCH):
        batch = jobs[start : start + _BATCH]
        given = _Given(
            photos=[photos[index] for index, _ in batch],
            faces=[face for _, face in batch],
            grey=[grey[index] for index, _ in batch],
            surrogates=surrogates,
        )

        def tell(share: float, start: int = start, count: int = len(batch)) -> None:
            if progress:
                progress((start + share * count) / len(jobs))

        found += _searched(given, settings, tell)
    return carried_out(photos, faces, found, settings, grey)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Given:
    """Faces that are optimised together.

    Attributes:
        photos: per face, the photo it is in.
        faces: N faces.
        grey: per face, whether its photo is to stay without colour.
        surrogates: recognizers with gradients.

    """

    photos: Sequence[Pixels]
    faces: Sequence[Face]
    grey: Sequence[bool]
    surrogates: Sequence[Recognizer]

    def problem(self, settings: Settings) -> Problem:
        return build_problem(self.photos, self.faces, settings, self.surrogates, grey=self.grey)

    def only(self, which: Sequence[int]) -> _Given:
        return replace(
            self,
            photos=[self.photos[at] for at in which],
            faces=[self.faces[at] for at in which],
            grey=[self.grey[at] for at in which],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What is to be done to a face.

    Attributes:
        flow: (1, 2, G, G) in sides of the frame; None if nothing moves.
        delta: (1, 3, S, S) in grey levels.
        mask: (1, 1, S, S) where.

    """

    flow: Tensor | None
    delta: Tensor
    mask: Tensor


def _searched(given: _Given, settings: Settings, tell: Callable[[float], None]) -> list[Found]:
    """Find what to do to faces; those who are still recognised after three quarters get it all."""
    held_out = held_out_of(settings)
    sparing = spares(settings)
    preset = PRESETS[settings.preset]
    total = preset.steps + (preset.more if sparing else 0)
    method = build_method(settings, len(given.surrogates))
    problem = given.problem(spared(settings) if sparing else settings)
    stop = early_stop(problem, held_out, settings) if held_out else None
    answer = method.run(
        problem,
        # Only who names held-out recognizers wants less than the preset's effort.
        stop=stop if settings.held_out else None,
        progress=lambda done, all_: tell(done / all_ * preset.steps / total),
    )
    found = unpacked(problem, answer)
    if not sparing or stop is None:
        return found
    hard = torch.nonzero(~stop.lost(problem, answer)).flatten().tolist()
    if hard:
        problem = given.only(hard).problem(settings)
        answer = replace(method, steps=preset.more, seed=settings.seed + 1).run(
            problem,
            begin=packed(problem, [found[at] for at in hard]),
            stop=early_stop(problem, held_out, settings),
            progress=lambda done, all_: tell((preset.steps + done / all_ * preset.more) / total),
        )
        for at, more in zip(hard, unpacked(problem, answer), strict=True):
            found[at] = more
    return found


def unpacked(problem: Problem, answer: Tensor) -> list[Found]:
    """An answer, face by face, in units that belong to no budget."""
    budget, flows = problem.budget, None
    if isinstance(budget, FlowBudget):
        flows, answer = budget.unpack(answer)
    answer, masks = answer.cpu(), problem.masks.cpu()
    return [
        Found(
            flow=None if flows is None else flows[at : at + 1].cpu(),
            delta=answer[at : at + 1],
            mask=masks[at : at + 1],
        )
        for at in range(len(answer))
    ]


def packed(problem: Problem, found: Sequence[Found]) -> Tensor:
    """Answers of faces in the units of a problem's budget."""
    deltas = torch.cat([some.delta for some in found])
    if isinstance(problem.budget, FlowBudget):
        flows = torch.cat([some.flow for some in found if some.flow is not None])
        deltas = problem.budget.pack(flows, deltas)
    return deltas.to(problem.masks.device)


def carried_out(
    photos: Sequence[Pixels],
    faces: Sequence[Sequence[Face]],
    found: Sequence[Found],
    settings: Settings,
    grey: Sequence[bool],
) -> list[Pixels]:
    """Photos with what was found for their faces, which come photo by photo."""
    budget = budget_of(settings)
    peak = budget.pixels.peak if isinstance(budget, FlowBudget) else budget.peak
    peak = peak if methods[settings.method].bounded else 255.0
    out, row = [], 0
    for photo, some, plain in zip(photos, faces, grey, strict=True):
        mine = found[row : row + len(some)]
        row += len(some)
        if not mine:
            out.append(photo.copy())
            continue
        masks = torch.cat([one.mask for one in mine])
        flows = [one.flow for one in mine if one.flow is not None]
        if flows:
            photo = move_in_photo(photo, some, torch.cat(flows), masks)
        deltas = torch.cat([one.delta for one in mine])
        out.append(render_into_photo(photo, some, deltas, masks, limit=peak, grey=plain))
    return out


def held_out_of(settings: Settings) -> list[str]:
    """Names of the recognizers that say whether a face is hidden, and so take part in the result.

    Those the settings name, or the ones that go with the default surrogates.
    """
    if settings.held_out or settings.surrogates or not _sparing(settings):
        return list(settings.held_out)
    return default_held_out(settings.preset)


def spares(settings: Settings) -> bool:
    """Whether faces that are hidden by less than all of epsilon get no more."""
    return _sparing(settings) and bool(held_out_of(settings))


def _sparing(settings: Settings) -> bool:
    # Makeup that is three quarters as strong is seen as well, and hides far less.
    return settings.spare and settings.goal == "dodge" and methods[settings.method].bounded


def build_method(settings: Settings, surrogates: int = 1) -> IterativeMethod:
    """Return the method that the settings name, with its preset's effort for so many surrogates."""
    preset = PRESETS[settings.preset]
    options: dict[str, Any] = {}
    if settings.method == "tip-im":
        options["gamma"] = settings.gamma
    elif settings.method == "dfpp":
        options |= {"style": settings.style, "strength": settings.strength}
        options["reference"] = read_reference(settings.reference) if settings.reference else None
    elif settings.method == "dpg":
        if not settings.word:
            raise UsageError("the method dpg marks with a key: give --key and --id")
        options |= {"word": settings.word, "refine": settings.refine}
    return methods[settings.method](
        steps=preset.steps,
        views=max(1, round(preset.views / surrogates)),
        diversity=preset.diversity,
        seed=settings.seed,
        **options,
    )


def budget_of(settings: Settings) -> Budget:
    """How far the settings let a photo be changed."""
    if methods[settings.method].bounded:
        pixels = pixel_budget(settings.epsilon, perceptual=settings.perceptual)
    else:
        pixels = Guide(settings.epsilon)
    return FlowBudget(pixels, settings.displacement) if settings.displacement else pixels


def build_problem(
    photos: Sequence[NDArray[np.uint8]],
    faces: Sequence[Face],
    settings: Settings,
    surrogates: Sequence[Recognizer],
    *,
    grey: Sequence[bool] | None = None,
    like: Problem | None = None,
    size: int = FRAME_SIZE,
) -> Problem:
    """Faces as one optimisation problem.

    Args:
        photos: per face, the (H, W, 3) uint8 RGB photo it is in.
        faces: N faces.
        settings: how to protect them.
        surrogates: recognizers with gradients.
        grey: per face, whether its photo is to stay without colour.
        like: an earlier problem of the same people, in the same order and by the same settings,
            whose embeddings are taken.
        size: side of the perturbations, in pixels of the frame.

    """
    canvas = cut_canvas(photos, faces).to(settings.device)
    bf16 = native_bf16(settings.device)
    ensemble = Ensemble(surrogates, settings.weights, settings.level, bf16)
    generator = torch.Generator().manual_seed(settings.seed)
    diversity = PRESETS[settings.preset].diversity
    goal = _goal(settings)
    masks = torch.stack([region_mask(face, (settings.region,), size=size) for face in faces])
    ovals = torch.stack([region_mask(face, ("face",), size=size) for face in faces])
    budget = budget_of(settings)
    if like:
        own, targets = like.own, like.targets
    else:
        own = own_embeddings(canvas, ensemble, diversity, _OWN_VIEWS, generator)
        targets = _targets(settings, surrogates) if goal.targeted else []
    values: dict[str, Any] = {
        "canvas": canvas,
        "masks": masks.to(settings.device),
        "faces": ovals.to(settings.device),
        "ensemble": ensemble,
        "goal": goal,
        "own": own,
        "targets": targets,
        "grey": torch.tensor(grey or [False] * len(faces), device=settings.device),
    }
    if isinstance(budget, FlowBudget):
        return FlowProblem(budget=budget, **values)
    return Problem(budget=budget, **values)


def spared(settings: Settings) -> Settings:
    """The settings for faces that need less than all of epsilon."""
    return replace(settings, epsilon=max(1.0, _SPARED * settings.epsilon))


def early_stop(problem: Problem, held_out: Sequence[str], settings: Settings) -> EarlyStop:
    """Early stop on held-out recognizers."""
    members = [get_surrogate(name).to(settings.device) for name in held_out]
    team = Ensemble(members)
    generator = torch.Generator().manual_seed(settings.seed)
    own = own_embeddings(problem.canvas, team, NONE, 0, generator)
    return EarlyStop(held_out=team, own=own)


def _goal(settings: Settings) -> Goal:
    if settings.goal == "dodge":
        return Dodge()
    return Impersonate(gain=settings.gain, search=settings.target_search)


def _targets(settings: Settings, surrogates: Sequence[Recognizer]) -> list[Tensor]:
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
