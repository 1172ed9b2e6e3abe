"""``bauta protect``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from bauta.audit.scores import PhotoReport
from bauta.cli import complete
from bauta.cli.clips import print_clip, protect_clip
from bauta.cli.manual import manual
from bauta.cli.options import (
    JUDGES,
    MACHINE,
    WHOM,
    Device,
    Faces,
    Json,
    KeepMetadata,
    Media,
    MinFace,
    Output,
    Overwrite,
    Report,
    Surrogates,
)
from bauta.cli.output import (
    complain,
    err,
    out,
    print_json,
    print_report,
    progress_bar,
    say_who_is_left_out,
    usage_errors,
)
from bauta.cli.passphrase import passphrase_for
from bauta.cli.paths import make_folder, photo_jobs
from bauta.errors import BautaError, RegistryError, UsageError

if TYPE_CHECKING:
    from bauta.clips import ClipReport

MANUAL = manual(
    """
    bauta protect me.jpg                        writes me-protected.jpg
    bauta protect me.jpg -o out.jpg --report proof.html
    bauta protect me.jpg --preset strong --no-spare         hides most
    bauta protect me.jpg --epsilon 4                        is hardly seen
    bauta protect group.jpg --faces 1,3 --epsilon 12
    bauta protect me.jpg --goal impersonate --target somebody.jpg
    bauta protect me.jpg --method dfpp --style tan          makeup that hides
    bauta protect me.jpg --method dpg --key my.key --id me/2026-11
    bauta protect party.mp4              goes on after Ctrl-C, called again
    bauta protect album/ -o protected/ --preset fast        only what is new
    bauta protect album/ -o protected/ --dry-run
    bauta protect /nfs/album -o /nfs/out --engine ray --address auto
    """,
    exits="0 done, 1 a photo failed, 2 bad usage. How well it went says the verdict, not the code.",
    files="album weights",
    environment="weights plugins passphrase",
)

_STAGES = ("read", "find", "protect", "write", "verify")


_TARGETS = "To be taken for somebody"
_MAKEUP = "Makeup (--method dfpp)"
_MARK = "Mark (--method dpg)"
_CHANGE = "How it is changed"
_FOLDER = "A folder with -o"


def protect_command(
    paths: Media,
    method: Annotated[
        str,
        typer.Option(
            help="tip-im hides; dfpp hides by makeup; dpg hides and marks.",
            metavar="NAME",
            autocompletion=complete.methods,
        ),
    ] = "tip-im",
    preset: Annotated[
        str,
        typer.Option(
            help="fast, balanced or strong: how long to search.",
            metavar="NAME",
            autocompletion=complete.words(*complete.PRESETS),
        ),
    ] = "balanced",
    epsilon: Annotated[
        float,
        typer.Option(
            help="How much change you accept, in grey levels of 255: 4 is hard to see, 12 shows.",
            metavar="LEVELS",
        ),
    ] = 8.0,
    output: Output = None,
    report: Report = None,
    keep_metadata: KeepMetadata = False,
    overwrite: Overwrite = False,
    json: Json = False,
    faces: Faces = "all",
    min_face: MinFace = None,
    detector: Annotated[
        str,
        typer.Option(
            help="What finds faces: hog, or yunet (fetched; extra onnx).",
            metavar="NAME",
            autocompletion=complete.words(*complete.DETECTORS),
            rich_help_panel=WHOM,
        ),
    ] = "hog",
    spare: Annotated[
        bool,
        typer.Option(
            help="Give faces that are hidden with three quarters of --epsilon no more than that.",
            rich_help_panel=_CHANGE,
        ),
    ] = True,
    perceptual: Annotated[
        bool,
        typer.Option(
            help="Change smooth areas less, where the eye sees it most.", rich_help_panel=_CHANGE
        ),
    ] = True,
    warp: Annotated[
        float | None,
        typer.Option(
            help="How far features may be shifted, in percent of the distance between the eyes.",
            show_default="2; 0 with --no-perceptual",
            metavar="PERCENT",
            rich_help_panel=_CHANGE,
        ),
    ] = None,
    gamma: Annotated[
        float,
        typer.Option(
            help="Weight of the naturalness term (MMD), 0 or more.",
            metavar="WEIGHT",
            rich_help_panel=_CHANGE,
        ),
    ] = 0.0,
    goal: Annotated[
        str | None,
        typer.Option(
            help="dodge: not to be recognised; impersonate: to be taken for somebody.",
            show_default="dodge; impersonate with --target",
            metavar="NAME",
            autocompletion=complete.words(*complete.GOALS),
            rich_help_panel=_TARGETS,
        ),
    ] = None,
    target: Annotated[
        list[Path] | None,
        typer.Option(
            help="Photo of a person to be taken for; repeat for several. "
            "Without it, one of ten people who do not exist.",
            metavar="PHOTO",
            rich_help_panel=_TARGETS,
        ),
    ] = None,
    target_search: Annotated[
        str,
        typer.Option(
            help="How the nearest target is chosen: embedding, or exact, which takes longer.",
            metavar="NAME",
            autocompletion=complete.words(*complete.SEARCHES),
            rich_help_panel=_TARGETS,
        ),
    ] = "embedding",
    gain: Annotated[
        str,
        typer.Option(
            help="Gain over targets: max, sum, min or centre.",
            metavar="NAME",
            autocompletion=complete.words(*complete.GAINS),
            rich_help_panel=_TARGETS,
        ),
    ] = "max",
    style: Annotated[
        str,
        typer.Option(
            help="bare, berry, contour, cool, coral, rose, smoky, stubble, tan, or a .toml file.",
            metavar="NAME",
            autocompletion=complete.named("style"),
            rich_help_panel=_MAKEUP,
        ),
    ] = "rose",
    reference: Annotated[
        Path | None,
        typer.Option(
            help="A photo whose makeup is taken instead.",
            metavar="PHOTO",
            rich_help_panel=_MAKEUP,
        ),
    ] = None,
    strength: Annotated[
        float,
        typer.Option(
            help="How much of the makeup, 0 (none) to 2 (twice as much).",
            metavar="TIMES",
            rich_help_panel=_MAKEUP,
        ),
    ] = 1.0,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Key file (bauta watermark keygen makes one).",
            metavar="FILE",
            rich_help_panel=_MARK,
        ),
    ] = None,
    identifier: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="What a trace tells you again, such as me/2026-11.",
            metavar="TEXT",
            rich_help_panel=_MARK,
        ),
    ] = None,
    refine: Annotated[
        bool,
        typer.Option(
            help="Hide faces by gradient steps too, besides marking them.", rich_help_panel=_MARK
        ),
    ] = True,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help="Ask for the passphrase that seals the key.",
            rich_help_panel=_MARK,
        ),
    ] = False,
    surrogate: Surrogates = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Stop a face early once this recognizer has lost it; repeatable.",
            metavar="NAME",
            autocompletion=complete.recognizers,
            rich_help_panel=JUDGES,
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="Recognizer that scores the result, instead of all that can; repeatable.",
            metavar="NAME",
            autocompletion=complete.recognizers,
            rich_help_panel=JUDGES,
        ),
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another photo of the same people to score against; repeatable.",
            metavar="PHOTO",
            rich_help_panel=JUDGES,
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            help="Files at a time; 0: as cores and memory allow.",
            metavar="NUMBER",
            rich_help_panel=_FOLDER,
        ),
    ] = 0,
    engine: Annotated[
        str,
        typer.Option(
            help="local, or ray for a cluster of machines (extra ray).",
            metavar="NAME",
            autocompletion=complete.words("local", "ray"),
            rich_help_panel=_FOLDER,
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a running Ray cluster, such as auto; without it, one starts here.",
            metavar="ADDRESS",
            rich_help_panel=_FOLDER,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be done.", rich_help_panel=_FOLDER),
    ] = False,
    device: Device = "cpu",
    seed: Annotated[
        int,
        typer.Option(help="Seed of all randomness.", metavar="NUMBER", rich_help_panel=MACHINE),
    ] = 0,
) -> None:
    """Protect the faces of photos and videos from face recognition; people see them as before.

    Originals are never changed. Location, serial numbers, thumbnails and maker notes are removed
    unless you say --keep-metadata. What was written is read back and scored by recognizers that
    took no part.

    A folder with -o keeps its tree. What has been done is kept there in .bauta, so that the same
    command goes on after a stop of any kind, and later does only what is new or was changed.
    """
    from bauta.audit.report import report_files
    from bauta.settings import Settings

    album = len(paths) == 1 and paths[0].is_dir() and output is not None and not other
    with usage_errors():
        if not album and (jobs or dry_run or engine != "local"):
            raise UsageError(
                "--jobs, --dry-run and --engine are for one folder with -o, without --other"
            )
        if output is not None and album and output.is_file():
            raise UsageError(f"{output} is a file, but a folder's photos need a folder")
        # The settings give an identifier out: only if there is something to mark.
        files = [] if album else photo_jobs(paths, output, "-protected", videos=True)
        settings = Settings(
            method=method,
            preset=preset,
            epsilon=epsilon,
            spare=spare,
            perceptual=perceptual,
            warp=warp,
            goal=goal or ("impersonate" if target else "dodge"),  # type: ignore[arg-type]  # checked by Settings
            targets=tuple(target or ()),
            target_search=target_search,  # type: ignore[arg-type]  # checked by Settings
            gain=gain,  # type: ignore[arg-type]  # checked by Settings
            gamma=gamma,
            style=style,
            reference=reference,
            strength=strength,
            word=_word(method, key, identifier, ask=passphrase),
            refine=refine,
            faces=faces,
            surrogates=tuple(surrogate or ()),
            held_out=tuple(held_out or ()),
            judges=tuple(judge or ()),
            detector=detector,
            min_face=min_face,
            seed=seed,
            device=device,
            metadata="keep" if keep_metadata else "private",
        )
        _check_names(settings, engine)
        if report:
            report_files(report)
    if album:
        from bauta.cli.album import run_album

        assert output is not None
        run_album(
            paths[0], output, settings, engine=engine, address=address, jobs=jobs,
            dry_run=dry_run, overwrite=overwrite, report=report, json=json,
        )  # fmt: skip
        if not judge and not json and not dry_run:
            say_who_is_left_out()
        return
    reports, clips, failures = _run(files, settings, other or [], overwrite=overwrite, quiet=json)
    if report:
        with usage_errors():
            _write_reports(reports, clips, report, quiet=json)
    if json:
        print_json(
            {
                "photos": [r.to_json() for r in reports],
                "videos": [r.to_json() for r in clips],
                "failures": failures,
            }
        )
    else:
        _say_goodbye([*reports, *clips], keep_metadata=keep_metadata)
        if not judge:
            say_who_is_left_out()
    if failures:
        raise typer.Exit(1)


def _word(method: str, key: Path | None, identifier: str | None, *, ask: bool) -> str:
    """What the method dpg marks with.

    Raises:
        UsageError: key or identifier is missing, or there is one that another method has no use of.
        KeyFileError: the key or its register cannot be used.

    """
    from bauta.watermark.codes import to_hex
    from bauta.watermarking import own_key

    if method != "dpg":
        if key or identifier:
            raise UsageError("--key and --id are for --method dpg")
        return ""
    if key is None or identifier is None:
        raise UsageError(
            "the method dpg marks with a key: give --key my.key and --id me/2026-11 "
            "(bauta watermark keygen -o my.key makes a key)"
        )
    return to_hex(own_key(key, passphrase_for(key, ask=ask)).word(identifier))


def _check_names(settings: Any, engine: str) -> None:
    """Notice unknown names, and weights that are missing, before the first photo."""
    from dataclasses import replace

    from bauta.optimisation import build_method
    from bauta.protection import team

    build_method(settings)
    # A cluster's nodes may have devices that this machine lacks.
    team(settings if engine == "local" else replace(settings, device="cpu"))


def _run(
    jobs: list[tuple[Path, Path | None]],
    settings: Any,
    others: list[Path],
    *,
    overwrite: bool,
    quiet: bool,
) -> tuple[list[PhotoReport], list[ClipReport], list[dict[str, str]]]:
    """Protect one photo or video after the other; one that fails never stops the rest."""
    from bauta.media.video import is_video

    reports: list[PhotoReport] = []
    clips: list[ClipReport] = []
    failures: list[dict[str, str]] = []
    with progress_bar(quiet=quiet) as bar:
        for source, target in jobs:
            try:
                if is_video(source):
                    clips.append(
                        protect_clip(
                            source, target, settings, others=others, overwrite=overwrite, bar=bar
                        )
                    )
                else:
                    reports.append(
                        _protect_one(source, target, settings, others, overwrite=overwrite, bar=bar)
                    )
            except BautaError as error:
                if len(jobs) == 1 and isinstance(error, UsageError | RegistryError):
                    complain(error)
                    raise typer.Exit(2) from error
                failures.append({"path": str(source), "error": str(error)})
                if not quiet:
                    complain(error)
                continue
            if quiet:
                continue
            if is_video(source):
                print_clip(clips[-1])
            else:
                print_report(reports[-1])
    return reports, clips, failures


def _protect_one(
    source: Path,
    target: Path | None,
    settings: Any,
    others: list[Path],
    *,
    overwrite: bool,
    bar: Progress,
) -> PhotoReport:
    from bauta.protection import protect

    task = bar.add_task(escape(source.name), total=len(_STAGES))
    try:
        if target is not None:
            make_folder(target.parent)
        return protect(
            source,
            target,
            settings=settings,
            others=others,
            overwrite=overwrite,
            progress=_teller(bar, task),
        )
    finally:
        bar.remove_task(task)


def _teller(bar: Progress, task: Any) -> Callable[[str, float], None]:
    def tell(stage: str, share: float) -> None:
        bar.update(task, completed=_STAGES.index(stage) + share)

    return tell


def _write_reports(
    reports: list[PhotoReport], clips: list[ClipReport], path: Path, *, quiet: bool
) -> None:
    """Reports of photos, and of videos: beside each other where there are both."""
    from bauta.audit.report import write_report
    from bauta.clips.page import write_clip_report

    written = write_report(reports, path) if reports else []
    if clips:
        beside = path.with_name(f"{path.stem}-videos{path.suffix}") if reports else path
        written += write_clip_report(clips, beside)
    if written and not quiet:
        err.print("report: " + escape(", ".join(str(file) for file in written)))


def _say_goodbye(reports: list[PhotoReport | ClipReport], *, keep_metadata: bool) -> None:
    if not reports:
        return
    if len(reports) > 1:
        safe = sum(report.verdict == "protected" for report in reports)
        out.print(f"[bold]{safe} of {len(reports)} files protected[/]")
    if not keep_metadata:
        found = sorted({item for report in reports for item in report.settings["left_out"]})
        said = ", ".join(found) if found else "there was nothing private in the file"
        out.print(f"[dim]metadata left out: {escape(said)}[/]")
