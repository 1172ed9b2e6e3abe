"""What help looks like: as much as a man page says, in as few words."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

_EXITS = "0 done, 1 it failed, 2 bad usage."
_WIDTH = 76

#: Where Bauta keeps things, and what it asks the environment for.
FILES = {
    "weights": "~/.local/share/bauta/weights (XDG_DATA_HOME): recognizers fetched and added",
    "cache": "~/.local/share/bauta/cache (XDG_DATA_HOME): faces and embeddings, may be deleted",
    "album": "OUT/.bauta: what was done with a folder, so that it is gone on with",
    "register": "KEY.ids beside a watermark key: the identifiers given out, sealed",
    "page": "a folder in the system's temporary one (TMPDIR), for you alone: wiped at the end",
    "record": "PHOTO.original beside a photo: the sealed original that --lossless keeps",
}
ENVIRONMENT = {
    "weights": "BAUTA_WEIGHTS: folders to look for weights in first, with : between them",
    "plugins": "BAUTA_PLUGINS: Python files with methods and recognizers, with : between them",
    "page": "BROWSER: what opens the page; TMPDIR: where its photos lie for a while",
    "passphrase": "BAUTA_PASSPHRASE: a key's passphrase, where nobody can be asked",
}


def manual(examples: str, *, exits: str = _EXITS, files: str = "", environment: str = "") -> str:
    """What stands below a command's options.

    Args:
        examples: a command a line, with what it does behind two spaces or more.
        exits: what the exit codes mean.
        files: names out of :data:`FILES`, with spaces between them.
        environment: names out of :data:`ENVIRONMENT`, likewise.

    """
    parts = ["Examples:\n\n" + textwrap.indent(textwrap.dedent(examples).strip("\n"), "  ")]
    parts.append(textwrap.fill(f"Exit codes: {exits}", _WIDTH, subsequent_indent="  "))
    for title, table, wanted in (
        ("Files", FILES, files),
        ("Environment", ENVIRONMENT, environment),
    ):
        rows = [
            textwrap.fill(table[name], _WIDTH, initial_indent="  ", subsequent_indent="    ")
            for name in wanted.split()
        ]
        if rows:
            parts.append("\n".join([f"{title}:", *rows]))
    return "\n\n".join(parts)


def flowed(text: str | None) -> str | None:
    """A docstring whose paragraphs are one line each, for the terminal to wrap."""
    if text is None:
        return None
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


class Command(TyperCommand):
    """A command whose help flows, without the types that Python has for its parameters."""

    def __init__(self, name: str | None, *, help: str | None = None, **rest: Any) -> None:  # noqa: A002  Typer's name
        super().__init__(name, help=flowed(help), **rest)

    def get_params(self, ctx: Any) -> list[Any]:
        """Parameters, that of --help included."""
        return _quiet(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Parameters, that of --help included."""
        return _quiet(super().get_params(ctx))


def _quiet(params: list[Any]) -> list[Any]:
    for param in params:
        if isinstance(param, TyperArgument):
            param.display_type_rich = _nothing  # type: ignore[method-assign]  # for this one alone
        elif param.is_flag:
            param.metavar = ""
    return params


def _nothing(ctx: Any) -> None:
    del ctx


def tidy(app: typer.Typer) -> None:
    """Let an app and all below it show their help in this way."""
    app.info.cls = Group
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            tidy(group.typer_instance)
