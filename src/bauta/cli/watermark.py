"""``bauta watermark``: keygen, embed, trace, train."""

from __future__ import annotations

import math
import shlex
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.clips import mark_clip, print_marked, trace_clip
from bauta.cli.jobs import run_jobs
from bauta.cli.manual import manual
from bauta.cli.options import (
    Device,
    Faces,
    Json,
    KeepMetadata,
    Media,
    MinFace,
    Minutes,
    Output,
    Overwrite,
    Seed,
    TrainingFolder,
)
from bauta.cli.output import out, print_json, progress_bar, usage_errors
from bauta.cli.passphrase import Passphrase, ask_passphrase, passphrase_for
from bauta.cli.paths import photo_jobs

if TYPE_CHECKING:
    from rich.progress import Progress

    from bauta.clips import MarkedClip
    from bauta.watermarking import Marked, OwnKey, Traced, TracedFace

app = typer.Typer(
    help="Marks that only you can read: they say whose photo it is, and whom it was given to.",
    no_args_is_help=True,
)

_Key = Annotated[Path, typer.Option("--key", help="The key file.", metavar="FILE")]


@app.command(
    "keygen",
    epilog=manual(
        """
        bauta watermark keygen -o my.key
        bauta watermark keygen -o my.key --passphrase
        """,
        files="register",
        environment="passphrase",
    ),
)
def keygen_command(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The key file to write.", metavar="FILE")
    ],
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a key. Who has it marks photos as its owner, and traces them.

    Beside the key lies, from the first photo on, its register (my.key.ids): the identifiers that
    it has given out, sealed. Keep both: without them nobody can trace your photos, not even you.
    """
    from bauta.watermarking import make_key

    with usage_errors():
        word = ask_passphrase(confirm=True) if passphrase else None
        make_key(output, passphrase=word, overwrite=overwrite)
    out.print(f"[bold]{escape(str(output))}[/]: a new key")
    if word is None:
        out.print("[dim]it lies open: --passphrase seals it[/]")


@app.command(
    "embed",
    epilog=manual(
        """
        bauta watermark embed me.jpg --key my.key --id me/2026-11
        bauta watermark embed album/ -o for-anna/ --key my.key --id "given to Anna"
        bauta watermark embed party.mp4 --key my.key --id party
        bauta protect me.jpg --method dpg --key my.key --id me/2026-11
        """,
        exits="0 done, 1 a photo failed, 2 bad usage.",
        files="register",
        environment="passphrase",
    ),
)
def embed_command(
    paths: Media,
    key: _Key,
    identifier: Annotated[
        str,
        typer.Option(
            "--id", help="What a trace tells you again, such as me/2026-11.", metavar="TEXT"
        ),
    ],
    output: Output = None,
    faces: Faces = "all",
    epsilon: Annotated[
        float,
        typer.Option(help="How much change you accept, in grey levels of 255.", metavar="LEVELS"),
    ] = 8.0,
    min_face: MinFace = None,
    device: Device = "cpu",
    keep_metadata: KeepMetadata = False,
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Mark the faces of photos and videos in no time. Originals are never changed.

    Whoever finds the photo sees no mark, and cannot read one; you find out with bauta watermark
    trace which of yours it is. What is written is read back. Location, serial numbers, thumbnails
    and maker notes are removed unless you say --keep-metadata.
    """
    from bauta.media.video import is_video
    from bauta.watermarking import MARKED, Marked, embed

    with usage_errors():
        jobs = photo_jobs(paths, output, MARKED, videos=True)
    mine = _opened(key, passphrase)

    def mark(source: Path, target: Path | None, bar: Progress) -> Marked | MarkedClip:
        change = partial(mark_clip, bar=bar) if is_video(source) else embed
        return change(
            mine, identifier, source, target, faces=faces, epsilon=epsilon, min_face=min_face,
            metadata="keep" if keep_metadata else "private", overwrite=overwrite, device=device,
        )  # fmt: skip

    done, failures = run_jobs(jobs, mark, _say_marked, what="marking", quiet=json)
    if json:
        photos = [one.to_json() for one in done if isinstance(one, Marked)]
        videos = [one.to_json() for one in done if not isinstance(one, Marked)]
        print_json({"photos": photos, "videos": videos, "failures": failures})
    if failures:
        raise typer.Exit(1)


@app.command(
    "trace",
    epilog=manual(
        """
        bauta watermark trace from-the-web.jpg --key my.key
        bauta watermark trace downloads/ --key my.key --key work.key --json
        """,
        exits="0 done, whatever was found; 1 a photo could not be read, 2 bad usage.",
        files="register",
        environment="passphrase",
    ),
)
def trace_command(
    paths: Media,
    key: Annotated[
        list[Path],
        typer.Option("--key", help="A key file; repeat for several.", metavar="FILE"),
    ],
    identifier: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            help="Try this one too, if the register was lost; repeatable.",
            metavar="TEXT",
        ),
    ] = None,
    min_face: MinFace = None,
    device: Device = "cpu",
    passphrase: Passphrase = False,
    json: Json = False,
) -> None:
    """Say of each face whether one of your keys marked it, and with which identifier.

    Answers: yours, with the probability that chance says the same (below 1e-9); not yours: the
    face carries a mark of another key; unreadable: it carries none, or what is left cannot be read.
    """
    from bauta.media.video import is_video
    from bauta.watermarking import trace

    with usage_errors():
        jobs = photo_jobs(paths, None, "-traced", videos=True)
    keys = [_opened(file, passphrase) for file in key]

    def look(source: Path, _: Path | None, bar: Progress) -> Traced:
        follow = partial(trace_clip, bar=bar) if is_video(source) else trace
        return follow(keys, source, identifiers=identifier or (), min_face=min_face, device=device)

    done, failures = run_jobs(jobs, look, _say_traced, what="tracing", quiet=json)
    if json:
        print_json({"files": [one.to_json() for one in done], "failures": failures})
    elif len(jobs) > 1:
        mine = sum(one.answer == "yours" for one in done)
        out.print(f"[bold]{mine} of {len(done)} files are yours[/]")
    if failures:
        raise typer.Exit(1)


