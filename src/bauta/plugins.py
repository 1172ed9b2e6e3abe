"""Methods and recognizers from outside: files that ``BAUTA_PLUGINS`` names, and entry points.

A plug-in is Python code with all rights of whoever runs Bauta: nothing is loaded that the user has
not named or installed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

from bauta.errors import UsageError

#: Python files to load, separated by ``os.pathsep``.
VARIABLE = "BAUTA_PLUGINS"
_loaded: set[Path] = set()


def load_files() -> None:
    """Run the files that the environment names, each once per process; they register by name.

    Raises:
        UsageError: a file is not there, or does not run.

    """
    for entry in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        path = Path(entry).expanduser().resolve()
        if path not in _loaded:
            # Before it runs: what it imports may look names up.
            _loaded.add(path)
            _load(path)


def _load(path: Path) -> None:
    name = f"bauta_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{VARIABLE} names {path}, which is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        _loaded.discard(path)
        raise UsageError(f"{VARIABLE} names {path}, which does not run: {error!r}") from error


@cache
def entry_modules(group: str) -> dict[str, str]:
    """Names that installed packages announce in a group of entry points, and their modules."""
    from importlib.metadata import entry_points

    return {entry.name: entry.module for entry in entry_points(group=group)}
