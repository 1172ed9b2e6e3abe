"""Sealing: only who has the passphrase, or the secret of a mask, opens an envelope.

A passphrase is stretched by scrypt (RFC 7914), since people choose short ones; a secret of 32
random bytes needs no stretching, and HKDF-SHA256 (RFC 5869) makes of it a key for nothing but this.
See :mod:`bauta.keys.envelope` for the layout, and what of it can be read without either.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bauta.errors import KeyFileError, PassphraseError, UsageError, WrongKeyError
from bauta.keys.envelope import decrypted, encrypted, opened, part, senseless, wrapped

#: scrypt's cost: 64 MiB and a fifth of a second. A file may ask for at most eight times as much.
_COST, _BLOCK, _MAX_COST = 1 << 16, 8, 1 << 19
_KEY, _CHECK, _SALT, _SECRET, _ID = 32, 16, 16, 32, 8
#: What HKDF makes of a secret, each for one use: nothing of one tells anything of the other.
_FOR_DATA, _FOR_ID = b"bauta/sealing/1/data", b"bauta/sealing/1/key-id"


def seal(kind: str, data: bytes, passphrase: str | None = None) -> bytes:
    """Put data into an envelope.

    Args:
        kind: what it is, such as "mask"; it can be read without the passphrase.
        data: what is kept, at most 256 MiB.
        passphrase: nobody reads or changes the data without it; None leaves them open.

    Raises:
        PassphraseError: the passphrase is empty.
        UsageError: the data are too long.

    """
    if passphrase is None:
        return wrapped({"kind": kind}, data)
    if not passphrase:
        raise PassphraseError("the passphrase is empty: give one, or none at all")
    salt = secrets.token_bytes(_SALT)
    key, check = _stretched(passphrase, salt, _COST)
    header = {"kind": kind, "cost": _COST, "salt": salt.hex(), "check": check.hex()}
    return encrypted(header, data, key)


def unseal(kind: str, sealed: bytes, passphrase: str | None = None, *, name: str = "") -> bytes:
    """Take data out of an envelope.

    Args:
        kind: what it must be.
        sealed: the whole envelope.
        passphrase: what it was sealed with; None for open ones.
        name: what to call the file in messages.

    Raises:
        KeyFileError: it is no key file, of another kind or version, damaged or forged, or no
            passphrase opens it.
        PassphraseError: it needs a passphrase, or another one.

    """
    what = name or "the key file"
    envelope = opened(sealed, kind, what)
    if "key" in envelope.header:
        raise KeyFileError(f"{what} is sealed with a key, not with a passphrase")
    if "salt" not in envelope.header:
        if passphrase is not None:
            raise PassphraseError(f"{what} is not sealed: leave the passphrase out")
        return envelope.body
    if passphrase is None:
        raise PassphraseError(
            f"{what} is sealed: give its passphrase.",
            option="--passphrase asks for it, or it stands in the variable BAUTA_PASSPHRASE.",
        )
    lock = _Lock.read(envelope.header, what)
    key, check = _stretched(passphrase, lock.salt, lock.cost)
    if not secrets.compare_digest(check, lock.check):
        raise PassphraseError(f"{what}: this is not its passphrase")
    return decrypted(envelope, key, what)


def is_sealed(sealed: bytes, *, name: str = "") -> bool:
    """Whether an envelope asks for a passphrase.

    Raises:
        KeyFileError: as :func:`unseal`.

    """
    return "salt" in opened(sealed, "", name or "the key file").header


def seal_with_secret(kind: str, data: bytes, secret: bytes) -> bytes:
    """Put data into an envelope that only the same secret opens.

    The header shows the kind, the size, and 8 bytes that are the same for all envelopes of one
    secret: they say which belong together, and nothing of the secret.

    Args:
        kind: what it is, such as "photo record"; it can be read without the secret.
        data: what is kept, at most 256 MiB.
        secret: 32 random bytes, such as ``PersonalMask.secret``.

    Raises:
        UsageError: the data are too long, or the secret has another length.

    """
    header = {"kind": kind, "key": _made(secret, _FOR_ID, _ID).hex()}
    return encrypted(header, data, _made(secret, _FOR_DATA, _KEY))


def unseal_with_secret(kind: str, sealed: bytes, secret: bytes, *, name: str = "") -> bytes:
    """Take data out of an envelope that :func:`seal_with_secret` made.

    Args:
        kind: what it must be.
        sealed: the whole envelope.
        secret: 32 bytes that it was sealed with.
        name: what to call the file in messages.

    Raises:
        KeyFileError: it is no such envelope, of another kind or version, damaged or forged.
        WrongKeyError: it was sealed with another secret.
        UsageError: the secret has another length.

    """
    what = name or "the record"
    envelope = opened(sealed, kind, what)
    # Anybody can write an open envelope, so one that no secret sealed proves nothing.
    if "key" not in envelope.header:
        raise KeyFileError(f"{what} is not sealed with a key, as all that Bauta writes are")
    its = part(envelope.header, "key", _ID, what)
    if not secrets.compare_digest(its, _made(secret, _FOR_ID, _ID)):
        raise WrongKeyError(
            f"{what} was sealed with another key, and nothing was changed: "
            "use the key that the photo was protected with"
        )
    return decrypted(envelope, _made(secret, _FOR_DATA, _KEY), what)


@dataclass(frozen=True)
class _Lock:
    """What a sealed file says of how its passphrase was stretched."""

    cost: int
    salt: bytes
    check: bytes

    @classmethod
    def read(cls, header: Mapping[str, Any], what: str) -> _Lock:
        cost = header.get("cost")
        if not (isinstance(cost, int) and 2 <= cost <= _MAX_COST and cost & (cost - 1) == 0):
            raise senseless(what)
        return cls(cost, part(header, "salt", _SALT, what), part(header, "check", _CHECK, what))


def _stretched(passphrase: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """The key, and a check that tells a wrong passphrase from a forged body."""
    both = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=cost, r=_BLOCK, p=1,
        maxmem=2 * 128 * cost * _BLOCK, dklen=_KEY + _CHECK,
    )  # fmt: skip
    return both[:_KEY], both[_KEY:]


def _made(secret: bytes, use: bytes, size: int) -> bytes:
    """``size`` bytes for one use; random secrets need no salt (RFC 5869, section 3.1)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(secret) != _SECRET:
        raise UsageError(f"a secret has {_SECRET} bytes, got {len(secret)}")
    return HKDF(SHA256(), size, salt=None, info=use).derive(secret)