@app.command(
    "train",
    epilog=manual(
        """
        bauta watermark train dpg --data lfw
        bauta watermark train dpg --data lfw --minutes 60
        bauta watermark train mine.toml --data my-people --device cuda
        """,
        files="cache weights",
    ),
)
def train_command(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe of Bauta's, or a .toml file.",
            metavar="RECIPE",
            autocompletion=complete.named("watermark"),
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Folder with one folder of photos per person.", metavar="FOLDER")
    ],
    output: TrainingFolder = Path("training"),
    seed: Seed = None,
    minutes: Minutes = math.inf,
    device: Device = "cpu",
) -> None:
    """Train encoder and decoder by a recipe: resumable, with a log.

    People of the recipe's held-out splits are never trained on; where the folder knows none of
    them, a tenth of its people is held out. The log's checks are made on those.
    """
    from bauta.cli.output import Tell
    from bauta.training.faceset import read_people
    from bauta.training.prepare import apart
    from bauta.training.watermark_export import export_watermark
    from bauta.training.watermark_recipe import read_watermark_recipe
    from bauta.training.watermarks import train_watermark
    from bauta.weights.records import data_folder

    with usage_errors():
        plan = read_watermark_recipe(recipe)
        if seed is not None:
            plan = replace(plan, seed=seed)
        folder = output / plan.name
        started = time.perf_counter()
        with progress_bar(quiet=False) as bar:
            tell = Tell(bar)
            everybody = read_people(data, data_folder().parent / "cache", progress=tell)
            faces, held_out = apart(everybody, plan.held_out, plan.seed)
            out.print(
                f"{plan.name}: {len(faces):,} faces to train on, {len(held_out):,} of "
                f"{len(held_out.identities):,} held-out people to check on"
            )
            networks = train_watermark(
                plan, faces, held_out, folder, device=device, minutes=minutes, progress=tell
            )
            if networks is None:
                out.print("stopped in time; the same command goes on from there")
                return
            weights, card = export_watermark(
                networks, plan, faces, folder, progress=tell,
                training_data=f"{len(faces):,} faces of {data.name}, surrogates "
                + ", ".join(plan.surrogates),
                made={
                    "command": shlex.join(["bauta", *sys.argv[1:]]),
                    "faces": len(faces), "people": len(faces.identities),
                    "last_run_seconds": round(time.perf_counter() - started),
                },
            )  # fmt: skip
    out.print(f"{escape(str(weights))}, {escape(str(card))}, log in {escape(str(folder))}")


def _say_marked(one: Marked | MarkedClip) -> None:
    from bauta.watermarking import Marked

    if not isinstance(one, Marked):
        print_marked(one)
        return
    numbers = ", ".join(str(number) for number in one.chosen)
    bits = ", ".join(str(count) for count in one.agreeing)
    change = "" if math.isinf(one.psnr) else f"; {one.psnr:.1f} dB"
    out.print(
        f"[bold]{escape(str(one.written))}[/]: face {numbers} of {one.faces} marked; read back: "
        f"{bits} of 64 bits{change}"
    )
    if not one.readable:
        out.print(
            "[yellow]the mark cannot be traced from this file:[/] the face may be too small or too "
            "dark. Try --epsilon 12"
        )
    if one.left_out:
        out.print(f"[dim]metadata left out: {escape(', '.join(one.left_out))}[/]")


def _say_traced(one: Traced) -> None:
    out.print(f"[bold]{escape(str(one.source))}[/]: {_COLOURED[one.answer]}")
    if not one.faces:
        out.print("  no face was found; smaller ones are found with --min-face 20")
    for face in one.faces:
        out.print(f"  face {face.number}: {_told(face)}")


_COLOURED = {
    "yours": "[green]yours[/]",
    "not yours": "[yellow]not yours[/]",
    "unreadable": "unreadable",
}


def _told(face: TracedFace) -> str:
    if face.answer == "yours":
        odds = f"by chance once in {1 / (face.chance or 1e-300):.0e}"
        what = f"{escape(face.identifier)} ({escape(face.key)})"
        return f"{what}; {face.agreeing} of 64 bits, {odds}"
    if face.answer == "not yours":
        return "carries a mark of another key"
    return "carries no mark, or too little is left of it"


def _opened(key: Path, ask: bool) -> OwnKey:
    from bauta.watermarking import own_key

    with usage_errors():
        return own_key(key, passphrase_for(key, ask=ask))
