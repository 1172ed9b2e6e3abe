"""Passphrases of key files: out of the environment, or typed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bauta.cli.output import err

#: Where a passphrase is read from, if not from the keyboard.
PASSPHRASE_VARIABLE = "BAUTA_PASSPHRASE"  # noqa: S105  a name

Passphrase = Annotated[
    bool, typer.Option("--passphrase", help="Ask for the passphrase that seals the key.")
]


def ask_passphrase(*, confirm: bool = False, of: Path | None = None) -> str:
    """The passphrase, typed twice where it is a new one."""
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    what = f"passphrase of {of.name}" if of else "passphrase"
    word: str = typer.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True)
    return word


def passphrase_for(key: Path, *, ask: bool) -> str | None:
    """The passphrase that a key file needs; None if it needs none, or nobody can answer.

    Raises:
        KeyFileError: there is no such file, or no key in it.

    """
    from bauta.keys.files import asks_for_passphrase

    # Who forgets --passphrase is asked all the same, where somebody or something can answer.
    answer = PASSPHRASE_VARIABLE in os.environ or err.is_terminal
    return ask_passphrase(of=key) if ask or (answer and asks_for_passphrase(key)) else None
