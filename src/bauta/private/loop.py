"""Private training: recognition learns from masked mixtures, and a strategy against it.

On Lightning Fabric: CPU, GPU, several devices; it stops and goes on at will. Every step draws from
a generator of its own, seeded by the recipe's seed, the step and the rank.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor, distributed, nn

from bauta.errors import BautaError, UsageError
from bauta.masking.mixing import Blend, draw_blend
from bauta.masking.regions import kept_map
from bauta.masking.strategy import (
    COUNTS,
    Bound,
    Choice,
    Strategy,
    choose,
    rewards,
    strategy_loss,
)
from bauta.memory import raise_if_short
from bauta.private.checking import check
from bauta.private.defences import Publisher, defence, publisher
from bauta.private.recipe import PrivateRecipe
from bauta.recognizers.base import Crop
from bauta.recognizers.crops import crop_of
from bauta.recognizers.evaluate import Pair
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.faceset import FaceSet
from bauta.training.losses import MarginHead
from bauta.training.running import agreed, append_row, decay_groups, keeping, launched, warm_cosine
from bauta.training.seeds import seed_of
from bauta.training.teachers import to_tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Told the steps done and in all, and the latest loss.
StepProgress = Callable[[int, int, float], None]

CHECKPOINT, LOG = "checkpoint.pt", "log.csv"
_SAVE_EVERY = 300.0
_CLIP = 5.0
#: How often in a run it is checked on held-out people.
_CHECKS = 6
#: How many faces the strategy mixes: columns of the log.
SHARES = tuple(f"share_{count}" for count in COUNTS)
_TERMS = ("loss", "missed", "count", "strategy", "reward", "entropy", "price", "allowed")
_COLUMNS = (
    "epoch", "step", "rate", *_TERMS, *SHARES, "accuracy", "error", "tar_far_1", "tar_far_01",
    "seconds",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class PrivateData:
    """What a network is trained and checked on.

    Attributes:
        faces: faces of labelled people.
        checks: faces of people who are in no training set.
        pairs: pairs of photos among ``checks``.

    """

    faces: FaceSet
    checks: FaceSet
    pairs: Sequence[Pair]


class Learner(nn.Module):
    """The network, with the centres of the people that it learns to tell apart."""

    def __init__(self, network: MaskedNetwork, recipe: PrivateRecipe, people: int) -> None:
        super().__init__()
        self.network = network
        self.head = MarginHead(
            recipe.head, people, recipe.embedding, margin=recipe.margin, scale=recipe.scale
        )

    def forward(self, mixed: Tensor, people: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) losses of mixtures, and how far the face with the largest share was missed.

        That is 0 where nobody else looks more alike, and 1 where everybody does; in between it
        goes by the logarithm of how many do.

        Args:
            mixed: (B, C, H, W) mixtures.
            people: (B, K) who is in them.
            weights: (B, K) with which shares.

        """
        raw = self.network.of_masked(mixed).float()
        loss = weights[:, 0] * self.head.each(raw, people[:, 0])
        for place in range(1, people.shape[1]):
            which = (weights[:, place] > 0).nonzero()[:, 0]
            if len(which):
                added = weights[which, place] * self.head.each(raw[which], people[which, place])
                loss = loss.index_add(0, which, added)
        with torch.no_grad():
            cosines = self.head.cosines(raw)
            nearer = (cosines > cosines.gather(1, people[:, :1])).sum(dim=1)
            missed = torch.log1p(nearer.float()) / math.log(cosines.shape[1])
        return loss, missed


