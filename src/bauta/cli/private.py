"""``bauta private``: select, train, evaluate, invert, report, mask."""

from __future__ import annotations

import math
import shlex
import sys
import time
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import (
    JUDGES,
    MACHINE,
    OUTPUT,
    Device,
    Devices,
    Json,
    MinFace,
    Minutes,
    Precision,
    Seed,
    TrainingFolder,
)
from bauta.cli.output import Tell, out, print_json, progress_bar, usage_errors
from bauta.cli.passphrase import Passphrase, ask_passphrase, passphrase_for

app = typer.Typer(
    help="Face recognition that is trained without giving its people away (ahm).",
    no_args_is_help=True,
)
KEY = "masking.key"

_Data = Annotated[
    Path, typer.Option(help="Folder with one folder of photos per person.", metavar="FOLDER")
]
_Model = Annotated[
    Path, typer.Argument(help="Folder of a finished private training.", metavar="MODEL")
]
_Recipe = Annotated[
    str,
    typer.Argument(
        help="A recipe of Bauta's, or a .toml file.",
        metavar="RECIPE",
        autocompletion=complete.named("privacy-recipe"),
    ),
]


@app.command(
    "train",
    epilog=manual(
        """
        bauta private train --data my-people
        bauta private train --data my-people --minutes 60    called again, goes on
        bauta private train --data my-people --privacy 0.8 --name ahm-8
        bauta private train --data lfw --defence mixup-4    a baseline
        bauta private train mine.toml --data my-people --device cuda
        """,
        files="cache",
        environment="passphrase",
    ),
)
def train_command(
    data: _Data,
    recipe: _Recipe = "ahm",
    defence: Annotated[
        str | None,
        typer.Option(
            help="Instead of the recipe's; none is plain training.",
            metavar="NAME",
            autocompletion=complete.words(*complete.DEFENCES),
        ),
    ] = None,
    privacy: Annotated[
        float | None,
        typer.Option(
            help="0 (as accurate as mixtures of 2) to 1 (as private as mixtures of 6).",
            metavar="SHARE",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Of the run's folder and files, instead of the recipe's.",
            metavar="NAME",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Masking key; without one it is made in the run's folder.", metavar="FILE"
        ),
    ] = None,
    passphrase: Passphrase = False,
    channels: Annotated[
        Path | None,
        typer.Option(help="What bauta private select chose, instead of all.", metavar="FILE"),
    ] = None,
    output: TrainingFolder = Path("private"),
    epochs: Annotated[
        int | None, typer.Option(help="Instead of the recipe's.", metavar="NUMBER")
    ] = None,
    seed: Seed = None,
    minutes: Minutes = math.inf,
    device: Device = "cpu",
    devices: Devices = 1,
    precision: Precision = "32-true",
) -> None:
    """Train a recognizer on faces that are masked and mixed: resumable, with a log and curves.

    What leaves a photo's owner are frequencies, shuffled and mixed by a secret key, of 2 to 6 faces
    at a time; a strategy learns how many, as --privacy says. People of the recipe's held-out splits
    are never trained on; where the folder knows none of them, a tenth of its people is held out.
    """
    from bauta.private.curves import finished, plot_curves, read_log
    from bauta.private.export import export_private
    from bauta.private.loop import PrivateData, build_private, is_first, train_private
    from bauta.private.recipe import read_private_recipe
    from bauta.private.selection import read_channels
    from bauta.training.faceset import read_people
    from bauta.training.pairs import held_out_pairs
    from bauta.training.prepare import apart, with_photos
    from bauta.training.synthetic import with_views
    from bauta.weights.records import data_folder

    with usage_errors():
        plan = read_private_recipe(recipe)
        given: dict[str, Any] = {
            "defence": defence,
            "privacy": privacy,
            "epochs": epochs,
            "seed": seed,
            "channels": read_channels(channels) if channels else None,
        }
        plan = replace(plan, **{k: v for k, v in given.items() if v is not None})
        if defence is not None:
            plan = replace(plan, name=defence if plan.name == "ahm" else f"{plan.name}-{defence}")
        plan = replace(plan, name=name or plan.name)
        folder = output / plan.name
        secret = _secret(key or folder / KEY, passphrase, made=key is None)
        started = time.perf_counter()
        with progress_bar(quiet=False) as bar:
            tell = Tell(bar)
            cache = data_folder().parent / "cache"
            everybody = read_people(data, cache, progress=tell)
            faces, checks = apart(everybody, plan.held_out, plan.seed)
            faces = with_photos(faces, plan.least)
            faces = with_views(faces, plan.views, cache, seed=plan.seed, progress=tell)
            ready = PrivateData(faces=faces, checks=checks, pairs=held_out_pairs(checks.names))
            out.print(
                f"{plan.name}: {len(faces):,} faces of {len(faces.identities):,} people to train "
                f"on, {len(ready.pairs):,} pairs of {len(checks.identities):,} held-out people to "
                "check on"
            )
            network = train_private(
                plan, ready, secret, folder, accelerator=device, devices=devices,
                precision=precision, minutes=minutes,
                progress=lambda done, total, loss: tell(f"training, loss {loss:.3f}", done, total),
            )  # fmt: skip
        if not is_first():
            return
        plot_curves(folder)
        rows = read_log(folder)
        if not finished(folder, plan.epochs):
            out.print(f"stopped after {len(rows)} epochs; the same command goes on from there")
            return
        made = {
            "command": shlex.join(["bauta", *sys.argv[1:]]), "faces": len(faces),
            "people": len(faces.identities), "data": data.name,
            "accuracy": float(rows[-1]["accuracy"]),
            "last_run_seconds": round(time.perf_counter() - started),
        }  # fmt: skip
        shown, _ = build_private(plan, secret)
        files = export_private(network, shown, plan, folder, made=made)
    out.print(f"accuracy on held-out people {float(rows[-1]['accuracy']):.2%}")
    out.print(f"log and curves in {escape(str(folder))}")
    out.print(
        f"{escape(str(files.model))}: photos in, and it holds the secret; "
        f"bauta recognizers add takes it"
    )
    out.print(f"{escape(str(files.service))}: masked faces in, for a service")


