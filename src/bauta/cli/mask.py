"""``bauta mask``: fit, apply, remove, show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.clips import mask_clip, print_worn
from bauta.cli.jobs import run_jobs
from bauta.cli.manual import manual
from bauta.cli.options import (
    MACHINE,
    OUTPUT,
    WHOM,
    Device,
    Json,
    KeepMetadata,
    Media,
    MinFace,
    Output,
    Overwrite,
    Perceptual,
    Photos,
    Surrogates,
)
from bauta.cli.output import out, print_json, progress_bar, usage_errors
from bauta.cli.passphrase import Passphrase, ask_passphrase, passphrase_for
from bauta.cli.paths import photo_jobs
from bauta.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from bauta.clips import WornClip
    from bauta.keys.mask import PersonalMask
    from bauta.personal import Worn

app = typer.Typer(
    help="One mask for all photos of a person: fit it once, apply it in no time, remove it again.",
    no_args_is_help=True,
)

_Key = Annotated[Path, typer.Argument(help="The key file.", metavar="KEY")]

_VIEWS = "From one photo (--method facecloak)"


@app.command(
    "fit",
    epilog=manual(
        """
        bauta mask fit me1.jpg me2.jpg me3.jpg -o me.mask
        bauta mask fit my-photos/ -o me.mask --passphrase
        bauta mask fit me.jpg -o me.mask --method facecloak   from one photo
        """,
        environment="weights passphrase",
    ),
)
def fit_command(
    photos: Annotated[
        list[Path],
        typer.Argument(
            help="Photos of one person, or folders of such; ten are good.", metavar="PATH"
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The key file to write.", metavar="KEY")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="chameleon, or facecloak, which one photo is enough for.",
            metavar="NAME",
            autocompletion=complete.words(*complete.PERSONAL),
        ),
    ] = "chameleon",
    epsilon: Annotated[
        float | None,
        typer.Option(
            help="How much change you accept: as visible as noise of so many grey levels of 255; "
            "16 hides more, and is seen.",
            show_default="8",
            metavar="LEVELS",
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            help="Masks in the family; each photo wears one of them, by its content.",
            show_default="3",
            metavar="NUMBER",
        ),
    ] = None,
    warp: Annotated[
        float | None,
        typer.Option(
            help="How far features may be shifted, in percent of the distance between the eyes.",
            show_default="2",
            metavar="PERCENT",
        ),
    ] = None,
    perceptual: Perceptual = True,
    steps: Annotated[
        int | None,
        typer.Option(help="Gradient steps per member.", show_default="40", metavar="NUMBER"),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(
            help="Synthetic views of each photo.",
            show_default="8",
            metavar="NUMBER",
            rich_help_panel=_VIEWS,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="What makes them: embedded, or arc2face (docs/views.md).",
            show_default="embedded",
            metavar="NAME",
            autocompletion=complete.words(*complete.VIEW_ENGINES),
            rich_help_panel=_VIEWS,
        ),
    ] = None,
    surrogate: Surrogates = None,
    device: Device = "cpu",
    seed: Annotated[
        int,
        typer.Option(
            help="Seed of all randomness but the key's secret.",
            metavar="NUMBER",
            rich_help_panel=MACHINE,
        ),
    ] = 0,
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Fit a mask on photos of one person. The key file is what applies it and what removes it.

    Keep the key like a house key: who has it can take the mask off your photos, and knows your
    face. Without it nobody can, not even you.
    """
    from bauta.personal import fit_mask

    given = {
        "epsilon": epsilon, "members": members, "warp": warp, "steps": steps,
        "views": views, "engine": engine,
        "surrogates": tuple(surrogate) if surrogate else None,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    with usage_errors(), progress_bar(quiet=json) as bar:
        files = [source for source, _ in photo_jobs(photos, None, "-masked")]
        word = ask_passphrase(confirm=True) if passphrase else None
        task = bar.add_task("fitting", total=1.0)
        mask = fit_mask(
            files, output, method=method, passphrase=word, overwrite=overwrite,
            progress=lambda share: bar.update(task, completed=share),
            perceptual=perceptual, seed=seed, device=device, **options,
        )  # fmt: skip
    if json:
        print_json({"key": str(output), **_facts(mask), "sealed": word is not None})
        return
    out.print(f"[bold]{escape(str(output))}[/]: {_sentence(mask)}")
    if word is None:
        out.print("[dim]it lies open: --passphrase seals it[/]")


@app.command(
    "apply",
    epilog=manual(
        """
        bauta mask apply me.mask party.jpg      writes party-masked.jpg
        bauta mask apply me.mask album/ -o masked/
        bauta mask apply me.mask party.mp4      one mask, all the way through
        bauta mask apply me.mask party.jpg --lossless    keeps the original, sealed
        """,
        exits="0 done, 1 a photo failed, 2 bad usage.",
        files="record",
        environment="passphrase",
    ),
)
def apply_command(
    key: _Key,
    paths: Media,
    output: Output = None,
    faces: Annotated[
        str,
        typer.Option(
            help="mine (who looks like the owner), all, largest, or 1,3.",
            metavar="WHICH",
            autocompletion=complete.words("mine", "all", "largest"),
            rich_help_panel=WHOM,
        ),
    ] = "mine",
    lossless: Annotated[
        bool,
        typer.Option(
            "--lossless",
            help="Write the original beside, sealed, so that it comes back bit for bit.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    min_face: MinFace = None,
    keep_metadata: KeepMetadata = False,
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Put a mask on its owner's face. Originals are never changed.

    Location, serial numbers, thumbnails and maker notes are removed unless you say
    --keep-metadata. How well a photo is hidden says bauta verify.
    """
    from bauta.media.video import is_video
    from bauta.personal import MASKED, apply_mask

    mask = _opened(key, passphrase)
    metadata = "keep" if keep_metadata else "private"

    def change(source: Path, target: Path | None, bar: Progress) -> Worn | WornClip:
        if not is_video(source):
            return apply_mask(
                mask, source, target, faces=faces, lossless=lossless, min_face=min_face,
                metadata=metadata, overwrite=overwrite,
            )  # fmt: skip
        if lossless:
            raise UsageError(f"{source} is a video: --lossless keeps originals of photos only")
        return mask_clip(
            mask, source, target, faces=faces, min_face=min_face, metadata=metadata,
            overwrite=overwrite, bar=bar,
        )  # fmt: skip

    with usage_errors():
        jobs = photo_jobs(paths, output, MASKED, videos=True)
    _run(jobs, change, "masked", quiet=json)


@app.command(
    "remove",
    epilog=manual(
        """
        bauta mask remove me.mask party-masked.jpg      writes party-unmasked.jpg
        bauta mask remove me.mask web.jpg --original party-masked.jpg.original
        """,
        exits="0 done, 1 a photo failed, 2 bad usage.",
        files="record",
        environment="passphrase",
    ),
)
def remove_command(
    key: _Key,
    paths: Photos,
    output: Output = None,
    original: Annotated[
        Path | None,
        typer.Option(
            help="Record that --lossless wrote.",
            show_default="what lies beside the photo",
            metavar="FILE",
        ),
    ] = None,
    min_face: MinFace = None,
    keep_metadata: KeepMetadata = False,
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Take a mask off photos, with the key that they were masked with.

    With the record of the original that comes back bit for bit. Without it the mask is
    subtracted, as exactly as compression since then allows. Another key changes nothing.
    """
    from bauta.personal import UNMASKED, remove_mask

    mask = _opened(key, passphrase)

    def change(source: Path, target: Path | None, bar: Progress) -> Worn:
        del bar
        return remove_mask(
            mask, source, target, record=original, min_face=min_face,
            metadata="keep" if keep_metadata else "private", overwrite=overwrite,
        )  # fmt: skip

    with usage_errors():
        jobs = photo_jobs(paths, output, UNMASKED)
        if original and len(jobs) > 1:
            raise UsageError("--original is of one photo, but several were given")
    _run(jobs, change, "unmasked", quiet=json)


@app.command(
    "show",
    epilog=manual(
        """
        bauta mask show me.mask
        bauta mask show me.mask --picture mask.png
        """,
        environment="passphrase",
    ),
)
def show_command(
    key: _Key,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the mask, magnified, into this PNG file.", metavar="FILE"),
    ] = None,
    passphrase: Passphrase = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Say what a key is: how it was made, how much it changes, and what it looks like."""
    from bauta.personal import draw_mask

    mask = _opened(key, passphrase)
    if picture:
        with usage_errors():
            draw_mask(mask, picture, overwrite=overwrite)
    if json:
        print_json({"key": str(key), **_facts(mask)})
        return
    out.print(f"[bold]{escape(str(key))}[/]: {_sentence(mask)}")
    out.print("fitted against " + escape(", ".join(mask.facts.surrogates)))
    if picture:
        out.print(f"picture: {escape(str(picture))}")


def _run(
    jobs: list[tuple[Path, Path | None]],
    change: Callable[[Path, Path | None, Progress], Worn | WornClip],
    done: str,
    *,
    quiet: bool,
) -> None:
    """Change one photo or video after the other; one that fails never stops the rest."""
    from bauta.personal import Worn

    worn, failures = run_jobs(jobs, change, lambda one: _say(one, done), what=done, quiet=quiet)
    if quiet:
        photos = [one.to_json() for one in worn if isinstance(one, Worn)]
        videos = [one.to_json() for one in worn if not isinstance(one, Worn)]
        print_json({"photos": photos, "videos": videos, "failures": failures})
    if failures:
        raise typer.Exit(1)


def _say(worn: Worn | WornClip, done: str) -> None:
    from bauta.personal import Worn

    if not isinstance(worn, Worn):
        print_worn(worn)
        return
    if worn.exact:
        what = "the original, bit for bit"
    else:
        numbers = ", ".join(str(number) for number in worn.chosen)
        what = f"face {numbers} of {worn.faces} {done}"
    out.print(f"[bold]{escape(str(worn.written))}[/]: {what}")
    if worn.record and not worn.exact:
        out.print(f"[dim]original, sealed: {escape(str(worn.record))}[/]")
    if worn.left_out:
        out.print(f"[dim]metadata left out: {escape(', '.join(worn.left_out))}[/]")


def _opened(key: Path, ask: bool) -> PersonalMask:
    """The key, after its passphrase if it has one."""
    from bauta.keys.mask import read_mask

    with usage_errors():
        return read_mask(key, passphrase_for(key, ask=ask))


def _facts(mask: PersonalMask) -> dict[str, object]:
    return {**asdict(mask.facts), "members": len(mask.deltas), "moves": bool(len(mask.flows))}


def _sentence(mask: PersonalMask) -> str:
    facts = mask.facts
    count = f"a family of {len(mask.deltas)} masks" if len(mask.deltas) > 1 else "one mask"
    photos = f"{facts.photos} photos" if facts.photos > 1 else "one photo"
    kind = ", perceptual" if facts.perceptual else ""
    moves = ", features shifted" if len(mask.flows) else ""
    return (
        f"{count} by {escape(facts.method)}, fitted on {photos}; epsilon {facts.epsilon:g}"
        f"{kind} (no sample by more than {facts.peak:g}){moves}"
    )
