"""What a key has given out: a file beside the key, which only the key opens.

Photos carry no identifier in clear, so somebody has to remember them; this file stays with whoever
has the key.
"""

from __future__ import annotations

import json
from pathlib import Path

from bauta.errors import KeyFileError, UsageError
from bauta.keys.files import key_bytes
from bauta.keys.sealing import seal_with_secret, unseal_with_secret
from bauta.keys.watermark import WatermarkKey
from bauta.media.atomic import atomic_write, locked
from bauta.plain import table_of
from bauta.watermark.codes import checked

SUFFIX = ".ids"
_KIND = "watermark ids"
#: Most identifiers of one key: with each, more bits have to agree (codes.py).
_MOST = 1000


def register_of(key_file: str | Path) -> Path:
    """``my.key`` has its register in ``my.key.ids``."""
    path = Path(key_file)
    return path.with_name(path.name + SUFFIX)


def read_register(path: str | Path, key: WatermarkKey) -> list[str]:
    """Identifiers that a key has given out, the first first; none if there is no such file.

    Raises:
        KeyFileError: the file is no register, or damaged.
        WrongKeyError: it is another key's.

    """
    if not Path(path).is_file():
        return []
    name = Path(path).name
    data = unseal_with_secret(_KIND, key_bytes(path), key.secret, name=name)
    try:
        rows = table_of(data)["identifiers"]
        if not isinstance(rows, list):
            raise TypeError("a list is missing")
        return [checked(str(row)) for row in rows]
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise KeyFileError(f"{name} holds no identifiers: {error}") from error


def give_out(path: str | Path, key: WatermarkKey, identifier: str) -> list[str]:
    """Add an identifier to a register, unless it is there; the register as it is then.

    Raises:
        KeyFileError: as :func:`read_register`, or the register is full.
        MediaError: it cannot be written.
        UsageError: the identifier cannot be used.

    """
    text, known = checked(identifier), read_register(path, key)
    if text in known:
        return known
    with locked(path):
        return _added(Path(path), key, text)


def _added(path: Path, key: WatermarkKey, text: str) -> list[str]:
    """Another process may have given out some meanwhile, so the register is read once more."""
    known = read_register(path, key)
    if text in known:
        return known
    if len(known) >= _MOST:
        raise KeyFileError(
            f"{path.name} holds {_MOST} identifiers, and with more, traces would get harder: "
            "make another key (bauta watermark keygen)"
        )
    rows = [*known, text]
    data = json.dumps({"identifiers": rows}, ensure_ascii=False).encode()
    atomic_write(path, seal_with_secret(_KIND, data, key.secret), overwrite=True, secret=True)
    return rows
