"""Attacks on a private network, from its folder to what they drew and what that gives away.

The attacker has the people who are held out: he knows their faces, and that none of them was
trained on. His victims are people who were.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bauta.audit.pictures import encoded
from bauta.devices import present_device
from bauta.errors import UsageError, WeightsError
from bauta.masking.strategy import COUNTS
from bauta.media import atomic_write
from bauta.plain import table_of
from bauta.private.attacks.inversion import (
    Inversion,
    published,
    reconstructions,
    train_inversion,
)
from bauta.private.attacks.linkage import Linkage, train_linkage
from bauta.private.attacks.optimised import FacePrior, Optimised, face_prior, invert_network
from bauta.private.attacks.unet import UNet
from bauta.private.defences import Defence, Publisher
from bauta.private.leakage import glimpse, leak, verification
from bauta.private.loop import CHECKPOINT, LOG, SHARES, publisher_of
from bauta.private.recipe import PrivateRecipe
from bauta.private.victims import Victims
from bauta.recognizers.base import Crop, Recognizer
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.running import damaged, read_rows
from bauta.training.teachers import to_tensor
from bauta.weights.states import load_state

Attack = Literal["unet", "linkage", "optimised"]
Box = Literal["white", "black"]
ATTACKS: tuple[Attack, ...] = ("unet", "linkage", "optimised")
#: Told what is being done, the steps done and in all.
Progress = Callable[[str, int, int], None]

_FOLDER = "attacks"
_SHEET_PEOPLE = 10
#: A secret that is not the one, and how many masks are made of it: who does not know the mask
#: learns what all masks have in common.
_GUESS, _GUESSES = b"some other secret", 64
#: So many of the attacker's faces span those among which one is sought.
_SPANNING = 2000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is attacked, and how hard.

    Attributes:
        attack: "unet", "linkage" or "optimised".
        box: "white", secrets are known; or "black", they are not.
        count: faces per mixture that the victims published; None: as training published them.
        several: in how many mixtures each was published; what is drawn of them is averaged.
        inversion: how a U-Net learns.
        linkage: how a student learns.
        optimised: how a face is sought.
        device: where to compute.
        seed: of what the victims published.

    """

    attack: Attack
    box: Box = "white"
    count: int | None = None
    several: int = 1
    inversion: Inversion = field(default_factory=Inversion)
    linkage: Linkage = field(default_factory=Linkage)
    optimised: Optimised = field(default_factory=Optimised)
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the names."""
        if self.attack not in ATTACKS:
            raise UsageError(f"unknown attack {self.attack!r}: use {', '.join(ATTACKS)}")
        if self.box not in ("white", "black"):
            raise UsageError(f"a box is white or black, not {self.box!r}")
        if self.attack == "optimised" and self.box == "black":
            raise UsageError("a network can only be inverted by who has it: use the white box")
        if self.several < 1:
            raise UsageError(f"faces are published at least once, got {self.several}")


def centres_of(folder: Path) -> Tensor:
    """(people, D) what a network learnt of each person, out of its run's checkpoint.

    Raises:
        UsageError: there is no checkpoint.

    """
    try:
        centres: Tensor = load_state(folder / CHECKPOINT)["model"]["head.centres"]
        return centres.detach().float()
    except (WeightsError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder} holds no checkpoint with people's centres: {error}") from error


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack achieved.

    Attributes:
        row: numbers, plain data.
        pictures: (N, 3, size, size) what was drawn of the victims; None if nothing is drawn.

    """

    row: dict[str, Any]
    pictures: Tensor | None


