"""The training loop, on Lightning Fabric: CPU, GPU, several devices; it stops and goes on at will.

Every step draws from a generator of its own, seeded by the recipe's seed, the step and the rank,
so a run that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from bauta.engine.ghosts import haunted
from bauta.errors import UsageError
from bauta.memory import raise_if_short
from bauta.recognizers.base import Crop
from bauta.recognizers.crops import crop_of
from bauta.recognizers.evaluate import Pair, fold_accuracies, threshold_at
from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.training.attack import attacked
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.model import Model
from bauta.training.pairs import pair_similarities
from bauta.training.recipe import Recipe
from bauta.training.running import agreed, append_row, decay_groups, keeping, launched, warm_cosine
from bauta.training.seeds import seed_of
from bauta.training.start import fit_last_layer
from bauta.training.teachers import to_tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule

#: Crops, targets, people and attributes.
_Batch = tuple[Tensor, Tensor | None, Tensor, Tensor]
#: Told the steps done and in all, and the latest loss.
StepProgress = Callable[[int, int, float], None]

CHECKPOINT = "checkpoint.pt"
#: Seconds after which a checkpoint is written in the middle of an epoch.
_SAVE_EVERY = 600.0
LOG = "log.csv"
_COLUMNS = (
    *("epoch", "step", "rate", "loss", "cosine", "relation", "contrast", "identity", "triplet"),
    *("attributes", "accuracy", "tar_far_1", "tar_far_01", "seconds"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingData:
    """What a network is trained and checked on.

    Attributes:
        faces: N faces.
        targets: (N, D) the teachers' embeddings, of unit length, or None.
        checks: faces of people who are in no training set.
        pairs: pairs of photos among ``checks``.

    """

    faces: FaceSet
    targets: NDArray[np.float32] | None
    checks: FaceSet
    pairs: Sequence[Pair]


@dataclass
class _Run:
    """A run in progress."""

    recipe: Recipe
    data: TrainingData
    fabric: Fabric
    folder: Path
    model: _FabricModule
    network: FaceNetwork
    optimizer: torch.optim.Optimizer
    average: FaceNetwork
    crop: Crop
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0
    started: float = field(default_factory=time.perf_counter)

    @property
    def steps_per_epoch(self) -> int:
        world = self.fabric.world_size * self.recipe.schedule.batch
        return max(1, len(self.data.faces) // world)

    @property
    def steps(self) -> int:
        return self.recipe.schedule.epochs * self.steps_per_epoch

    @property
    def epoch(self) -> int:
        return self.step // self.steps_per_epoch


def train(
    recipe: Recipe,
    data: TrainingData,
    folder: Path,
    *,
    accelerator: str = "cpu",
    devices: int = 1,
    precision: str = "32-true",
    minutes: float = math.inf,
    progress: StepProgress | None = None,
) -> FaceNetwork:
    """Train a network, from the beginning or from where the folder's checkpoint stands.

    Args:
        recipe: how.
        data: on what.
        folder: where checkpoint and log are kept.
        accelerator: "cpu", "cuda", or another that Lightning Fabric knows.
        devices: how many of them.
        precision: Fabric's, such as "32-true" or "bf16-mixed".
        minutes: stop after this time, with a checkpoint.
        progress: told about every step.

    Returns:
        The network with averaged weights, in evaluation mode. It is finished if the log's last
        epoch is the recipe's.

    Raises:
        MissingExtraError: Lightning Fabric is not installed.
        UsageError: the data does not fit the recipe, or the checkpoint is another recipe's,
            or another run works in the folder.

    """
    _check(recipe, data)
    with launched(folder, accelerator, devices, precision, recipe.seed) as fabric:
        run = _prepare(recipe, data, folder, fabric)
        _run_on(run, minutes, progress)
    return run.average.eval()


def _run_on(run: _Run, minutes: float, progress: StepProgress | None) -> None:
    """Step after step, until it is done or time is up."""
    deadline, saved = run.started + 60 * minutes, run.started
    while run.step < run.steps and not agreed(run.fabric, time.perf_counter() >= deadline):
        loss = _step(run)
        run.step += 1
        if progress:
            progress(run.step, run.steps, loss)
        if run.step % run.steps_per_epoch == 0:
            _end_epoch(run)
        elif agreed(run.fabric, time.perf_counter() - saved > _SAVE_EVERY):
            _save(run)
            saved = time.perf_counter()
    if run.step % run.steps_per_epoch:
        _save(run)


def _check(recipe: Recipe, data: TrainingData) -> None:
    if recipe.teachers:
        if data.targets is None or data.targets.shape[1] != recipe.embedding:
            length = "none" if data.targets is None else data.targets.shape[1]
            raise UsageError(
                f"recipe {recipe.name}: the embedding must be as long as the teachers' ({length}), "
                f"not {recipe.embedding}"
            )
    elif not len(data.faces.identities):
        raise UsageError(f"recipe {recipe.name} learns from labels: give a folder of people")
    if len(data.faces) < 2:
        raise UsageError("training needs at least two faces")


def _prepare(recipe: Recipe, data: TrainingData, folder: Path, fabric: Fabric) -> _Run:
    model = Model(recipe, len(data.faces.identities))
    crop = crop_of(recipe.crop, recipe.size)
    if recipe.start and data.targets is not None and not (folder / CHECKPOINT).is_file():
        fit_last_layer(model.network, data.faces, data.targets, crop, recipe.seed)
    average = copy.deepcopy(model.network).requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
    optimizer = torch.optim.AdamW(decay_groups(model, recipe.schedule.decay), recipe.schedule.rate)
    wrapped, optimizer = fabric.setup(model, optimizer)
    average = average.to(fabric.device)
    run = _Run(recipe, data, fabric, folder, wrapped, model.network, optimizer, average, crop)
    if (folder / CHECKPOINT).is_file():
        _resume(run)
    return run


def _step(run: _Run) -> float:
    schedule, rank = run.recipe.schedule, run.fabric.global_rank
    for group in run.optimizer.param_groups:
        group["lr"] = _rate(run)
    run.model.train()
    ghosts = Generator().manual_seed(seed_of(run.recipe.seed, run.step, rank, 2))
    with haunted(run.network, schedule.ghosts, ghosts):
        loss, terms = run.model(*_attack(run, _batch(run, rank), rank))
    run.optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(loss)
    run.fabric.clip_gradients(
        run.model, run.optimizer, max_norm=schedule.clip, error_if_nonfinite=True
    )
    run.optimizer.step()
    _average(run)
    value = float(loss.detach())
    for name, term in {"loss": loss, **terms}.items():
        run.sums[name] = run.sums.get(name, 0.0) + float(term.detach())
    run.count += 1
    return value


def _attack(run: _Run, batch: _Batch, rank: int) -> _Batch:
    """Change the first share of the batch against the network, if the recipe says so."""
    bound = run.recipe.schedule.attack
    count = round(run.recipe.schedule.attacked * len(batch[0]))
    if not bound or not count:
        return batch
    crops, targets, people, attributes = batch
    rest = None if targets is None else targets[:count], people[:count], attributes[:count]
    generator = Generator().manual_seed(seed_of(run.recipe.seed, run.step, rank, 1))
    # Fabric's wrapper counts on every backward pass being its own; this one updates nothing.
    model = run.model.module
    with run.fabric.autocast():
        changed = attacked(crops[:count], lambda some: model(some, *rest)[0], bound, generator)
    mixed = torch.cat([changed, crops[count:]]).contiguous(memory_format=torch.channels_last)
    return mixed, targets, people, attributes


def _rate(run: _Run) -> float:
    schedule = run.recipe.schedule
    return schedule.rate * warm_cosine(run.step / run.steps, schedule.warmup)


def _batch(run: _Run, rank: int) -> _Batch:
    """Crops, targets, people and attributes of this step's faces."""
    faces, recipe = run.data.faces, run.recipe
    which = _choose(run, rank)
    generator = Generator().manual_seed(seed_of(recipe.seed, run.step, rank))
    frames = to_tensor(faces.take(which))
    crops = recipe.augment.change(recipe.augment.crop(frames, run.crop, generator), generator)
    people, attributes = (
        torch.from_numpy(table[which]) for table in (faces.people, faces.attributes)
    )
    targets = None if run.data.targets is None else torch.from_numpy(run.data.targets[which])
    if float(torch.rand(1, generator=generator)) < recipe.augment.mix:
        share = 0.2 * float(torch.rand(1, generator=generator))
        crops = torch.lerp(crops, crops.flip(0), share)
        targets = None if targets is None else F.normalize(targets.lerp(targets.flip(0), share))
    crops = crops.contiguous(memory_format=torch.channels_last)
    moved = (run.fabric.to_device(t) for t in (crops, people, attributes))
    on_device, who, what = moved
    return on_device, None if targets is None else run.fabric.to_device(targets), who, what


