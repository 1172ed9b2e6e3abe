"""A watermark key: who has it marks photos as theirs, and tells them from everybody else's."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bauta.errors import KeyFileError
from bauta.keys.files import key_bytes
from bauta.keys.sealing import seal, unseal
from bauta.plain import table_of

_KIND = "watermark key"
_SECRET = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class WatermarkKey:
    """What code words are made from.

    Attributes:
        secret: 32 bytes that nobody else has.
        bauta: version that made it.

    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(_SECRET), repr=False)
    bauta: str = ""

    def __post_init__(self) -> None:
        """Check the secret.

        Raises:
            KeyFileError: it has another length.

        """
        if len(self.secret) != _SECRET:
            raise KeyFileError(f"a secret has {_SECRET} bytes, got {len(self.secret)}")

    def to_bytes(self, passphrase: str | None = None) -> bytes:
        """The key as a file; see :func:`bauta.keys.sealing.seal`."""
        data = json.dumps({"secret": self.secret.hex(), "bauta": self.bauta})
        return seal(_KIND, data.encode(), passphrase)


def read_watermark_key(path: str | Path, passphrase: str | None = None) -> WatermarkKey:
    """Read a key file.

    Args:
        path: the file.
        passphrase: what it was sealed with, if it was.

    Raises:
        KeyFileError: there is no such file, or no watermark key in it.
        PassphraseError: it needs a passphrase, or another one.

    """
    return watermark_key_from_bytes(key_bytes(path), passphrase, name=Path(path).name)


def watermark_key_from_bytes(
    sealed: bytes, passphrase: str | None = None, *, name: str = "the key file"
) -> WatermarkKey:
    """Open what :meth:`WatermarkKey.to_bytes` made; arguments and errors likewise."""
    data = unseal(_KIND, sealed, passphrase, name=name)
    try:
        values = table_of(data)
        return WatermarkKey(secret=bytes.fromhex(values["secret"]), bauta=str(values["bauta"]))
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{name} holds no watermark key: {error}") from error
