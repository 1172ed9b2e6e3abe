"""What the command line prints: one sink for people, one for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from bauta.audit.scores import FaceReport, PhotoReport, Score
from bauta.errors import BautaError, MediaError, RegistryError, UsageError
from bauta.memory import enough_memory

#: For people; errors and progress go to standard error so that output can be piped.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
if not out.is_terminal:
    # Into a file or a pipe, tables keep their columns whole.
    out.width = 140

VERDICTS = {
    "protected": "[green]protected[/]",
    "weakened": "[yellow]partly hidden: some other photos still match[/]",
    "recognisable": "[red]STILL RECOGNISABLE[/]",
    "unjudged": "[yellow]unknown: no independent judge[/]",
}


def print_json(data: Any) -> None:
    """Print data for programs."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def complain(error: BautaError) -> None:
    """Print an error for people."""
    err.print(f"[red]error:[/] {escape(str(error))}")


def say_who_is_left_out() -> None:
    """Name the default judges that are at hand, but cannot run."""
    from bauta.recognizers.zoo import judges_left_out

    if missing := judges_left_out():
        names = escape(", ".join(missing))
        err.print(f"[dim]not judging: {names} (pip install 'bauta\\[onnx]' lets them)[/]")


@contextmanager
def said() -> Iterator[None]:
    """Turn what a full disk, a folder that refuses, or a full memory raises into BautaErrors."""
    try:
        with enough_memory():
            yield
    except ConnectionError:
        raise  # nobody reads the output any more
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise MediaError(
            f"{where}{error.strerror or error}; check the permissions of the folder and the free "
            "space, then run the same again"
        ) from error


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn errors of usage into exit code 2, and all others of Bauta's into 1."""
    try:
        with said():
            yield
    except BautaError as error:
        complain(error)
        raise typer.Exit(2 if isinstance(error, UsageError | RegistryError) else 1) from error


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress]:
    """Progress on standard error; nothing when quiet or not a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    with bar:
        yield bar


class Tell:
    """One progress bar per kind of work."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: float, total: float) -> None:
        """Show that ``done`` of ``total`` are done of ``what``."""
        kind = what.split(",")[0]
        if kind not in self.tasks:
            self.tasks[kind] = self.bar.add_task(what, total=total)
        self.bar.update(self.tasks[kind], description=what, completed=done, total=total)


def print_report(report: PhotoReport) -> None:
    """Print one photo's verdict, its table, and what the reader should know."""
    out.print(f"[bold]{escape(report.protected.name)}[/]: {VERDICTS[report.verdict]}")
    table = Table(box=None, padding=(0, 2), header_style="bold")
    numbers = ("before", "after", "other photos")
    for title in ("face", "judge", "before", "after", "threshold (FAR)", "other photos", "verdict"):
        justify: JustifyMethod = "right" if title in numbers else "left"
        table.add_column(title, justify=justify, no_wrap=title == "judge")
    for face in report.faces:
        for index, score in enumerate(face.scores):
            table.add_row(*_row(face, score, first=index == 0, about=report.estimated))
    out.print(table)
    sizes = " -> ".join(f"{size / 1000:,.0f} kB" for size in report.sizes)
    out.print(
        f"compared with {report.reference}; photo PSNR {report.psnr:.1f} dB, "
        f"SSIM {report.ssim:.3f}, {sizes}"
    )
    print_notes(report.notes)
    if report.estimated:
        out.print(
            "[dim]other photos: the share of this person's other photos that still match, "
            "estimated; --other PHOTO measures it[/]"
        )
    if report.verdict in ("recognisable", "weakened"):
        out.print(
            "[yellow]try:[/] --preset strong, or --epsilon 10 (12 shows to anybody who looks twice)"
        )


def print_notes(notes: Iterable[str]) -> None:
    """Print what a person should know of a file."""
    for note in notes:
        out.print(f"[yellow]note:[/] {escape(note)}")


def _row(face: FaceReport, score: Score, *, first: bool, about: bool) -> list[str]:
    words = {"protected": "[green]hidden[/]", "weakened": "[yellow]partly hidden[/]"}
    verdict = words.get(score.verdict, "[red]recognised[/]")
    if not face.chosen:
        verdict = "[dim]not chosen[/]"
    elif not score.independent:
        verdict += " [dim](surrogate)[/]"
    return [
        f"{face.number}" if first else "",
        escape(score.judge),
        f"{score.before:.3f}",
        f"{score.after:.3f}",
        f"{score.threshold:.3f} ({score.far:.1%})",
        f"{'~' if about else ''}{score.matches:.0%} match",
        verdict,
    ]
