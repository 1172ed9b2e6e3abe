"""The envelope of all key files: versioned, checked against damage, and sealed with a passphrase.

Layout: 8 bytes of magic, the version (2 bytes), the length of the header (4), the header as JSON,
the body, and the SHA-256 of all before it. Numbers are big-endian. The header says what kind of key
it is, and how long the body. Without a passphrase the body lies open, and the hash finds damage but
no forger. With one, the body is encrypted and authenticated by AES-256-GCM, header included, under
a key that scrypt (RFC 7914) derives from the passphrase.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bauta.errors import KeyFileError, PassphraseError

_MAGIC = b"BAUTAKEY"
_VERSION = 1
_FIXED = struct.Struct(">8sHI")
_HASH = hashlib.sha256().digest_size
#: Longest header that is read, and longest body; a mask is some megabytes.
_MAX_HEADER, _MAX_BODY = 1 << 16, 1 << 28
#: scrypt's cost: 64 MiB and a fifth of a second. A file may ask for at most eight times as much.
_COST, _BLOCK, _MAX_COST = 1 << 16, 8, 1 << 19
_KEY, _CHECK, _SALT, _NONCE = 32, 16, 16, 12


def seal(kind: str, data: bytes, passphrase: str | None = None) -> bytes:
    """Put data into an envelope.

    Args:
        kind: what it is, such as "mask"; it can be read without the passphrase.
        data: what is kept.
        passphrase: nobody reads or changes the data without it; None leaves them open.

    Raises:
        PassphraseError: the passphrase is empty.

    """
    header: dict[str, Any] = {"kind": kind, "size": len(data)}
    if passphrase is None:
        before = _front(header)
        return _hashed(before + data)
    if not passphrase:
        raise PassphraseError("the passphrase is empty: give one, or none at all")
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    key, check = _derived(passphrase, salt, _COST)
    header |= {"cost": _COST, "salt": salt.hex(), "nonce": nonce.hex(), "check": check.hex()}
    before = _front(header)
    return _hashed(before + _cipher(key).encrypt(nonce, data, before))


def unseal(kind: str, sealed: bytes, passphrase: str | None = None, *, name: str = "") -> bytes:
    """Take data out of an envelope.

    Args:
        kind: what it must be.
        sealed: the whole envelope.
        passphrase: what it was sealed with; None for open ones.
        name: what to call the file in messages.

    Raises:
        KeyFileError: it is no key file, of another kind or version, damaged or forged.
        PassphraseError: it needs a passphrase, or another one.

    """
    what = name or "the key file"
    header, before, body = _opened(sealed, what)
    if header["kind"] != kind:
        raise KeyFileError(f"{what} is a {header['kind']} key, not a {kind} key")
    if "salt" not in header:
        if passphrase is not None:
            raise PassphraseError(f"{what} is not sealed: leave the passphrase out")
        return body
    if passphrase is None:
        raise PassphraseError(f"{what} is sealed: give its passphrase")
    lock = _Lock.read(header, what)
    key, check = _derived(passphrase, lock.salt, lock.cost)
    if not secrets.compare_digest(check, lock.check):
        raise PassphraseError(f"{what}: this is not its passphrase")
    from cryptography.exceptions import InvalidTag

    try:
        opened: bytes = _cipher(key).decrypt(lock.nonce, body, before)
    except InvalidTag:
        raise KeyFileError(f"{what} was tampered with after it was sealed: do not use it") from None
    return opened


def is_sealed(sealed: bytes, *, name: str = "") -> bool:
    """Whether an envelope asks for a passphrase.

    Raises:
        KeyFileError: as :func:`unseal`.

    """
    return "salt" in _opened(sealed, name or "the key file")[0]


@dataclass(frozen=True)
class _Lock:
    """What a sealed file says of how it was sealed."""

    cost: int
    salt: bytes
    nonce: bytes
    check: bytes

    @classmethod
    def read(cls, header: Mapping[str, Any], what: str) -> _Lock:
        try:
            cost = header["cost"]
            parts = [bytes.fromhex(header[name]) for name in ("salt", "nonce", "check")]
        except (KeyError, TypeError, ValueError):
            raise KeyFileError(f"{what} is damaged: its header makes no sense") from None
        sizes = [len(part) for part in parts]
        power = isinstance(cost, int) and 2 <= cost <= _MAX_COST and cost & (cost - 1) == 0
        if not power or sizes != [_SALT, _NONCE, _CHECK]:
            raise KeyFileError(f"{what} is damaged: its header makes no sense")
        return cls(cost, *parts)


def _front(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, sort_keys=True).encode()
    return _FIXED.pack(_MAGIC, _VERSION, len(text)) + text


def _hashed(content: bytes) -> bytes:
    return content + hashlib.sha256(content).digest()


def _opened(sealed: bytes, what: str) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, all bytes before the body, and the body, of an envelope that is whole."""
    if sealed[: len(_MAGIC)] != _MAGIC:
        raise KeyFileError(f"{what} is no key file of Bauta's")
    if len(sealed) < _FIXED.size:
        raise KeyFileError(f"{what} is cut off: get a whole copy of it")
    _, version, length = _FIXED.unpack_from(sealed)
    if version != _VERSION:
        raise KeyFileError(
            f"{what} has version {version}, this Bauta reads {_VERSION}: use the one that wrote it"
        )
    start = _FIXED.size + length
    if length > _MAX_HEADER or len(sealed) < start + _HASH:
        raise KeyFileError(f"{what} is cut off or damaged: get a whole copy of it")
    content, digest = sealed[:-_HASH], sealed[-_HASH:]
    if hashlib.sha256(content).digest() != digest:
        raise KeyFileError(f"{what} is cut off or damaged: get a whole copy of it")
    header = _header(sealed[_FIXED.size : start], what)
    body = content[start:]
    if "salt" not in header and len(body) != header["size"]:
        raise KeyFileError(f"{what} is damaged: its header makes no sense")
    return header, sealed[:start], body


def _header(text: bytes, what: str) -> dict[str, Any]:
    try:
        header: dict[str, Any] = dict(json.loads(text))
        fit = isinstance(header["kind"], str) and 0 <= int(header["size"]) <= _MAX_BODY
    except (KeyError, TypeError, ValueError):
        fit = False
    if not fit:
        raise KeyFileError(f"{what} is damaged: its header makes no sense")
    return header


def _derived(passphrase: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """The key, and a check that tells a wrong passphrase from a forged body."""
    both = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=cost, r=_BLOCK, p=1,
        maxmem=2 * 128 * cost * _BLOCK, dklen=_KEY + _CHECK,
    )  # fmt: skip
    return both[:_KEY], both[_KEY:]


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
