"""Files one after the other: one that fails never stops the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer
from rich.progress import Progress

from bauta.cli.output import complain, progress_bar, said
from bauta.cli.paths import make_folder
from bauta.errors import BautaError, RegistryError, UsageError

T = TypeVar("T")


def run_jobs(
    jobs: list[tuple[Path, Path | None]],
    do: Callable[[Path, Path | None, Progress], T],
    say: Callable[[T], None],
    *,
    what: str,
    quiet: bool,
) -> tuple[list[T], list[dict[str, str]]]:
    """Do something with each file.

    Args:
        jobs: files, and what to write; None lets the library name it.
        do: what; it raises one of Bauta's errors if it cannot.
        say: tells a person what came of it.
        what: is done, beside the bar.
        quiet: say nothing, for programs.

    Returns:
        What came of the files, and the paths and errors of those that failed.

    Raises:
        typer.Exit: the only file was asked for wrongly.

    """
    done: list[T] = []
    failures: list[dict[str, str]] = []
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task(what, total=len(jobs))
        for source, target in jobs:
            try:
                with said():
                    if target is not None:
                        make_folder(target.parent)
                    one = do(source, target, bar)
            except BautaError as error:
                if len(jobs) == 1 and isinstance(error, UsageError | RegistryError):
                    complain(error)
                    raise typer.Exit(2) from error
                failures.append({"path": str(source), "error": str(error)})
                if not quiet:
                    complain(error)
            else:
                done.append(one)
                if not quiet:
                    say(one)
            bar.advance(task)
    return done, failures