def attack(
    plan: Plan,
    recipe: PrivateRecipe,
    own: Publisher,
    network: MaskedNetwork,
    centres: Tensor,
    attacker: FaceSet,
    victims: Victims,
    crop: Crop,
    judge: Recognizer,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Attacked:
    """Attack the victims of a private network.

    Args:
        plan: how.
        recipe: the network's recipe.
        own: its defence, with the real secret.
        network: the network, which "optimised" inverts.
        centres: (people, D) what the network learnt of each person.
        attacker: the faces that the attacker has.
        victims: whom he wants to see.
        crop: what is published of faces.
        judge: a recognizer that took no part.
        folder: the run's folder, whose log says how many faces its mixtures had.
        progress: told how far it is.

    """
    tell = progress or (lambda _what, _done, _total: None)

    def step(done: int, total: int, loss: float) -> None:
        tell(f"{plan.attack} ({plan.box} box), loss {loss:.3f}", done, total)

    if plan.attack == "optimised":
        pictures = _optimised(plan, network, centres, attacker, victims, crop, step)
        return Attacked(_row(plan, leak(victims, pictures, judge).to_json()), pictures)
    believed = own if plan.box == "white" else guessed(recipe)
    learned = learn(plan, believed, attacker, crop, judge, progress=step)
    return carry_out(plan, learned, own, victims, judge, folder)


def learn(
    plan: Plan,
    believed: Publisher,
    attacker: FaceSet,
    crop: Crop,
    judge: Recognizer,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> UNet | MaskedNetwork:
    """Learn to attack what a defence publishes: a U-Net, or the student of linkage.

    Args:
        plan: how.
        believed: the defence, with the secret that the attacker believes in.
        attacker: the faces that the attacker has.
        crop: what is published of faces.
        judge: the student's teacher.
        progress: told about every step.

    """
    device = present_device(plan.device)
    believed.to(device)
    if plan.attack == "linkage":
        targets = _targets(attacker, crop, judge)
        return train_linkage(
            believed, attacker, targets, crop, plan.linkage, device=device, count=plan.count,
            progress=progress,
        )  # fmt: skip
    return train_inversion(
        believed, attacker, crop, plan.inversion, device=device, count=plan.count,
        progress=progress,
    )  # fmt: skip


def carry_out(
    plan: Plan,
    learned: UNet | MaskedNetwork,
    own: Publisher,
    victims: Victims,
    judge: Recognizer,
    folder: Path,
) -> Attacked:
    """Attack victims with what :func:`learn` learnt; arguments are those of :func:`attack`."""
    own.to(present_device(plan.device))
    seen = [
        _seen(replace(plan, seed=plan.seed + turn), own, victims, folder)
        for turn in range(plan.several)
    ]
    if isinstance(learned, MaskedNetwork):
        return Attacked(_row(plan, _linked(learned, seen, victims, judge)), None)
    pictures = torch.stack([reconstructions(learned, one) for one in seen]).mean(dim=0).cpu()
    return Attacked(_row(plan, leak(victims, pictures, judge).to_json()), pictures)


def guessed(recipe: PrivateRecipe) -> Publisher:
    """The defence as who does not know the secret imagines it: with many masks, none the one."""
    return publisher_of(replace(recipe, keys=_GUESSES), _GUESS)


def plans_of(
    name: str,
    box: str,
    count: int | None,
    steps: int | None,
    width: int,
    device: str,
    seed: int,
    several: int = 1,
) -> list[Plan]:
    """Plans of one attack by name, or of all, in one box or in both; none of a mere glimpse.

    Raises:
        UsageError: there is no such attack or box, or they do not go together.

    """
    if name not in (*ATTACKS, "all", "glimpse"):
        raise UsageError(f"unknown attack {name!r}: use {', '.join(ATTACKS)}, glimpse or all")
    if box not in ("white", "black", "both"):
        raise UsageError(f"a box is white, black or both, not {box!r}")
    if name == "glimpse":
        return []
    inversion = Inversion(seed=seed, widths=tuple(width << level for level in range(5)))
    linkage, optimised = Linkage(seed=seed), Optimised(seed=seed)
    if steps is not None:
        inversion, linkage = replace(inversion, steps=steps), replace(linkage, steps=steps)
        optimised = replace(optimised, steps=steps)
    boxes: tuple[Box, ...] = ("white", "black")
    chosen = [
        (attack, one)
        for attack in ATTACKS
        for one in boxes
        if name in (attack, "all") and box in (one, "both")
    ]
    if len(chosen) > 1:
        # Who has the network has the secret in it. Asked for alone, that is refused.
        chosen = [pair for pair in chosen if pair != ("optimised", "black")]
    return [
        Plan(
            attack=attack, box=one, count=count, several=several, device=device, seed=seed,
            inversion=inversion, linkage=linkage, optimised=optimised,
        )
        for attack, one in chosen
    ]  # fmt: skip


def glimpsed(
    own: Publisher, victims: Victims, judge: Recognizer, folder: Path, seed: int = 0
) -> Attacked:
    """What is to be seen of the victims without learning anything."""
    plan = Plan(attack="unet", seed=seed)
    pictures = glimpse(own, _seen(plan, own, victims, folder), victims.crops.shape[-1])
    row = {"attack": "glimpse", "box": "none", **leak(victims, pictures, judge).to_json()}
    return Attacked(row, pictures)


def counts_of(which: Defence, folder: Path, size: int, generator: Generator) -> Tensor:
    """(size,) how many faces go into mixtures, as the last epoch of training had it."""
    shares = [1 / len(which.counts)] * len(which.counts)
    counts: Sequence[int] = which.counts
    if which.adaptive:
        try:
            last = read_rows(folder / LOG)[-1]
            counts, shares = COUNTS, [float(last[share]) for share in SHARES]
        except (IndexError, KeyError, ValueError) as error:
            raise damaged(folder / LOG, error) from error
    drawn = torch.multinomial(torch.tensor(shares), size, replacement=True, generator=generator)
    return torch.tensor(counts)[drawn]


def save_attack(folder: Path, done: Attacked, victims: Victims) -> Path:
    """Write numbers, and a sheet of what was drawn beside the originals; return the numbers' file.

    Raises:
        MediaError: they cannot be written.

    """
    target = folder / _FOLDER
    target.mkdir(parents=True, exist_ok=True)
    count, several = done.row.get("count"), done.row.get("several", 1)
    name = f"{done.row['attack']}-{done.row['box']}" + (f"-{count}" if count else "")
    name += f"-of-{several}" if several > 1 else ""
    file = target / f"{name}.json"
    atomic_write(file, (json.dumps(done.row, indent=1) + "\n").encode(), overwrite=True)
    if done.pictures is not None:
        rows = [victims.crops[:_SHEET_PEOPLE], done.pictures[:_SHEET_PEOPLE]]
        tiles = [torch.cat(list(row), dim=2) for row in rows]
        sheet = torch.cat(tiles, dim=1).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        atomic_write(target / f"{name}.png", encoded(sheet, "PNG"), overwrite=True)
    return file


def read_attacks(folder: Path) -> list[dict[str, Any]]:
    """Numbers of all attacks on a network that were saved."""
    files = sorted((folder / _FOLDER).glob("*.json"))
    return [read_measured(file) for file in files]


def read_measured(file: Path) -> dict[str, Any]:
    """Numbers of one measurement, which were saved as JSON.

    Raises:
        UsageError: the file is damaged.

    """
    try:
        return table_of(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is damaged ({error}): remove it and measure again") from error


def _seen(plan: Plan, own: Publisher, victims: Victims, folder: Path) -> Tensor:
    """What the victims published. Their mixtures are of themselves and each other."""
    generator = Generator().manual_seed(plan.seed)
    if plan.count is not None:
        counts = torch.full((len(victims),), plan.count)
    else:
        counts = counts_of(own.defence, folder, len(victims), generator)
    return published(own, victims.crops.to(plan.device), counts, generator)


def _row(plan: Plan, numbers: dict[str, Any]) -> dict[str, Any]:
    steps = {
        "unet": plan.inversion.steps,
        "linkage": plan.linkage.steps,
        "optimised": plan.optimised.steps,
    }
    return {
        "attack": plan.attack, "box": plan.box, "count": plan.count, "several": plan.several,
        **numbers, "steps": steps[plan.attack], "seed": plan.seed,
    }  # fmt: skip


def _targets(faces: FaceSet, crop: Crop, judge: Recognizer) -> np.ndarray[Any, np.dtype[Any]]:
    """(N, D) what the teacher sees in the attacker's own faces."""
    rows = []
    with torch.no_grad():
        for start in range(0, len(faces), 64):
            some = range(start, min(start + 64, len(faces)))
            crops = plain_crop(to_tensor(faces.take(some)), crop)
            rows.append(F.normalize(judge.embed_crops(crops)).numpy())
    return np.concatenate(rows).astype(np.float32)


@torch.no_grad()
def _linked(
    student: MaskedNetwork, seen: Sequence[Tensor], victims: Victims, judge: Recognizer
) -> dict[str, Any]:
    """Whether published faces are matched with clear ones of the same person."""
    told = sum(
        torch.cat([F.normalize(student.of_masked(p).float()) for p in torch.split(one, 64)])
        for one in seen
    )
    told = F.normalize(torch.as_tensor(told))
    clear = torch.cat([judge.embed_crops(p) for p in torch.split(victims.others, 64)])
    told, clear = told.cpu(), F.normalize(clear)
    accuracy, error = verification(told, clear)
    first = (told @ clear.T).argmax(dim=1) == torch.arange(len(told))
    return {
        "verification": accuracy, "error": error, "rank1": float(first.float().mean()),
        "people": len(victims),
    }  # fmt: skip


def _optimised(
    plan: Plan,
    network: MaskedNetwork,
    centres: Tensor,
    attacker: FaceSet,
    victims: Victims,
    crop: Crop,
    step: Callable[[int, int, float], None],
) -> Tensor:
    """Faces that the network takes for the victims, among those that the attacker's faces span."""
    device = present_device(plan.device)
    some = np.random.default_rng(plan.seed).permutation(len(attacker))[:_SPANNING]
    prior = face_prior(plain_crop(to_tensor(attacker.take(some)), crop))
    prior = FacePrior(prior.mean.to(device), prior.basis.to(device))
    wanted = centres[torch.from_numpy(victims.people)].to(device)
    parts = []
    for index, part in enumerate(torch.split(wanted, 50)):
        how = replace(plan.optimised, seed=plan.optimised.seed + index)
        network.to(device)
        parts.append(invert_network(network, part, prior, how, progress=step).cpu())
    return torch.cat(parts)
