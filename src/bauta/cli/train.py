"""``bauta recognizers train``."""

from __future__ import annotations

import math
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import OUTPUT, Device, Devices, Minutes, Precision, Seed, TrainingFolder
from bauta.cli.output import Tell, out, progress_bar, usage_errors

MANUAL = manual(
    """
    bauta recognizers train tight-ir --data lfw --chips utkface.zip
    bauta recognizers train tight-ir --data lfw --minutes 60    goes on later
    bauta recognizers train mine.toml --data my-people --device cuda
    """,
    files="cache weights",
)


def train_command(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe of Bauta's, or a .toml file.",
            metavar="RECIPE",
            autocompletion=complete.named("recipe"),
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Folder with one folder of photos per person.", metavar="FOLDER")
    ],
    chips: Annotated[
        Path | None,
        typer.Option(
            help="Folder or zip of unlabelled faces, for distillation and attributes.",
            metavar="PATH",
        ),
    ] = None,
    output: TrainingFolder = Path("training"),
    epochs: Annotated[
        int | None, typer.Option(help="Instead of the recipe's.", metavar="NUMBER")
    ] = None,
    seed: Seed = None,
    minutes: Minutes = math.inf,
    device: Device = "cpu",
    devices: Devices = 1,
    precision: Precision = "32-true",
    licence: Annotated[
        str, typer.Option(help="Licence of the result.", metavar="TEXT", rich_help_panel=OUTPUT)
    ] = "the maker's own",
    commercial_use: Annotated[
        bool,
        typer.Option(help="Whether licence and data allow commercial use.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Train a recognizer by a recipe: resumable, with a log and curves.

    People of the recipe's held-out split are never trained on; where the folder knows none of
    them, a tenth of its people is held out. Accuracy is measured on pairs of those.
    """
    from dataclasses import replace

    from bauta.training.curves import SCORES, finished, plot_curves
    from bauta.training.export import export
    from bauta.training.loop import train
    from bauta.training.prepare import prepare
    from bauta.training.recipe import read_recipe
    from bauta.weights.records import data_folder

    with usage_errors():
        plan = read_recipe(recipe)
        if epochs is not None:
            plan = replace(plan, schedule=replace(plan.schedule, epochs=epochs))
        if seed is not None:
            plan = replace(plan, seed=seed)
        folder = output / plan.name
        started = time.perf_counter()
        with progress_bar(quiet=False) as bar:
            tell = Tell(bar)
            ready = prepare(plan, data, chips, data_folder().parent / "cache", progress=tell)
            out.print(
                f"{plan.name}: {len(ready.faces):,} faces to train on, {len(ready.pairs):,} pairs "
                f"of {len(ready.checks.identities):,} held-out people to check on"
            )
            network = train(
                plan,
                ready,
                folder,
                accelerator=device,
                devices=devices,
                precision=precision,
                minutes=minutes,
                progress=lambda done, total, loss: tell(f"training, loss {loss:.3f}", done, total),
            )
        rows = plot_curves(folder)
        if not finished(folder, plan):
            out.print(f"stopped after {len(rows)} epochs; the same command goes on from there")
            return
        made = {
            "command": shlex.join(["bauta", *sys.argv[1:]]),
            "faces": len(ready.faces),
            "people": len(ready.faces.identities),
            "held_out_pairs": len(ready.pairs),
            "last_run_seconds": round(time.perf_counter() - started),
            "check": {k: float(rows[-1][k]) for k in SCORES if rows[-1][k]},
        }
        sources = f"{len(ready.faces):,} faces of {data.name}" + (
            f" and {chips.name}" if chips is not None and plan.chips else ""
        )
        taught = f", copying {' and '.join(plan.teachers)}" if plan.teachers else ""
        weights, card = export(
            network,
            plan,
            folder,
            licence=licence,
            commercial_use=commercial_use,
            training_data=sources + taught,
            made=made,
        )
    out.print(f"accuracy on held-out people {float(rows[-1]['accuracy']):.2%}")
    out.print(f"{escape(str(weights))}, {escape(str(card))}, curves in {escape(str(folder))}")