@app.command(
    "select",
    epilog=manual(
        """
        bauta private select --data my-people -o channels.json
        bauta private train --data my-people --channels channels.json
        """,
        files="cache",
    ),
)
def select_command(
    data: _Data,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", metavar="FILE")
    ],
    recipe: _Recipe = "ahm",
    per_colour: Annotated[
        int,
        typer.Option(
            help="Channels to keep of each colour, of the 8 that differ.", metavar="NUMBER"
        ),
    ] = 6,
    steps: Annotated[int, typer.Option(help="Of learning.", metavar="NUMBER")] = 300,
    device: Device = "cpu",
    seed: Annotated[
        int, typer.Option(help="Of all randomness.", metavar="NUMBER", rich_help_panel=MACHINE)
    ] = 0,
    json: Json = False,
) -> None:
    """Choose the frequencies that recognition needs and the eye does not, for a mask to keep.

    An analysis network learns to weigh them, from recognition and a penalty on what they show.
    """
    from bauta.devices import present_device
    from bauta.private.recipe import read_private_recipe
    from bauta.private.selection import Selection, choose_channels, save_channels
    from bauta.training.faceset import read_people
    from bauta.training.prepare import apart, with_photos
    from bauta.weights.records import data_folder

    with usage_errors():
        plan = read_private_recipe(recipe)
        how = Selection(per_colour=per_colour, steps=steps, seed=seed)
        with progress_bar(quiet=json) as bar:
            tell = Tell(bar)
            everybody = read_people(data, data_folder().parent / "cache", progress=tell)
            faces = with_photos(apart(everybody, plan.held_out, plan.seed)[0], plan.least)
            chosen = choose_channels(
                plan, faces, how, device=present_device(device),
                progress=lambda done, total, loss: tell(f"choosing, loss {loss:.3f}", done, total),
            )  # fmt: skip
        save_channels(output, chosen, how)
    if json:
        print_json({"channels": list(chosen.channels), "dropped_energy": chosen.dropped})
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("colour, frequency", "wanted", "energy", "kept"):
        table.add_column(title)
    for name, gate, energy, kept in chosen.rows():
        table.add_row(name, f"{gate:.2f}", f"{energy:.4%}", "yes" if kept else "")
    out.print(table)
    out.print(f"[bold]{escape(str(output))}[/]: {chosen.dropped:.2%} of the energy is dropped")


