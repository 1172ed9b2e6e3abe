"""Records of originals: a photo as it was before its mask, for who holds the mask's key alone."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from bauta.errors import KeyFileError, UsageError
from bauta.keys.envelope import MAX_DATA
from bauta.keys.sealing import seal_with_secret, unseal_with_secret

_KIND = "photo record"
#: The suffix comes first, filled up with zeros, so that no size tells ".jpg" from ".jpeg".
_PREFIX = struct.Struct("8s")
#: Largest original, in bytes.
_MAX_ORIGINAL = MAX_DATA - _PREFIX.size
#: It becomes the end of a file's name, so there is no room in it for a way to another folder.
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,7}")


@dataclass(frozen=True)
class Original:
    """A file as it was.

    Attributes:
        data: all its bytes.
        suffix: of its name: a dot and 1 to 7 letters or digits of ASCII, such as ".jpg".

    """

    data: bytes = field(repr=False)
    suffix: str

    def __post_init__(self) -> None:
        """Check what becomes of a file's name.

        Raises:
            UsageError: the suffix is none.

        """
        if not is_suffix(self.suffix):
            raise UsageError(
                f"a suffix is a dot and 1 to 7 letters or digits, such as .jpg: {self.suffix!r}"
            )


def is_suffix(suffix: str) -> bool:
    """Whether a record can keep the suffix of a file's name; see :class:`Original`."""
    return bool(_SUFFIX.fullmatch(suffix))


def seal_original(original: bytes, suffix: str, secret: bytes) -> bytes:
    """Make the record of a file.

    Without the secret, the record shows that it is one, how long the file is, and which records
    were made with the same secret. It never comes out the same twice.

    Args:
        original: the file's bytes, at most 256 MiB less 8 bytes.
        suffix: of the file's name; see :class:`Original`.
        secret: 32 bytes, ``PersonalMask.secret``.

    Returns:
        The record: about 200 bytes longer than the file.

    Raises:
        UsageError: the file is too large, the suffix none, or the secret of another length.

    """
    if len(original) > _MAX_ORIGINAL:
        raise UsageError(
            f"the original has {len(original)} bytes, and a record holds at most {_MAX_ORIGINAL}: "
            "apply the mask without keeping the original in a record, and keep a copy elsewhere"
        )
    kept = Original(original, suffix)
    return seal_with_secret(_KIND, _PREFIX.pack(kept.suffix.encode()) + kept.data, secret)


def open_original(sealed: bytes, secret: bytes, *, name: str = "") -> Original:
    """Open what :func:`seal_original` made.

    Args:
        sealed: the record.
        secret: 32 bytes that it was made with.
        name: what to call the record in messages.

    Returns:
        The file bit for bit; nothing is returned that the holder of the secret did not seal.

    Raises:
        KeyFileError: it is no record, of another version, cut off, damaged, or forged.
        WrongKeyError: it was made with another secret.
        UsageError: the secret has another length.

    """
    what = name or "the record of the original"
    content = unseal_with_secret(_KIND, sealed, secret, name=what)
    try:
        suffix = _PREFIX.unpack_from(content)[0].rstrip(b"\0").decode("ascii")
        return Original(content[_PREFIX.size :], suffix)
    except (struct.error, UnicodeDecodeError, UsageError) as error:
        raise KeyFileError(f"{what} holds no original: {error}") from error