def _choose(run: _Run, rank: int) -> NDArray[np.int64]:
    """Faces of this step: a share of the epoch's order, which all ranks draw alike."""
    schedule = run.recipe.schedule
    rng = np.random.default_rng(seed_of(run.recipe.seed, run.epoch))
    order = rng.permutation(len(run.data.faces))
    if schedule.per_person > 1:
        order = _together(order, run.data.faces.people, schedule.per_person)
    at = run.step % run.steps_per_epoch * run.fabric.world_size + rank
    return np.take(order, range(at * schedule.batch, (at + 1) * schedule.batch), mode="wrap")


def _together(
    order: NDArray[np.int64], people: NDArray[np.int64], per_person: int
) -> NDArray[np.int64]:
    """Reorder so that a person's faces come ``per_person`` at a time."""
    albums: dict[int, list[int]] = {}
    groups: list[list[int]] = []
    for index in order.tolist():
        who = int(people[index])
        album = albums.setdefault(who, []) if who >= 0 else []
        if not album:
            groups.append(album)
        album.append(index)
        if who >= 0 and len(album) == per_person:
            del albums[who]
    return np.array([index for group in groups for index in group], dtype=np.int64)


@torch.no_grad()
def _average(run: _Run) -> None:
    """Move the averaged weights toward the current ones; early on faster, so that they start."""
    decay = min(run.recipe.schedule.ema, (1 + run.step) / (10 + run.step))
    current = dict(run.network.state_dict())
    for name, value in run.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name].detach().to(value), 1 - decay)
        else:
            value.copy_(current[name])