@app.command(
    "evaluate",
    epilog=manual(
        """
        bauta private evaluate private/ahm --data lfw
        bauta private evaluate private/ahm --data lfw --decoys 1 --json
        """,
        files="cache",
    ),
)
def evaluate_command(
    model: _Model,
    data: _Data,
    decoys: Annotated[
        int,
        typer.Option(
            help="Mix every face with so many strangers' before it is shown.", metavar="NUMBER"
        ),
    ] = 0,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Measure how well a private network tells people apart whom it was not trained on."""
    from bauta.media import atomic_write
    from bauta.private.checking import check
    from bauta.private.export import load_private
    from bauta.private.report import EVALUATION
    from bauta.recognizers.crops import crop_of
    from bauta.training.faceset import read_people
    from bauta.training.pairs import held_out_pairs
    from bauta.training.prepare import apart
    from bauta.weights.records import data_folder

    with usage_errors():
        recipe, publisher, network = load_private(model)
        with progress_bar(quiet=json) as bar:
            everybody = read_people(data, data_folder().parent / "cache", progress=Tell(bar))
            _, checks = apart(everybody, recipe.held_out, recipe.seed)
            pairs = held_out_pairs(checks.names)
            scores = check(
                network.to(device), publisher, crop_of(recipe.crop, recipe.size), checks, pairs,
                recipe.seed, decoys=decoys, progress=Tell(bar),
            )  # fmt: skip
        if not decoys:
            said = {"pairs": len(pairs), "data": data.name, **scores}
            atomic_write(model / EVALUATION, dumps(said, indent=1).encode(), overwrite=True)
    if json:
        print_json({"model": model.name, "pairs": len(pairs), "decoys": decoys, **scores})
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("network", "pairs", "decoys", "accuracy", "TAR at FAR 1 %", "at 0.1 %"):
        table.add_column(title)
    shares = [f"{scores[k]:.2%}" if k in scores else "" for k in _SCORES]
    table.add_row(escape(model.name), f"{len(pairs):,}", str(decoys), *shares)
    out.print(table)


_SCORES = ("accuracy", "tar_far_1", "tar_far_01")


@app.command(
    "invert",
    epilog=manual(
        """
        bauta private invert private/ahm --data lfw
        bauta private invert private/ahm --data lfw --attack unet --box black
        bauta private invert private/ahm --data lfw --attack linkage --count 1
        """,
        files="cache weights",
        environment="weights",
    ),
)
def invert_command(
    model: _Model,
    data: _Data,
    attack: Annotated[
        str,
        typer.Option(
            help="unet, linkage, optimised; glimpse: look, learn nothing; or all.",
            metavar="NAME",
            autocompletion=complete.words(*complete.ATTACKS),
        ),
    ] = "all",
    box: Annotated[
        str,
        typer.Option(
            help="white (secrets are known), black, or both.",
            metavar="NAME",
            autocompletion=complete.words("white", "black", "both"),
        ),
    ] = "both",
    count: Annotated[
        int | None,
        typer.Option(
            help="Faces per mixture; 1 is what a service is asked with.",
            show_default="as trained",
            metavar="NUMBER",
        ),
    ] = None,
    several: Annotated[
        int,
        typer.Option(
            help="Mixtures that each face was published in; their mean is drawn.",
            metavar="NUMBER",
        ),
    ] = 1,
    steps: Annotated[
        int | None, typer.Option(help="Of learning.", show_default="3000", metavar="NUMBER")
    ] = None,
    width: Annotated[
        int, typer.Option(help="Channels of the U-Net's first level.", metavar="NUMBER")
    ] = 64,
    victims: Annotated[
        int, typer.Option(help="How many people are attacked.", metavar="NUMBER")
    ] = 200,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Recognizer that judges what is drawn.",
            metavar="NAME",
            autocompletion=complete.recognizers,
            rich_help_panel=JUDGES,
        ),
    ] = None,
    device: Device = "cpu",
    seed: Annotated[
        int,
        typer.Option(
            help="Of learning, and of what was published.",
            metavar="NUMBER",
            rich_help_panel=MACHINE,
        ),
    ] = 0,
    json: Json = False,
) -> None:
    """Attack a private network, and measure what its people's faces lose.

    The attacker learns on the held-out people; victims are people who were trained on. What is
    drawn of them is compared with their photos, by the eye's measure and by a recognizer. Numbers
    and sheets go to the network's folder, attacks/.
    """
    from bauta.private.attacking import Attacked, centres_of, glimpsed, plans_of, save_attack
    from bauta.private.attacking import attack as run_attack
    from bauta.private.export import load_private
    from bauta.private.leakage import judge_of
    from bauta.private.victims import choose_victims
    from bauta.recognizers.crops import crop_of
    from bauta.training.faceset import read_people
    from bauta.training.prepare import apart, with_photos
    from bauta.weights.records import data_folder

    with usage_errors():
        recipe, publisher, network = load_private(model)
        plans = plans_of(attack, box, count, steps, width, device, seed, several)
        crop = crop_of(recipe.crop, recipe.size)
        judged = judge_of(crop, judge)
        done: list[Attacked] = []
        with progress_bar(quiet=json) as bar:
            tell = Tell(bar)
            everybody = read_people(data, data_folder().parent / "cache", progress=tell)
            faces, strangers = apart(everybody, recipe.held_out, recipe.seed)
            faces = with_photos(faces, recipe.least)
            chosen = choose_victims(faces, crop, victims, seed)
            if attack in ("all", "glimpse"):
                done.append(glimpsed(publisher, chosen, judged, model, seed))
                save_attack(model, done[-1], chosen)
            for plan in plans:
                centres = centres_of(model)
                result = run_attack(
                    plan, recipe, publisher, network, centres, strangers, chosen, crop, judged,
                    model, progress=tell,
                )  # fmt: skip
                save_attack(model, result, chosen)
                done.append(result)
    if json:
        print_json([one.row for one in done])
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("attack", "box", "faces per mixture", "SSIM", "PSNR", "verification", "rank 1"):
        table.add_column(title)
    for one in done:
        row = one.row
        table.add_row(
            row["attack"], row["box"], str(row.get("count") or "as trained"),
            f"{row['ssim']:.3f}" if "ssim" in row else "",
            f"{row['psnr']:.1f} dB" if "psnr" in row else "",
            f"{row['verification']:.1%} ± {row['error']:.1%}",
            f"{row['rank1']:.1%}" if "rank1" in row else "",
        )  # fmt: skip
    out.print(table)
    out.print(
        f"judged by {judged.name}; 50 % is chance. Sheets in {escape(str(model / 'attacks'))}"
    )


@app.command(
    "report",
    epilog=manual(
        """
        bauta private report private/none private/ahm -o privacy-report
        """,
    ),
)
def report_command(
    models: Annotated[
        list[Path],
        typer.Argument(help="Folders of networks that were attacked.", metavar="MODEL"),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder to write.", metavar="FOLDER")
    ] = Path("privacy-report"),
    json: Json = False,
) -> None:
    """Put accuracy beside privacy: a table, a plot for each score, and who is on the frontier."""
    from dataclasses import asdict

    from bauta.private.report import frontier, read_row, write_report

    with usage_errors():
        rows = [read_row(model) for model in models]
        page = write_report(rows, output)
    if json:
        best = frontier(rows)
        print_json([{**asdict(r), "privacy": r.privacy, "frontier": r.name in best} for r in rows])
        return
    out.print(f"[bold]{escape(str(page))}[/]: {len(rows)} networks")


@app.command(
    "mask",
    epilog=manual(
        """
        bauta private mask me.jpg --model private/ahm -o me.masked
        bauta private mask me.jpg --model private/ahm -o me.masked --min-face 40
        """,
    ),
)
def mask_command(
    photo: Annotated[Path, typer.Argument(help="A photo.", metavar="PHOTO")],
    model: Annotated[
        Path, typer.Option(help="Folder of a finished private training.", metavar="MODEL")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", metavar="FILE")
    ],
    min_face: MinFace = None,
) -> None:
    """Mask the faces of a photo for a service that runs NAME-service.onnx: no pixel is written.

    The file is safetensors: one array, faces by channels by rows by columns, the largest face
    first.
    """
    from bauta.private.client import mask_photo
    from bauta.private.export import load_private
    from bauta.recognizers.crops import crop_of

    with usage_errors():
        recipe, publisher, _ = load_private(model)
        crop = crop_of(recipe.crop, recipe.size)
        count, size = mask_photo(publisher, crop, photo, output, min_face=min_face)
    out.print(f"[bold]{escape(str(output))}[/]: {count} faces, {size / 1e6:.1f} MB")


def _secret(file: Path, ask: bool, *, made: bool) -> bytes:
    """The secret in a key file, which is made where it may be."""
    from bauta.keys.masking import MaskingKey, read_masking_key
    from bauta.media import atomic_write

    if made and not file.exists():
        word = ask_passphrase(confirm=True) if ask else None
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, MaskingKey().to_bytes(word), secret=True)
        out.print(f"[bold]{escape(str(file))}[/]: a new masking key; keep it to yourself")
    return read_masking_key(file, passphrase_for(file, ask=ask)).secret
