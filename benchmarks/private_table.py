"""Attack the networks of a table of private training, and put it together.

python benchmarks/private_table.py runs --data lfw --steps 1200 --width 16 -o privacy-report

Every folder of ``runs`` is what ``bauta private train`` and ``evaluate`` leave, or has at least
their log, ``recipe.json`` and ``evaluation.json``. What learns from published faces depends on what
is published alone, not on the network that was trained: defences that publish alike but for how
many faces are mixed share an attacker, who learns from mixtures of 1 to 6, and so has the time to
learn longer. It is then measured on what each of them published.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bauta.errors import UsageError
from bauta.private.attacking import Box, Plan, carry_out, glimpsed, guessed, learn, save_attack
from bauta.private.attacks.inversion import Inversion
from bauta.private.attacks.linkage import Linkage
from bauta.private.defences import Publisher, defence
from bauta.private.leakage import judge_of
from bauta.private.loop import publisher_of
from bauta.private.recipe import PrivateRecipe, parse_private_recipe
from bauta.private.report import read_row, write_report
from bauta.private.victims import choose_victims
from bauta.recognizers.crops import crop_of
from bauta.training.faceset import read_people
from bauta.training.prepare import apart, with_photos

_SECRET = b"the secret of this table"
_STUDENT = {
    "stem": 32,
    "last": 256,
    "bottlenecks": [[2, 32, 3, 2], [4, 64, 1, 2], [2, 64, 4, 1], [4, 64, 1, 2], [2, 64, 1, 1]],
}


def main() -> None:
    """Attack all runs, a kind of publishing at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder of runs")
    parser.add_argument("--data", type=Path, required=True, help="folder of people")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("-o", "--output", type=Path, default=Path("privacy-report"))
    parser.add_argument("--only", nargs="+", help="kinds of publishing, such as pixels or masked")
    parser.add_argument("--attacks", nargs="+", default=["unet", "linkage"])
    parser.add_argument("--boxes", nargs="+", default=["white", "black"])
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--victims", type=int, default=200)
    parser.add_argument("--judge", default="mobilefacenet-ms1m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="only put the report together")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    folders = sorted(path.parent for path in given.runs.glob("*/recipe.json"))
    if not given.report:
        _attack_all(given, folders)
        return
    rows = []
    for folder in folders:
        try:
            rows.append(read_row(folder))
        except UsageError as error:
            print(f"left out: {error}")
    print(write_report(rows, given.output))


def _attack_all(given: argparse.Namespace, folders: list[Path]) -> None:
    recipes = {folder: _recipe(folder) for folder in folders}
    first = next(iter(recipes.values()))
    crop, judge = (
        crop_of(first.crop, first.size),
        judge_of(crop_of(first.crop, first.size), given.judge),
    )
    everybody = read_people(given.data, given.cache)
    faces, attacker = apart(everybody, first.held_out, first.seed)
    victims = choose_victims(with_photos(faces, first.least), crop, given.victims, 0)
    kinds: dict[str, list[Path]] = defaultdict(list)
    for folder, recipe in recipes.items():
        kinds[_kind(recipe)].append(folder)
    for kind, members in kinds.items():
        if given.only and kind not in given.only:
            continue
        for folder in members:
            own = publisher_of(recipes[folder], _SECRET).to(torch.device(given.device))
            save_attack(folder, glimpsed(own, victims, judge, folder), victims)
        secretive = defence(recipes[members[0]].defence).domain == "masked"
        for attack in given.attacks:
            for box in given.boxes if secretive else ["white"]:
                plan = _plan(given, attack, box)
                recipe = recipes[members[0]]
                believed = publisher_of(recipe, _SECRET) if box == "white" else guessed(recipe)
                _mix_anything(believed)
                begun = time.perf_counter()
                learned = learn(plan, believed, attacker, crop, judge, progress=_tell(kind))
                print(f"{kind} {attack} {box}: {time.perf_counter() - begun:.0f} s", flush=True)
                for folder in members:
                    for one in _aims(plan, recipes[folder], box):
                        own = publisher_of(recipes[folder], _SECRET)
                        done = carry_out(one, learned, own, victims, judge, folder)
                        save_attack(folder, done, victims)
                        print(folder.name, done.row, flush=True)


def _recipe(folder: Path) -> PrivateRecipe:
    return parse_private_recipe(
        json.loads((folder / "recipe.json").read_text("utf-8")), folder.name
    )


def _kind(recipe: PrivateRecipe) -> str:
    """What is published, but for how many faces are mixed."""
    which = defence(recipe.defence)
    name = which.name if which.flips or which.noise else which.domain
    name += f"-keys{recipe.keys}" if recipe.keys > 1 else ""
    return name + ("-regions" if recipe.region_strength else "")


def _mix_anything(out: Publisher) -> None:
    """Mix 1 to 6 faces, where the defence mixes at all."""
    if out.defence.domain != "partial" and not out.defence.flips and not out.defence.noise:
        out.defence = replace(out.defence, counts=(1, 2, 3, 4, 5, 6), adaptive=False)


def _plan(given: argparse.Namespace, attack: Any, box: Box) -> Plan:
    widths = tuple(given.width << level for level in range(5))
    return Plan(
        attack=attack, box=box, device=given.device,
        inversion=Inversion(steps=given.steps, batch=given.batch, widths=widths, half=True),
        linkage=Linkage(steps=given.steps, batch=4 * given.batch, network=_STUDENT),
    )  # fmt: skip


def _aims(plan: Plan, recipe: PrivateRecipe, box: str) -> list[Plan]:
    """As trained; averaged over several mixtures; and of linkage, as a service is asked."""
    which = defence(recipe.defence)
    plans = [plan]
    if box == "white" and (which.counts != (1,) or recipe.keys > 1 or which.domain == "partial"):
        plans.append(replace(plan, several=8))
    if box == "white" and which.adaptive:
        plans += [replace(plan, count=count) for count in (1, 2)]
    return plans


def _tell(kind: str) -> Any:
    def tell(done: int, total: int, loss: float) -> None:
        if done % 100 == 0:
            print(f"{kind} {done}/{total} loss {loss:.4f}", flush=True)

    return tell


if __name__ == "__main__":
    main()
