"""Code words: what of a key and an identifier stands in a photo, and how sure a match is.

A photo carries 64 bits that only the key's owner can make. They say nothing by themselves: no
identifier is in them, and without the key they are noise. Who traces a photo compares what was read
of it with the code word of each identifier they have given out. For a photo that does not carry
one, however it looks, each bit agrees by the toss of a coin, since code words are drawn by HMAC; so
the probability of a false trace is a binomial tail, times the words that were tried.
"""

from __future__ import annotations

import hmac
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.keys.watermark import WatermarkKey

#: Bits of a code word.
BITS = 64
#: Probability of a false trace from which on a photo is nobody's.
CERTAIN = 1e-9
_FOR_WORDS = b"bauta/watermark/1/word\0"
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Match:
    """A photo's mark, recognised.

    Attributes:
        identifier: what it was marked with.
        agreeing: bits that agree, of :data:`BITS`.
        chance: probability that a photo without this mark agrees as well, all tries together.

    """

    identifier: str
    agreeing: int
    chance: float


def code_word(key: WatermarkKey, identifier: str) -> NDArray[np.bool_]:
    """(64,) the bits that stand for an identifier under a key.

    Raises:
        UsageError: the identifier is empty, too long, or no plain text.

    """
    text = checked(identifier).encode()
    digest = hmac.digest(key.secret, _FOR_WORDS + text, "sha256")
    return np.unpackbits(np.frombuffer(digest[: BITS // 8], np.uint8)).astype(bool)


def to_hex(word: NDArray[np.bool_]) -> str:
    """A code word as 16 hexadecimal digits."""
    return np.packbits(word).tobytes().hex()


def from_hex(digits: str) -> NDArray[np.bool_]:
    """Undo :func:`to_hex`.

    Raises:
        UsageError: these are not 16 hexadecimal digits.

    """
    if not re.fullmatch(f"[0-9a-f]{{{BITS // 4}}}", digits):
        raise UsageError(f"a code word has {BITS // 4} hexadecimal digits, 0-9 and a-f")
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8)).astype(bool)


def checked(identifier: str) -> str:
    """An identifier in the one form that is used of it (Unicode NFC).

    Raises:
        UsageError: it is empty, too long, or has characters that cannot be seen.

    """
    text = unicodedata.normalize("NFC", identifier).strip()
    if not text:
        raise UsageError("an identifier is empty: name it, such as --id me/2026-11")
    if len(text) > _LONGEST:
        raise UsageError(f"an identifier has at most {_LONGEST} characters, got {len(text)}")
    if not text.isprintable():
        raise UsageError("an identifier has printable characters only")
    return text


def chance_of(agreeing: int, tries: int = 1) -> float:
    """Probability that one of so many unrelated words agrees in so many bits, or more."""
    if agreeing <= 0:
        return 1.0
    tail = sum(math.comb(BITS, count) for count in range(agreeing, BITS + 1))
    return min(1.0, tries * tail / 2.0**BITS)


def best_match(
    read: NDArray[np.bool_],
    key: WatermarkKey,
    identifiers: Sequence[str],
    *,
    tries: int = 1,
    limit: float = CERTAIN,
) -> Match | None:
    """Whose mark was read.

    Every word is compared whole, whatever was read, so that time tells nothing of the key.

    Args:
        read: (N, 64) bits: what was read of one face, looked at in N ways.
        key: whose marks are looked for.
        identifiers: those that the key has given out.
        tries: by how many other keys and faces the same question is asked.
        limit: probability of chance from which it is no match.

    Returns:
        The surest match; None if even that may be chance.

    """
    if not identifiers or not len(read):
        return None
    words = np.stack([code_word(key, identifier) for identifier in identifiers])
    agreeing = (words[:, None] == read[None]).sum(axis=2).max(axis=1)
    at = int(agreeing.argmax())
    chance = chance_of(int(agreeing[at]), tries * len(words) * len(read))
    if chance >= limit:
        return None
    return Match(identifier=identifiers[at], agreeing=int(agreeing[at]), chance=chance)