def _end_epoch(run: _Run) -> None:
    row: dict[str, float | str] = {"epoch": run.epoch, "step": run.step, "rate": _rate(run)}
    row.update({name: total / max(1, run.count) for name, total in run.sums.items()})
    if run.fabric.is_global_zero:
        row.update(check(run.average, run.crop, run.data, run.fabric.device))
        row["seconds"] = time.perf_counter() - run.started
        append_row(run.folder / LOG, _COLUMNS, row)
    run.sums, run.count = {}, 0
    _save(run)


def check(
    network: FaceNetwork, crop: Crop, data: TrainingData, device: torch.device
) -> Mapping[str, float]:
    """Accuracy and TAR at FAR 1 % and 0.1 % on the pairs of people who are never trained on."""
    network.eval()
    rows = []
    with torch.no_grad():
        for start in range(0, len(data.checks), 128):
            some = range(start, min(start + 128, len(data.checks)))
            crops = plain_crop(to_tensor(data.checks.take(some)), crop).to(device)
            rows.append(network(crops).cpu().numpy())
    similarities, same, folds = pair_similarities(np.concatenate(rows), data.checks, data.pairs)
    out = {"accuracy": float(fold_accuracies(similarities, same, folds).mean())}
    for name, far in (("tar_far_1", 0.01), ("tar_far_01", 0.001)):
        if int(far * (~same).sum()) >= 1:
            out[name] = threshold_at(far, similarities, same, "", "").tar
    return out


def _save(run: _Run) -> None:
    part = run.folder / f"{CHECKPOINT}.part"
    state = {
        "model": run.model,
        "optimizer": run.optimizer,
        "average": run.average.state_dict(),
        "step": run.step,
        "recipe": run.recipe.to_json(),
    }
    with keeping(run.folder / CHECKPOINT):
        run.fabric.save(part, state)
        if run.fabric.is_global_zero:
            part.replace(run.folder / CHECKPOINT)
    run.fabric.barrier()


def _resume(run: _Run) -> None:
    file = run.folder / CHECKPOINT
    state: dict[str, Any] = {"model": run.model, "optimizer": run.optimizer}
    try:
        rest = run.fabric.load(file, state, weights_only=True)
    except Exception as error:  # damaged files make the loader raise anything
        raise_if_short(error)
        raise UsageError(
            f"{file} is another recipe's, or damaged: choose another folder"
        ) from error
    if rest["recipe"] != run.recipe.to_json():
        raise UsageError(
            f"{file} was made by another version of this recipe: choose another folder"
        )
    run.average.load_state_dict(rest["average"])
    run.step = int(rest["step"])
