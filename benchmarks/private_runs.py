"""Train the networks of a table of private training: same network, data, seed and epochs.

python benchmarks/private_runs.py --data lfw --epochs 41 --device cuda --together 19 -o runs

Several are trained at once, each in a process; that pays on a GPU, where one alone waits for the
processor most of the time. ``private_table.py`` attacks them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bauta.private.checking import check
from bauta.private.export import export_private
from bauta.private.loop import PrivateData, publisher_of, train_private
from bauta.private.recipe import PrivateRecipe, read_private_recipe
from bauta.private.report import EVALUATION
from bauta.processes import spawned
from bauta.recognizers.crops import crop_of
from bauta.training.augment import Augment
from bauta.training.faceset import read_people
from bauta.training.pairs import held_out_pairs
from bauta.training.prepare import apart, with_photos

_ALL = {"eyes": 0.6, "nose": 0.6, "mouth": 0.6}
#: Rows of the table, by what differs from the recipe.
ROWS: Mapping[str, Mapping[str, Any]] = {
    **{
        name: {"defence": name}
        for name in (
            "none", "mixup-2", "mixup-3", "mixup-4", "mixup-5", "mixup-6", "instahide", "dp-noise",
            "ppfr-fd", "partialface", "masked-2", "masked-4", "ahm-uniform",
        )
    },
    **{f"ahm-{share}": {"defence": "ahm", "privacy": share / 10} for share in (2, 5, 8)},
    "ppfr-fd-keys8": {"defence": "ppfr-fd", "keys": 8},
    "ahm-5-keys8": {"defence": "ahm", "keys": 8},
    "ahm-5-regions": {"defence": "ahm", "region_strength": _ALL},
}  # fmt: skip
SECRET = b"the secret of this table"


def main() -> None:
    """Train all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of people")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("-o", "--output", type=Path, default=Path("runs"))
    parser.add_argument("--recipe", default="ahm")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--epochs", type=int, default=41)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", help="bf16-mixed on GPUs, 32-true elsewhere")
    parser.add_argument("--together", type=int, default=1, help="how many at a time")
    given = parser.parse_args()
    # Found and cut once, before several want them.
    read_people(given.data, given.cache)
    jobs = [(row, given) for row in given.rows]
    with spawned(given.together) as pool:
        for row, accuracy in pool.map(train, *zip(*jobs, strict=True)):
            print(f"{row}: {accuracy:.2%}", flush=True)


def recipe_of(row: str, base: str, epochs: int) -> PrivateRecipe:
    """The recipe of a row. Light, place and cover are varied, detail is not, as it takes long."""
    augment = Augment(jpeg=0, noise=0, small=0, blur=0)
    return replace(read_private_recipe(base), name=row, epochs=epochs, augment=augment, **ROWS[row])


def train(row: str, given: argparse.Namespace) -> tuple[str, float]:
    """Train a row, and leave its files and how accurate it is with 0 to 2 decoys."""
    torch.set_num_threads(1)
    recipe = recipe_of(row, given.recipe, given.epochs)
    folder = given.output / row
    faces, checks = apart(read_people(given.data, given.cache), recipe.held_out, recipe.seed)
    pairs = held_out_pairs(checks.names)
    data = PrivateData(faces=with_photos(faces, recipe.least), checks=checks, pairs=pairs)
    precision = given.precision or ("32-true" if given.device == "cpu" else "bf16-mixed")
    network = train_private(
        recipe, data, SECRET, folder, accelerator=given.device, precision=precision
    )
    own = publisher_of(recipe, SECRET).to(torch.device(given.device))
    crop = crop_of(recipe.crop, recipe.size)
    scores = {
        decoys: check(network, own, crop, checks, pairs, recipe.seed, decoys=decoys)
        for decoys in range(3)
    }
    said = {"pairs": len(pairs), "data": given.data.name, **scores[0]}
    for name, content in (
        (EVALUATION, said), ("decoys.json", scores), ("recipe.json", recipe.to_json())
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(content, indent=1), "utf-8")
    made = {"faces": len(data.faces), "people": len(data.faces.identities), "data": given.data.name}
    export_private(network, publisher_of(recipe, SECRET), recipe, folder, made=made)
    return row, scores[0]["accuracy"]


if __name__ == "__main__":
    main()