@dataclass
class _Run:
    """A run in progress."""

    recipe: PrivateRecipe
    data: PrivateData
    fabric: Fabric
    folder: Path
    publisher: Publisher
    model: Any
    network: MaskedNetwork
    optimizer: Any
    strategy: Any
    strategist: Any
    bound: Bound
    crop: Crop
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0
    seconds: float = 0.0

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.data.faces) // (self.fabric.world_size * self.recipe.batch))

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    @property
    def turn(self) -> tuple[int, int]:
        """Epoch and step in it, as what is published counts them: it may come again."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        return (epoch % self.recipe.mixtures if self.recipe.mixtures else epoch), within


def train_private(
    recipe: PrivateRecipe,
    data: PrivateData,
    secret: bytes,
    folder: Path,
    *,
    accelerator: str = "cpu",
    devices: int = 1,
    precision: str = "32-true",
    minutes: float = math.inf,
    progress: StepProgress | None = None,
) -> MaskedNetwork:
    """Train a network, from the beginning or from where the folder's checkpoint stands.

    Args:
        recipe: how.
        data: on what.
        secret: of the mask.
        folder: where checkpoint and log are kept.
        accelerator: "cpu", "cuda", or another that Lightning Fabric knows.
        devices: how many of them.
        precision: Fabric's, such as "32-true" or "bf16-mixed".
        minutes: stop after this time, with a checkpoint.
        progress: told about every step.

    Returns:
        The network with its mask in front, in evaluation mode. It is finished if the log's last
        epoch is the recipe's.

    Raises:
        MissingExtraError: Lightning Fabric is not installed.
        UsageError: there are too few people, or the checkpoint is another recipe's,
            or another run works in the folder.

    """
    if len(data.faces.identities) < 2 or len(data.faces) < recipe.batch:
        raise UsageError(
            f"training needs at least two people and a batch of {recipe.batch} faces, got "
            f"{len(data.faces)} of {len(data.faces.identities)}"
        )
    with launched(folder, accelerator, devices, precision, recipe.seed) as fabric:
        run = _prepared(recipe, data, secret, folder, fabric)
        _run_on(run, minutes, progress)
    return run.network.eval()


def _run_on(run: _Run, minutes: float, progress: StepProgress | None) -> None:
    """Step after step, until it is done or time is up."""
    begun = saved = time.perf_counter()
    before = run.seconds
    while run.step < run.steps and not agreed(
        run.fabric, time.perf_counter() - begun >= 60 * minutes
    ):
        loss = _step(run)
        run.step += 1
        run.seconds = before + time.perf_counter() - begun
        if progress:
            progress(run.step, run.steps, loss)
        if run.step % run.steps_per_epoch == 0:
            _end_epoch(run)
            saved = time.perf_counter()
        elif agreed(run.fabric, time.perf_counter() - saved > _SAVE_EVERY):
            _save(run)
            saved = time.perf_counter()
    if run.step % run.steps_per_epoch:
        _save(run)


def is_first() -> bool:
    """Whether this is the first of several processes, or the only one: it writes and prints."""
    return not (distributed.is_available() and distributed.is_initialized()) or (
        distributed.get_rank() == 0
    )


def publisher_of(recipe: PrivateRecipe, secret: bytes) -> Publisher:
    """Build the defence of a recipe."""
    which = publisher(
        defence(recipe.defence), secret, stride=recipe.stride, channels=recipe.channels,
        keys=recipe.keys,
    )  # fmt: skip
    if recipe.region_strength:
        crop = crop_of(recipe.crop, recipe.size)
        which.own = kept_map(recipe.region_strength, crop.to_frame, crop.size, which.stride)
    return which


def build_private(recipe: PrivateRecipe, secret: bytes) -> tuple[Publisher, MaskedNetwork]:
    """Build the defence of a recipe, and its network with random weights."""
    which = publisher_of(recipe, secret)
    inner = build_network(
        recipe.family, size=recipe.size, embedding=recipe.embedding, options=recipe.network
    )
    return which, MaskedNetwork(inner, which.front, which.channels, which.stride)


def _prepared(
    recipe: PrivateRecipe,
    data: PrivateData,
    secret: bytes,
    folder: Path,
    fabric: Fabric,
) -> _Run:
    shown, network = build_private(recipe, secret)
    learner = Learner(network, recipe, len(data.faces.identities))
    learner = learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
    optimizer = torch.optim.AdamW(decay_groups(learner, recipe.decay), recipe.rate)
    strategy = Strategy(shown.channels)
    strategist = torch.optim.Adam(strategy.parameters(), recipe.strategy_rate)
    model, optimizer = fabric.setup(learner, optimizer)
    if shown.defence.adaptive:
        strategy, strategist = fabric.setup(strategy, strategist)
    run = _Run(
        recipe, data, fabric, folder, shown.to(fabric.device), model, network, optimizer, strategy,
        strategist, Bound.start(recipe.privacy), crop_of(recipe.crop, recipe.size),
    )  # fmt: skip
    if (folder / CHECKPOINT).is_file():
        _resume(run)
    return run


def _step(run: _Run) -> float:
    rank = run.fabric.global_rank
    epoch, within = run.turn
    drawn = epoch * run.steps_per_epoch + within
    generator = Generator().manual_seed(seed_of(run.recipe.seed, drawn, rank))
    for group in run.optimizer.param_groups:
        group["lr"] = _rate(run)
    run.model.train()
    crops, people = _batch(run, rank, generator)
    shown = run.publisher.represent(crops, generator)
    blend, choice = _blend(run, shown, generator)
    mixed = run.publisher.published(shown, blend, generator)
    losses, missed = run.model(
        mixed.contiguous(memory_format=torch.channels_last), people[blend.partners], blend.weights
    )
    loss = losses.mean()
    run.optimizer.zero_grad(set_to_none=True)
    run.fabric.backward(loss)
    run.fabric.clip_gradients(run.model, run.optimizer, max_norm=_CLIP, error_if_nonfinite=True)
    run.optimizer.step()
    terms = {"loss": loss, "missed": missed.mean()}
    terms["count"] = (blend.weights > 0).sum(dim=1).float().mean()
    if choice is not None:
        terms |= _teach(run, choice, losses, missed)
    for name, term in terms.items():
        run.sums[name] = run.sums.get(name, 0.0) + float(torch.as_tensor(term).detach())
    run.count += 1
    return float(loss.detach())


def _blend(run: _Run, shown: Tensor, generator: Generator) -> tuple[Blend, Choice | None]:
    if not run.publisher.defence.adaptive:
        return run.publisher.draw(len(shown), generator, shown.device), None
    choice = choose(run.strategy, shown, generator)
    return draw_blend(choice.counts, generator, COUNTS[-1]), choice


def _teach(run: _Run, choice: Choice, losses: Tensor, missed: Tensor) -> dict[str, Any]:
    """One step of the strategy, against what recognition has just lost."""
    gain = rewards(losses, missed, run.bound.price)
    loss, disorder = strategy_loss(choice, gain, run.recipe.entropy)
    run.strategist.zero_grad(set_to_none=True)
    run.fabric.backward(loss)
    run.strategist.step()
    run.bound.update(_everywhere(run, choice.index), _everywhere(run, missed))
    shares = torch.bincount(choice.index, minlength=len(COUNTS)).float() / len(choice.index)
    return {
        "strategy": loss.detach(), "reward": gain.mean(), "entropy": disorder,
        "price": run.bound.price, "allowed": run.bound.allowed,
        **dict(zip(SHARES, shares.tolist(), strict=True)),
    }  # fmt: skip


def _everywhere(run: _Run, mine: Tensor) -> Tensor:
    """What all devices have, one after the other."""
    if run.fabric.world_size == 1:
        return mine
    parts = [torch.empty_like(mine) for _ in range(run.fabric.world_size)]
    distributed.all_gather(parts, mine.contiguous())
    return torch.cat(parts)


def _rate(run: _Run) -> float:
    return run.recipe.rate * warm_cosine(run.step / run.steps, run.recipe.warmup)


def _batch(run: _Run, rank: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Crops (B, 3, size, size) RGB 0-255 and people (B,) of this step, on the device."""
    recipe, faces = run.recipe, run.data.faces
    epoch, within = run.turn
    order = np.random.default_rng(seed_of(recipe.seed, epoch)).permutation(len(faces))
    at = within * run.fabric.world_size + rank
    which = np.take(order, range(at * recipe.batch, (at + 1) * recipe.batch), mode="wrap")
    frames = run.fabric.to_device(to_tensor(faces.take(which)))
    crops = recipe.augment.change(recipe.augment.crop(frames, run.crop, generator), generator)
    return crops, run.fabric.to_device(torch.from_numpy(faces.people[which]))


