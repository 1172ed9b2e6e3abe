"""A masking key: who has it can mask faces for a service, and undo what can be undone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from bauta.errors import KeyFileError
from bauta.keys.files import key_bytes
from bauta.keys.sealing import seal, unseal

_KIND = "masking key"
_SECRET = 32


@dataclass(frozen=True, eq=False)
class MaskingKey:
    """What shuffles and mixes frequencies.

    Attributes:
        secret: 32 bytes that nobody else has.

    """

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(_SECRET), repr=False)

    def to_bytes(self, passphrase: str | None = None) -> bytes:
        """The key as a file; see :func:`bauta.keys.sealing.seal`."""
        return seal(_KIND, self.secret, passphrase)


def read_masking_key(path: str | Path, passphrase: str | None = None) -> MaskingKey:
    """Read a key file.

    Args:
        path: the file.
        passphrase: what it was sealed with, if it was.

    Raises:
        KeyFileError: there is no such file, or no masking key in it.
        PassphraseError: it needs a passphrase, or another one.

    """
    name = Path(path).name
    secret = unseal(_KIND, key_bytes(path), passphrase, name=name)
    if len(secret) != _SECRET:
        raise KeyFileError(f"{name} holds no masking key")
    return MaskingKey(secret)
