"""Training of a watermark's networks: to be read, to hide, and hardly to be seen, all at once.

Source: Y. Zhang et al., "Double Privacy Guard: Robust Traceable Adversarial Watermarking against
Face Recognition", arXiv 2404.14693: information-guided attack and collaborative meta-optimisation,
here of first order. Every step draws from a generator of its own, seeded by the recipe's seed and
the step, so a run that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bauta.devices import present_device
from bauta.engine.budgets import Perceptual
from bauta.engine.ensemble import Ensemble, native_bf16
from bauta.engine.transforms import NONE, Diversity
from bauta.errors import UsageError, WeightsError
from bauta.media import atomic_write
from bauta.media.atomic import claimed
from bauta.memory import raise_if_short
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate
from bauta.training.faceset import FaceSet
from bauta.training.running import append_row, damaged, keeping, warm_cosine
from bauta.training.seeds import seed_of
from bauta.training.teachers import to_tensor
from bauta.training.watermark_check import CHECKS, check
from bauta.training.watermark_hosts import hiding_perturbations, hosts
from bauta.training.watermark_recipe import Stage, WatermarkRecipe
from bauta.watermark.codes import BITS
from bauta.watermark.distortions import DISTORTIONS
from bauta.watermark.marking import at_network_size, framed, marked_frames
from bauta.watermark.network import WatermarkNetworks
from bauta.weights.states import load_state

#: Told what is being done, the steps done and in all.
Progress = Callable[[str, int, int], None]

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
#: Steps between rows of the log, and between checks on held-out people.
ROW_EVERY, _CHECK_EVERY = 50, 500
#: Seconds after which a checkpoint is written.
_SAVE_EVERY = 300.0
#: Means over the steps of a row: the loss and its terms, bits read, and faces that were hidden.
_TERMS = ("loss", "message", "image", "attack", "blank", "bits", "hidden")
#: Share of a batch whose faces are read without a mark too.
_BLANK_SHARE = 4
_COLUMNS = ("step", "stage", *_TERMS, *CHECKS, "seconds")
_WARM = 0.02


@dataclass
class _Run:
    """A run in progress."""

    recipe: WatermarkRecipe
    faces: FaceSet
    held_out: FaceSet
    folder: Path
    device: torch.device
    networks: WatermarkNetworks
    optimizer: torch.optim.Optimizer
    surrogates: list[Recognizer]
    perturbations: Tensor
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def stage(self) -> Stage:
        return self.recipe.stage_at(self.step)


@dataclass(frozen=True, eq=False)
class _Side:
    """What one half of a step is about."""

    frames: Tensor
    bits: Tensor
    surrogate: Recognizer | None
    distortions: Sequence[str]


def train_watermark(
    recipe: WatermarkRecipe,
    faces: FaceSet,
    held_out: FaceSet,
    folder: Path,
    *,
    device: str = "cpu",
    minutes: float = float("inf"),
    progress: Progress | None = None,
) -> WatermarkNetworks | None:
    """Train, from the beginning or from where the folder's checkpoint stands.

    Args:
        recipe: how.
        faces: on whom.
        held_out: people of no training set, on whom the log's checks are made.
        folder: where checkpoint and log are kept.
        device: "cpu" or "cuda".
        minutes: stop after this time, with a checkpoint.
        progress: told how far it is.

    Returns:
        The networks in evaluation mode; None if time was up first.

    Raises:
        UsageError: there are too few faces, or the checkpoint is another recipe's,
            or another run works in the folder.

    """
    if not len(faces) or not len(held_out):
        raise UsageError("training needs faces, and others to check on")
    with claimed(folder):
        run = _prepared(recipe, faces, held_out, folder, present_device(device), progress)
        try:
            _run_on(run, 60 * minutes, progress)
        finally:
            _save(run)
    return run.networks.eval() if run.step >= recipe.steps else None


def _run_on(run: _Run, seconds: float, progress: Progress | None) -> None:
    """Step after step, until it is done or time is up."""
    begun = saved = time.perf_counter()
    before, steps = run.seconds, run.recipe.steps
    while run.step < steps and time.perf_counter() - begun < seconds:
        loss = _step(run)
        run.step += 1
        run.seconds = before + time.perf_counter() - begun
        if run.step % ROW_EVERY == 0 or run.step == steps:
            _end_row(run)
        if time.perf_counter() - saved > _SAVE_EVERY:
            _save(run)
            saved = time.perf_counter()
        if progress:
            progress(f"training, loss {loss:.3f}", run.step, steps)


def _prepared(
    recipe: WatermarkRecipe,
    faces: FaceSet,
    held_out: FaceSet,
    folder: Path,
    device: torch.device,
    progress: Progress | None,
) -> _Run:
    networks = WatermarkNetworks(torch.Generator().manual_seed(recipe.seed)).to(device)
    swift = [networks.encoder.common]
    rest = [p for p in networks.parameters() if p is not networks.encoder.common]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "swift": 1.0}, {"params": swift, "swift": recipe.swift}],
        lr=recipe.rate, weight_decay=1e-4,
    )  # fmt: skip
    surrogates = [get_surrogate(name).to(device) for name in recipe.surrogates]
    hiding = torch.empty(0)
    if any(stage.hidden for stage in recipe.stages):
        tell = progress and partial(progress, "hiding faces to begin with")
        hiding = hiding_perturbations(
            faces, surrogates, recipe.epsilon, recipe.perturbations, recipe.seed, device,
            progress=tell,
        )  # fmt: skip
    run = _Run(recipe, faces, held_out, folder, device, networks, optimizer, surrogates, hiding)
    if (folder / CHECKPOINT).is_file():
        _resume(run)
    return run


def _step(run: _Run) -> float:
    recipe = run.recipe
    generator = torch.Generator().manual_seed(seed_of(recipe.seed, run.step))
    first, second = _sides(run, generator)
    run.networks.train()
    for group in run.optimizer.param_groups:
        group["lr"] = group["swift"] * _rate(run)
    parameters = list(run.networks.parameters())
    loss, terms = _loss(run, first, generator)
    gradients = _gradients(loss, parameters)
    with _moved(parameters, gradients, recipe.virtual if recipe.meta else 0.0):
        other, more = _loss(run, second, generator)
        others = _gradients(other, parameters)
    for parameter, one, two in zip(parameters, gradients, others, strict=True):
        parameter.grad = (one + two) / 2
    nn.utils.clip_grad_norm_(parameters, recipe.clip, error_if_nonfinite=True)
    run.optimizer.step()
    for name in _TERMS:
        run.sums[name] = run.sums.get(name, 0.0) + (terms[name] + more[name]) / 2
    return (terms["loss"] + more["loss"]) / 2


def _sides(run: _Run, generator: Generator) -> tuple[_Side, _Side]:
    """Meta-train and meta-test: other faces, surrogates and distortions."""
    recipe, stage = run.recipe, run.stage
    which = torch.randint(0, len(run.faces), (recipe.batch,), generator=generator).numpy()
    frames = at_network_size(to_tensor(run.faces.take(which)).to(run.device))
    bits = 2.0 * torch.randint(0, 2, (recipe.batch, BITS), generator=generator) - 1
    bits = bits.to(run.device)
    order = torch.randperm(len(stage.distortions), generator=generator).tolist()
    names = [stage.distortions[at] for at in order]
    # Two each; where there are fewer than four they come round again.
    mine = [(names * 4)[start : start + 2] for start in (0, 2)]
    surrogates: list[Recognizer | None] = [None, None]
    if stage.attack:
        team = torch.randperm(len(run.surrogates), generator=generator).tolist()
        surrogates = [run.surrogates[(team * 2)[at]] for at in (0, 1)]
    half = recipe.batch // 2
    first, second = (
        _Side(frames[part], bits[part], surrogates[at], mine[at])
        for at, part in enumerate((slice(0, half), slice(half, None)))
    )
    return first, second


def _loss(run: _Run, side: _Side, generator: Generator) -> tuple[Tensor, dict[str, float]]:
    stage = run.stage
    faces = side.frames
    if stage.hidden:
        faces = hosts(faces, run.perturbations, stage.hidden, generator)
    with _quick(run):
        marked, units = marked_frames(
            run.networks.encoder, faces, side.bits, _budget(run, generator)
        )
    logits = _read(run, _distorted(marked, side.distortions, generator))
    message = F.binary_cross_entropy_with_logits(logits, (side.bits + 1) / 2)
    image = units.square().mean()
    blank = _blank(run, side, generator) if stage.blank else message.new_zeros(())
    attack, hidden = _attack(run, side, marked, generator)
    loss = (
        stage.message * message + stage.image * image + stage.attack * attack + stage.blank * blank
    )
    right = ((logits > 0) == (side.bits > 0)).float().mean()
    values = (loss, message, image, attack, blank, right, hidden)
    return loss, {k: float(v.detach()) for k, v in zip(_TERMS, values, strict=True)}


def _budget(run: _Run, generator: Generator) -> Perceptual:
    """How much a mark may change: with less it has to be read as well."""
    budget = Perceptual(run.recipe.epsilon)
    faintest = run.stage.faintest
    if faintest == 1:
        return budget
    share = faintest + (1 - faintest) * float(torch.rand((), generator=generator))
    return replace(budget, rms=share * budget.rms)


def _distorted(marked: Tensor, names: Sequence[str], generator: Generator) -> Tensor:
    """Faces after what may happen to them: each of the distortions to its share of them."""
    parts = [
        DISTORTIONS[name](part, generator)
        for name, part in zip(names, marked.tensor_split(len(names)), strict=True)
        if len(part)
    ]
    # Whatever happens to a photo, its face is then found anew.
    return DISTORTIONS["realigned"](torch.cat(parts), generator).clamp(0, 255)


def _blank(run: _Run, side: _Side, generator: Generator) -> Tensor:
    """How loudly the decoder reads in faces that carry nothing."""
    some = side.frames[: max(1, len(side.frames) // _BLANK_SHARE)]
    logits = _read(run, _distorted(some, side.distortions[:1], generator))
    # As far as one can be from either answer, it is a toss-up.
    even = torch.full_like(logits, 0.5)
    return F.binary_cross_entropy_with_logits(logits, even) - math.log(2)


def _read(run: _Run, faces: Tensor) -> Tensor:
    with _quick(run):
        out: Tensor = run.networks.decoder(faces)
    return out.float()


def _quick(run: _Run) -> torch.autocast:
    """Convolutions in bfloat16 where the processor has it."""
    on = native_bf16(str(run.device))
    return torch.autocast(run.device.type, torch.bfloat16, enabled=on)


def _attack(run: _Run, side: _Side, marked: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """How similar to themselves faces are still, beyond what is enough; and how many are hidden."""
    if side.surrogate is None:
        return marked.new_zeros(()), marked.new_zeros(())
    canvas = framed(side.frames)
    team = Ensemble([side.surrogate], bf16=native_bf16(str(run.device)))
    with torch.no_grad():
        own = team.embed(canvas, side.frames, NONE, 1, generator)[0][:, 0]
    seen = team.embed(canvas, marked, Diversity(), 1, generator)[0][:, 0]
    above = 1 - (seen - own).square().sum(dim=1) / 2 - side.surrogate.threshold
    return (above + run.recipe.margin).clamp_min(0).mean(), (above < 0).float().mean()


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient
        for parameter, gradient in zip(parameters, found, strict=True)
    ]


@contextmanager
def _moved(
    parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor], length: float
) -> Iterator[None]:
    """Parameters a step of this length further on, for as long as it lasts."""
    kept = [parameter.detach().clone() for parameter in parameters]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().clamp_min(1e-12)
    try:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data.sub_(gradient * (length / norm))
        yield
    finally:
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.data.copy_(value)


def _rate(run: _Run) -> float:
    return run.recipe.rate * warm_cosine(run.step / run.recipe.steps, _WARM, start=1e-2)


def _end_row(run: _Run) -> None:
    count = (run.step - 1) % ROW_EVERY + 1
    row: dict[str, Any] = {"step": run.step, "stage": run.recipe.stage_at(run.step - 1).name}
    row |= {name: total / count for name, total in run.sums.items()}
    if run.step % _CHECK_EVERY == 0 or run.step == run.recipe.steps:
        row |= check(
            run.networks, run.held_out, run.recipe.epsilon, run.surrogates, run.recipe.seed
        )
    row["seconds"] = run.seconds
    append_row(run.folder / LOG, _COLUMNS, row)
    run.sums = {}


def _drop_rows(file: Path, step: int) -> None:
    """Drop rows of steps that are made again: a killed run logs further than it saves."""
    if not file.is_file():
        return
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            head, *rows = csv.reader(stream)
        kept = [row for row in rows if int(row[0]) <= step]
    except (OSError, csv.Error, ValueError, IndexError) as error:
        raise damaged(file, error) from error
    if len(kept) < len(rows):
        lines = "".join(f"{','.join(row)}\r\n" for row in (head, *kept))
        atomic_write(file, lines.encode(), overwrite=True)


def _save(run: _Run) -> None:
    part = run.folder / f"{CHECKPOINT}.part"
    state = {
        "networks": run.networks.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "sums": run.sums,
        "seconds": run.seconds,
        "recipe": run.recipe.to_json(),
    }
    with keeping(run.folder / CHECKPOINT):
        torch.save(state, part)
        part.replace(run.folder / CHECKPOINT)


def _resume(run: _Run) -> None:
    file = run.folder / CHECKPOINT
    try:
        state = load_state(file, run.device)
        if state["recipe"] != run.recipe.to_json():
            raise UsageError(
                f"{file} was made by another version of this recipe: choose another folder"
            )
        run.networks.load_state_dict(state["networks"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.step, run.sums = int(state["step"]), dict(state["sums"])
        run.seconds = float(state["seconds"])
        _drop_rows(run.folder / LOG, run.step)
    except (RuntimeError, ValueError, KeyError, TypeError, WeightsError) as error:
        raise_if_short(error)
        raise UsageError(f"{file} is damaged: choose another folder") from error
