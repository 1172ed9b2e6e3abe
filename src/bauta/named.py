"""TOML files that the package ships by name, or that a user gives by path."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from bauta.errors import UsageError


def read_named(kind: str, name: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        kind: what it holds, as a message says it; the package keeps them in ``data/<kind>s``.
        name: of one in the package, or the path of a .toml file.

    Raises:
        UsageError: there is no such file, or it is not TOML.

    """
    path = Path(name)
    source = path if path.suffix == ".toml" else _folder(kind).joinpath(f"{name}.toml")
    try:
        return tomllib.loads(source.read_text("utf-8"))
    except OSError as error:
        known = ", ".join(names_of(kind))
        raise UsageError(f"no {kind} {name}: use {known}, or a .toml file") from error
    except RecursionError:
        raise UsageError(f"{name} is not a {kind}: brackets are nested too deeply") from None
    except ValueError as error:  # numbers of thousands of digits among them
        raise UsageError(f"{name} is not a {kind}: {error}") from error


def names_of(kind: str) -> list[str]:
    """Names of all of a kind in the package."""
    return sorted(f.name.removesuffix(".toml") for f in _folder(kind).iterdir() if f.is_file())


def _folder(kind: str) -> Any:
    return resources.files("bauta").joinpath(f"data/{kind}s")
