"""Key files on the disk."""

from __future__ import annotations

from pathlib import Path

from bauta.errors import KeyFileError
from bauta.keys.sealing import is_sealed


def key_bytes(path: str | Path) -> bytes:
    """A key file, unopened.

    Raises:
        KeyFileError: there is no such file, or it cannot be read.

    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise KeyFileError(f"cannot read the key {path}: {reason}") from error


def asks_for_passphrase(path: str | Path) -> bool:
    """Whether a key file is sealed with a passphrase.

    Raises:
        KeyFileError: there is no such file, or no key in it.

    """
    return is_sealed(key_bytes(path), name=Path(path).name)