def _end_epoch(run: _Run) -> None:
    epoch = run.step // run.steps_per_epoch
    row: dict[str, float | str] = {"epoch": epoch, "step": run.step, "rate": _rate(run)}
    row.update({name: total / max(1, run.count) for name, total in run.sums.items()})
    if run.fabric.is_global_zero:
        if epoch % max(1, run.recipe.epochs // _CHECKS) == 0 or epoch == run.recipe.epochs:
            row.update(
                check(run.network, run.publisher, run.crop, run.data.checks, run.data.pairs,
                      run.recipe.seed)
            )  # fmt: skip
        row["seconds"] = run.seconds
        append_row(run.folder / LOG, _COLUMNS, row)
    run.sums, run.count = {}, 0
    _save(run)


def _save(run: _Run) -> None:
    part = run.folder / f"{CHECKPOINT}.part"
    state = {
        "model": run.model, "optimizer": run.optimizer,
        "strategy": run.strategy, "strategist": run.strategist,
        "step": run.step, "seconds": run.seconds, "recipe": run.recipe.to_json(),
        "bound": {"missed": run.bound.missed, "seen": run.bound.seen, "lately": run.bound.lately},
    }  # fmt: skip
    with keeping(run.folder / CHECKPOINT):
        run.fabric.save(part, state)
        if run.fabric.is_global_zero:
            part.replace(run.folder / CHECKPOINT)
    run.fabric.barrier()


def _resume(run: _Run) -> None:
    file = run.folder / CHECKPOINT
    state: dict[str, Any] = {
        "model": run.model, "optimizer": run.optimizer,
        "strategy": run.strategy, "strategist": run.strategist,
    }  # fmt: skip
    try:
        rest = run.fabric.load(file, state, weights_only=True)
        if rest["recipe"] != run.recipe.to_json():
            raise UsageError(
                f"{file} was made by another version of this recipe: choose another folder"
            )
        kept = rest["bound"]
        run.bound = Bound(run.recipe.privacy, kept["missed"], kept["seen"], float(kept["lately"]))
        run.step, run.seconds = int(rest["step"]), float(rest["seconds"])
    except BautaError:
        raise
    except Exception as error:  # damaged files make the loader raise anything
        raise_if_short(error)
        raise UsageError(f"{file} is another recipe's, or damaged: choose another") from error
