"""Names of recognizers, read from records and folders: nothing here loads a network or PyTorch."""

from __future__ import annotations

import re
from pathlib import Path

from bauta.plugins import entry_modules
from bauta.weights.records import OWN_FOLDER, records, user_folders

#: Name of the weight record that each recognizer needs, where it has another name.
WEIGHTS_OF = {"dlib": "dlib-resnet", "dlib-native": "dlib-resnet"}
#: Entry points by which packages announce recognizers.
GROUP = "bauta.recognizers"
#: Lower case, so that names differ on every file system; no separators, so that none leads away.
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
LONGEST_NAME = 64


def own_paths() -> dict[str, Path]:
    """Definitions of the recognizers that the user has added, by name, the first one of a name."""
    found: dict[str, Path] = {}
    for folder in user_folders():
        for path in sorted((folder / OWN_FOLDER).glob("*.json")):
            if len(path.stem) <= LONGEST_NAME and NAME.fullmatch(path.stem):
                found.setdefault(path.stem, path)
    return found


def recognizer_names() -> list[str]:
    """Names of all recognizers but those of files that ``BAUTA_PLUGINS`` names, sorted."""
    weights = {row.name for row in records().values() if row.kind == "recognizer"}
    bauta = (weights - set(WEIGHTS_OF.values())).union(WEIGHTS_OF)
    return sorted(bauta.union(own_paths(), entry_modules(GROUP)))
