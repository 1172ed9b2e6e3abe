"""The layout that key files and records share, and the cipher; who holds the key is not known here.

Layout: 8 bytes of magic, the version (2 bytes), the length of the header (4), the header as JSON,
the body, and the SHA-256 of all before it. Numbers are big-endian. The header says what kind of
file it is, and how long its data are. An open body is the data, and the hash finds damage but no
forger. An encrypted one is AES-256-GCM's, 16 bytes longer, and authenticates the header too.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from bauta.errors import KeyFileError, UsageError
from bauta.plain import table_of

#: Most bytes of data that an envelope holds (256 MiB); a mask is some megabytes.
MAX_DATA = 1 << 28
_MAGIC = b"BAUTAKEY"
_VERSION = 1
_FIXED = struct.Struct(">8sHI")
_HASH = hashlib.sha256().digest_size
#: Longest header that is read, in bytes.
_MAX_HEADER = 1 << 16
_NONCE, _TAG = 12, 16
#: Kinds end up in messages, so they are words and nothing that moves a terminal's cursor.
_KIND = re.compile(r"[a-z0-9][a-z0-9 -]{0,31}")


class Envelope(NamedTuple):
    """An envelope that is whole; only decrypting it tells whether it is genuine.

    Attributes:
        header: what it says of itself: "kind" and "size" at least.
        front: all bytes before the body, as they were read.
        body: the data, or their cipher text.

    """

    header: dict[str, Any]
    front: bytes
    body: bytes


def wrapped(header: Mapping[str, Any], data: bytes) -> bytes:
    """An envelope that lies open.

    Args:
        header: what is said of the data, beside their size.
        data: the body, at most ``MAX_DATA`` bytes.

    Raises:
        UsageError: the data are too long.

    """
    return _hashed(_front(header, data), data)


def encrypted(header: Mapping[str, Any], data: bytes, key: bytes) -> bytes:
    """An envelope that shows only its header; arguments and errors as :func:`wrapped`.

    Args:
        header: anybody reads it, nobody changes it without the key.
        data: what is hidden.
        key: 32 bytes. Nonces are random, so one key is good for 2^32 envelopes.

    """
    nonce = secrets.token_bytes(_NONCE)
    front = _front({**header, "nonce": nonce.hex()}, data)
    return _hashed(front, _cipher(key).encrypt(nonce, data, front))


def opened(sealed: bytes, kind: str, what: str) -> Envelope:
    """Read an envelope of one kind, or of any.

    Args:
        sealed: the whole envelope.
        kind: what it must be; "" for any.
        what: what to call the file in messages.

    Raises:
        KeyFileError: it is no envelope, of another kind or version, cut off or damaged.

    """
    start = _start(sealed, what)
    if hashlib.sha256(memoryview(sealed)[:-_HASH]).digest() != sealed[-_HASH:]:
        raise KeyFileError(f"{what} is cut off or damaged: get a whole copy of it")
    header = _header(sealed[_FIXED.size : start], what)
    if kind and header["kind"] != kind:
        raise KeyFileError(f"{what} is a {_noun(header['kind'])}, not a {_noun(kind)}")
    body = sealed[start:-_HASH]
    if len(body) != header["size"] + ("nonce" in header) * _TAG:
        raise senseless(what)
    return Envelope(header, sealed[:start], body)


def decrypted(envelope: Envelope, key: bytes, what: str) -> bytes:
    """The data of an encrypted envelope.

    Args:
        envelope: what :func:`opened` read.
        key: 32 bytes, as given to :func:`encrypted`.
        what: what to call the file in messages.

    Raises:
        KeyFileError: somebody changed it, or it was encrypted under another key.

    """
    from cryptography.exceptions import InvalidTag

    nonce = part(envelope.header, "nonce", _NONCE, what)
    try:
        data: bytes = _cipher(key).decrypt(nonce, envelope.body, envelope.front)
    except InvalidTag:
        raise KeyFileError(f"{what} was tampered with after it was sealed: do not use it") from None
    return data


def part(header: Mapping[str, Any], name: str, size: int, what: str) -> bytes:
    """The ``size`` bytes that a header keeps as hex digits under a name.

    Raises:
        KeyFileError: they are missing, or more or fewer.

    """
    try:
        value = bytes.fromhex(header[name])
    except (KeyError, TypeError, ValueError):
        raise senseless(what) from None
    if len(value) != size:
        raise senseless(what)
    return value


def senseless(what: str) -> KeyFileError:
    """The error for a header that no Bauta wrote."""
    return KeyFileError(f"{what} is damaged: its header makes no sense")


def _front(header: Mapping[str, Any], data: bytes) -> bytes:
    if len(data) > MAX_DATA:
        raise UsageError(f"an envelope holds at most {MAX_DATA} bytes, got {len(data)}")
    text = json.dumps({**header, "size": len(data)}, sort_keys=True).encode()
    return _FIXED.pack(_MAGIC, _VERSION, len(text)) + text


def _hashed(front: bytes, body: bytes) -> bytes:
    digest = hashlib.sha256(front)
    digest.update(body)
    # Joined at once: a body may be hundreds of megabytes.
    return b"".join((front, body, digest.digest()))


def _start(sealed: bytes, what: str) -> int:
    """Where the body starts."""
    if sealed[: len(_MAGIC)] != _MAGIC:
        raise KeyFileError(f"{what} is no key file or record of Bauta's")
    if len(sealed) < _FIXED.size:
        raise KeyFileError(f"{what} is cut off: get a whole copy of it")
    _, version, length = _FIXED.unpack_from(sealed)
    if version != _VERSION:
        raise KeyFileError(
            f"{what} has version {version}, this Bauta reads {_VERSION}: use the one that wrote it"
        )
    start: int = _FIXED.size + length
    if length > _MAX_HEADER or len(sealed) < start + _HASH:
        raise KeyFileError(f"{what} is cut off or damaged: get a whole copy of it")
    return start


def _header(text: bytes, what: str) -> dict[str, Any]:
    try:
        header = table_of(text)
        size = header["size"]
        fit = _KIND.fullmatch(header["kind"]) and type(size) is int and 0 <= size <= MAX_DATA
    except (KeyError, TypeError, ValueError):
        fit = False
    if not fit:
        raise senseless(what)
    return header


def _noun(kind: str) -> str:
    """A kind of one word is a key's; others say themselves what they are."""
    return kind if " " in kind else f"{kind} key"


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
