"""Contestants: an entry of a plan at a budget, and how it changes photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.bench.plan import Entry, Plan
from bauta.engine.goals import Impersonate
from bauta.engine.problem import Problem
from bauta.engine.shared import SharedProblem
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.masks.wearing import put_on
from bauta.methods.baselines.advcloak import AdvCloak
from bauta.methods.baselines.base import Baseline, Setting, baselines
from bauta.methods.baselines.obscuring import obscurers
from bauta.methods.personal import personal_methods
from bauta.optimisation import build_problem, change_photos
from bauta.recognizers.base import Recognizer
from bauta.recognizers.crops import arcface_crop
from bauta.settings import Settings

Pixels = NDArray[np.uint8]
#: What dpg marks with where a plan says nothing: nobody's word.
_WORD = "0f1e2d3c4b5a6978"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """An entry at a budget.

    Attributes:
        entry: the method.
        epsilon: the budget in grey levels; 0 where the method has none.

    """

    entry: Entry
    epsilon: float

    @property
    def key(self) -> str:
        """Name of its folder."""
        return f"{self.entry.slug}@{self.epsilon:g}" if self.epsilon else self.entry.slug

    @property
    def kind(self) -> str:
        """One of "obscurer", "baseline" and "bauta"."""
        if self.entry.name in obscurers.names():
            return "obscurer"
        return "baseline" if self.entry.name in baselines.names() else "bauta"


@dataclass(frozen=True, kw_only=True, eq=False)
class Means:
    """What contestants are given.

    Attributes:
        surrogates: recognizers with gradients.
        targets: photos of people to be taken for, for those that want some.
        strangers: (K, 3, H, W) faces of other people, RGB 0-255.
        seed: seed of all randomness.
        device: where to compute.

    """

    surrogates: Sequence[Recognizer]
    targets: Sequence[Path]
    strangers: Tensor
    seed: int
    device: str = "cpu"


def contestants(plan: Plan) -> list[Contestant]:
    """All entries of a plan at all budgets; what has no budget comes once."""
    out = []
    for entry in plan.methods:
        budgets = plan.epsilon if _has_budget(entry.name) else (0.0,)
        out += [Contestant(entry=entry, epsilon=epsilon) for epsilon in budgets]
    return out


def personal(contestant: Contestant) -> bool:
    """Whether it makes one mask per person."""
    if contestant.entry.personal:
        return True
    return contestant.kind == "baseline" and bool(baselines[contestant.entry.name].away_from)


def _has_budget(name: str) -> bool:
    return name not in obscurers.names() or name == "noise"


def protect(
    contestant: Contestant, photos: Sequence[Pixels], faces: Sequence[Face], means: Means
) -> list[Pixels]:
    """Change one face in each photo, as the contestant does.

    Args:
        contestant: who.
        photos: (H, W, 3) uint8 RGB each.
        faces: the face in each.
        means: surrogates and what else is given.

    Returns:
        New photos.

    """
    name = contestant.entry.name
    if contestant.kind == "obscurer":
        change = obscurers[name].change
        return [change(p, f, contestant.epsilon) for p, f in zip(photos, faces, strict=True)]
    if contestant.kind == "baseline":
        return _by_baseline(baselines[name], contestant.epsilon, photos, faces, means)
    settings = _settings(contestant, means)
    return change_photos(photos, [[face] for face in faces], settings, means.surrogates)


def _settings(contestant: Contestant, means: Means) -> Settings:
    # A budget of the bench is all used, unless the plan says otherwise.
    options: dict[str, Any] = {"spare": False, **contestant.entry.options}
    if contestant.entry.name == "dpg":
        options.setdefault("word", _WORD)
    targeted = options.get("goal") == "impersonate"
    return Settings(
        method=contestant.entry.name,
        epsilon=contestant.epsilon,
        targets=tuple(means.targets) if targeted else (),
        seed=means.seed,
        device=means.device,
        **options,
    )


def _by_baseline(
    row: Baseline,
    epsilon: float,
    photos: Sequence[Pixels],
    faces: Sequence[Face],
    means: Means,
) -> list[Pixels]:
    setting = Setting(epsilon=epsilon, seed=means.seed, strangers=means.strangers)
    problem = baseline_problem(row, epsilon, photos, faces, means)
    answers = row.build(setting).run(problem).cpu()
    masks = problem.masks.cpu()
    return [
        render_into_photo(photo, [face], answers[at : at + 1], masks[at : at + 1], limit=epsilon)
        for at, (photo, face) in enumerate(zip(photos, faces, strict=True))
    ]


def protect_album(
    contestant: Contestant,
    fitting: tuple[Sequence[Pixels], Sequence[Face]],
    tests: tuple[Sequence[Pixels], Sequence[Face]],
    means: Means,
) -> list[Pixels]:
    """Change one person's photos: with one mask fitted on others of theirs, or photo by photo.

    Args:
        contestant: who.
        fitting: photos that a personal mask is fitted on, and the face in each.
        tests: photos to be changed, and the face in each.
        means: surrogates and what else is given.

    Returns:
        The tests, changed.

    """
    if not personal(contestant):
        return protect(contestant, *tests, means)
    if contestant.entry.personal:
        return _by_mask(contestant, fitting, tests, means)
    row = baselines[contestant.entry.name]
    plain = baseline_problem(row, contestant.epsilon, *fitting, means)
    values = {field.name: getattr(plain, field.name) for field in fields(plain)}
    problem = SharedProblem(**values, away_from=row.away_from)
    setting = Setting(epsilon=contestant.epsilon, seed=means.seed, strangers=means.strangers)
    method = row.build(setting)
    if isinstance(method, AdvCloak):
        network = method.fit(problem)
        frames = frames_of(cut_canvas(*tests)).to(means.device)
        masks = [network(frame[None]).cpu() for frame in frames]
    else:
        masks = [method.run(problem).cpu()] * len(tests[0])
    return [
        render_into_photo(
            photo, [face], mask, region_mask(face, ("head",))[None], limit=contestant.epsilon
        )
        for photo, face, mask in zip(*tests, masks, strict=True)
    ]


def _by_mask(
    contestant: Contestant,
    fitting: tuple[Sequence[Pixels], Sequence[Face]],
    tests: tuple[Sequence[Pixels], Sequence[Face]],
    means: Means,
) -> list[Pixels]:
    options = dict(contestant.entry.options)
    count = options.pop("photos", None)
    estimator = personal_methods[contestant.entry.name]().set_params(
        epsilon=contestant.epsilon,
        surrogates=tuple(surrogate.name for surrogate in means.surrogates),
        seed=means.seed,
        device=means.device,
        **options,
    )
    mask = estimator.fit_faces(fitting[0][:count], fitting[1][:count])
    # A key's secret is drawn anew each time; the same photos are to come out of each run.
    mask = replace(mask, secret=bytes([means.seed % 256]) * len(mask.secret))
    return [put_on(photo, [face], mask) for photo, face in zip(*tests, strict=True)]


def baseline_problem(
    row: Baseline, epsilon: float, photos: Sequence[Pixels], faces: Sequence[Face], means: Means
) -> Problem:
    """The faces as a baseline sees them: a plain limit of epsilon, and its own goal."""
    options: dict[str, Any] = {}
    if isinstance(row.goal, Impersonate):
        options = {"goal": "impersonate", "gain": row.goal.gain, "targets": tuple(means.targets)}
    settings = Settings(
        epsilon=epsilon,
        perceptual=False,
        warp=0.0,
        seed=means.seed,
        device=means.device,
        **options,
    )
    problem = build_problem(photos, faces, settings, means.surrogates)
    return replace(problem, goal=row.goal)


@torch.no_grad()
def cut_strangers(photos: Sequence[Pixels], faces: Sequence[Face]) -> Tensor:
    """(K, 3, 112, 112) faces, cut as ArcFace cuts them, RGB 0-255."""
    canvas = cut_canvas(photos, faces)
    return arcface_crop(112).take(canvas, canvas.images)
