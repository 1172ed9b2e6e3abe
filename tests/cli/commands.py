"""All commands of the command line, as Typer built them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from bauta.cli.app import app

ROOT = typer.main.get_command(app)


def every_command() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Words and command, of all that do something themselves."""
    yield from _below((), ROOT)


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        yield from _below((*words, name), child)


COMMANDS = dict(every_command())


def parameters(command: Any) -> list[Any]:
    """Arguments and options of a command, but --help."""
    return [param for param in command.params if param.name != "help"]
