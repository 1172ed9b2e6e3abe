"""Protect photos: find the faces, perturb them, write the file, and score what was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.audit.verify import PhotoReport, read_references, verify
from bauta.engine.budgets import Budget, Linf, Perceptual
from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Dodge, Goal, Impersonate
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import choose_faces
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas, render_into_photo
from bauta.faces.regions import region_mask
from bauta.media import describe_metadata, output_suffix, read_photo, write_photo
from bauta.media.atomic import check_target
from bauta.methods.registry import methods
from bauta.methods.targets import default_targets
from bauta.recognizers.base import Judge, Recognizer
from bauta.recognizers.zoo import default_team, get_recognizer, get_surrogate
from bauta.settings import PRESETS, Settings

#: Called with a stage ("read", "find", "protect", "write", "verify") and its share done, 0 to 1.
StageProgress = Callable[[str, float], None]
#: Faces that are optimised together; more cost memory and gain no time.
_BATCH = 8
#: Views from which a person's reference embedding is averaged.
_OWN_VIEWS = 4


@dataclass(frozen=True)
class Protected:
    """A photo's protected pixels.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        faces: all faces that were found, largest first.
        chosen: those that were protected.
        seconds: time of each stage.

    """

    pixels: NDArray[np.uint8]
    faces: Sequence[Face]
    chosen: Sequence[Face]
    seconds: Mapping[str, float] = field(default_factory=dict)


def protect(
    path: str | Path,
    out: str | Path | None = None,
    *,
    settings: Settings | None = None,
    others: Sequence[str | Path] = (),
    overwrite: bool = False,
    progress: StageProgress | None = None,
    **options: Any,
) -> PhotoReport:
    """Protect a photo and score the written file.

    Args:
        path: the photo; it is never changed.
        out: the file to write; None: beside the photo, with ``-protected`` in its name.
        settings: how; or give its fields as keywords, such as ``epsilon=12``.
        others: further photos of the same people, to score against instead of the original.
        overwrite: replace an existing output.
        progress: told the stage and its share done.
        options: fields of :class:`Settings`.

    Returns:
        The report; ``report.verdict`` is "protected", "recognisable" or "unjudged".

    Raises:
        NoFaceError: no face was found; nothing was written.
        MediaError: the photo cannot be read, or the output not be written.
        UsageError: an argument is wrong.
        WeightsError: a recognizer's weights are missing.

    Example:
        >>> import bauta
        >>> report = bauta.protect("me.jpg", epsilon=8)  # doctest: +SKIP
        >>> report.verdict  # doctest: +SKIP
        'protected'

    """
    if settings is not None and options:
        raise UsageError("give either settings or single options, not both")
    chosen_settings = settings or Settings(**options)
    tell = progress or (lambda _stage, _share: None)
    source = Path(path)
    watch = _Watch(tell)
    with watch.stage("read"):
        photo = read_photo(source)
    target = Path(out) if out is not None else default_output(source, output_suffix(photo))
    # Whatever can fail early fails before the work, not after it.
    check_target(target, overwrite=overwrite, protect=[source])
    references = read_references(others)
    surrogates, judges = team(chosen_settings)
    result = protect_pixels(
        photo.pixels, chosen_settings, surrogates, grey=photo.grey, watch=watch, name=str(source)
    )
    with watch.stage("write"):
        write_photo(
            photo, result.pixels, target, metadata=chosen_settings.metadata, overwrite=overwrite
        )
    steered = [*surrogates, *(get_surrogate(name) for name in chosen_settings.held_out)]
    provenance = _provenance(chosen_settings, surrogates, watch.seconds)
    if chosen_settings.metadata == "private":
        provenance["left_out"] = describe_metadata(photo)
    with watch.stage("verify"):
        return verify(
            source,
            target,
            judges=judges,
            others=references,
            surrogates={recognizer.network_id for recognizer in steered},
            faces=result.faces,
            chosen=result.chosen,
            settings=provenance,
        )


def default_output(source: Path, suffix: str) -> Path:
    """``me.jpg`` becomes ``me-protected.jpg`` beside it."""
    return source.with_name(f"{source.stem}-protected{suffix}")


def team(settings: Settings) -> tuple[list[Recognizer], list[Judge]]:
    """Surrogates and judges that the settings ask for, or the default ones."""
    surrogates, judges = default_team()
    surrogates = list(settings.surrogates) or surrogates
    judges = list(settings.judges) or judges
    built = [get_surrogate(name).to(settings.device) for name in surrogates]
    return built, [get_recognizer(name) for name in judges]


class _Watch:
    """Times stages and tells about them."""

    def __init__(self, tell: StageProgress) -> None:
        self.tell = tell
        self.seconds: dict[str, float] = {}
        self._stage = ""

    def stage(self, name: str) -> _Watch:
        self._stage = name
        return self

    def __enter__(self) -> _Watch:
        self.tell(self._stage, 0.0)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds[self._stage] = round(time.perf_counter() - self._start, 3)
        self.tell(self._stage, 1.0)


def protect_pixels(
    pixels: NDArray[np.uint8],
    settings: Settings,
    surrogates: Sequence[Recognizer],
    *,
    grey: bool = False,
    faces: Sequence[Face] | None = None,
    watch: _Watch | None = None,
    name: str = "the photo",
) -> Protected:
    """Protect the faces of a photo in memory.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        settings: how.
        surrogates: recognizers with gradients.
        grey: keep the photo without colour.
        faces: its faces, if known already.
        watch: timer, inside :func:`protect`.
        name: what to call the photo in messages.

    Raises:
        NoFaceError: no face was found.

    """
    watch = watch or _Watch(lambda _stage, _share: None)
    preset = PRESETS[settings.preset]
    with watch.stage("find"):
        if faces is None:
            smallest = settings.min_face or max(40.0, preset.smallest * max(pixels.shape[:2]))
            faces = find(pixels, detector=settings.detector, min_face=smallest)
        if not faces:
            raise NoFaceError(
                f"{name}: no face was found, so nothing was written. Smaller or turned faces are "
                "found with --min-face 20 or --detector yunet."
            )
        chosen = choose_faces(faces, settings.faces)
    with watch.stage("protect"):
        deltas, masks = [], []
        for start in range(0, len(chosen), _BATCH):
            some = chosen[start : start + _BATCH]
            photos = [pixels] * len(some)
            problem = build_problem(photos, some, settings, surrogates, grey=[grey] * len(some))
            share = start / len(chosen), len(some) / len(chosen)

            def step(done: int, total: int, share: tuple[float, float] = share) -> None:
                watch.tell("protect", share[0] + share[1] * done / total)

            stop = _early_stop(problem, settings)
            deltas.append(build_method(settings).run(problem, stop=stop, progress=step).cpu())
            masks.append(problem.masks.cpu())
        out = render_into_photo(
            pixels,
            chosen,
            torch.cat(deltas),
            torch.cat(masks),
            limit=budget_of(settings).peak,
            grey=grey,
        )
    return Protected(out, faces, chosen, watch.seconds)


def build_method(settings: Settings) -> IterativeMethod:
    """Return the method that the settings name, with its preset's effort."""
    preset = PRESETS[settings.preset]
    options: dict[str, Any] = {}
    if settings.method == "tip-im":
        options["gamma"] = settings.gamma
    return methods[settings.method](
        steps=preset.steps,
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


def _provenance(
    settings: Settings, surrogates: Sequence[Recognizer], seconds: Mapping[str, float]
) -> dict[str, Any]:
    values = {**settings.to_json(), "surrogates": [s.name for s in surrogates]}
    values["seconds"] = dict(seconds)
    return values
