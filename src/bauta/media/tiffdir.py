"""TIFF directories, which is also what EXIF is made of, read defensively.

Pillow's own classes drop the types of fields and fail on many a damaged file; here a field keeps
its type and its raw bytes, and whatever lies outside the data is left out.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
BYTE, ASCII, SHORT, LONG, RATIONAL = 1, 2, 3, 4, 5

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
SIZES |= {16: 8, 17: 8, 18: 8}
_UNITS = SIZES | {5: 4, 10: 4}
_MOST_FIELDS = 4096


@dataclass(frozen=True)
class Field:
    """One field; ``raw`` is little-endian, ``at`` is where its value lay."""

    type: int
    raw: bytes = b""
    at: int = 0

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.raw) // SIZES[self.type]

    def numbers(self) -> tuple[int, ...]:
        """Return the values of a BYTE, SHORT or LONG field, the number pairs of a RATIONAL."""
        letter = {1: "B", 3: "H", 4: "I", 5: "I"}.get(self.type)
        if letter is None:
            return ()
        return struct.unpack(f"<{len(self.raw) // struct.calcsize(letter)}{letter}", self.raw)


Directory = dict[int, Field]


@dataclass
class Tree:
    """The directories of one TIFF file or EXIF block."""

    main: Directory = field(default_factory=dict)
    exif: Directory = field(default_factory=dict)
    gps: Directory = field(default_factory=dict)
    interop: Directory = field(default_factory=dict)
    thumbnail: Directory = field(default_factory=dict)
    link_at: int = 0
    """Where the pointer to the thumbnail's directory lies."""


class Reader:
    """Reads the directories of ``blob``, classic TIFF or BigTIFF, of either byte order."""

    def __init__(self, blob: bytes):
        self.blob = blob
        self.order = {b"II": "<", b"MM": ">"}.get(blob[:2], "")
        version = self._number(2, 2) if self.order else 0
        self.big = version == 43
        self.valid = version in (42, 43)
        self._seen: set[int] = set()
        self._budget = len(blob)  # fields that all claim the same bytes must not fill the memory

    def tree(self) -> Tree:
        """Return all directories; empty ones where there are none or they are damaged."""
        tree = Tree()
        if not self.valid:
            return tree
        width = 8 if self.big else 4
        tree.main, tree.link_at = self.directory(self._number(width, width))
        tree.exif = self._below(tree.main, EXIF)
        tree.gps = self._below(tree.main, GPS)
        tree.interop = self._below(tree.exif, INTEROP)
        if tree.link_at and not self.big:
            tree.thumbnail, _ = self.directory(self._number(tree.link_at, 4))
        return tree

    def directory(self, at: int) -> tuple[Directory, int]:
        """Return the fields of the directory at ``at`` and the place of its link to the next."""
        head, step, width = (8, 20, 8) if self.big else (2, 12, 4)
        if at < 8 or at in self._seen or at + head > len(self.blob):
            return {}, 0
        self._seen.add(at)
        count = self._number(at, head)
        end = at + head + count * step
        if count > _MOST_FIELDS or end + width > len(self.blob):
            return {}, 0
        fields: Directory = {}
        for entry in range(at + head, end, step):
            found = self._field(entry, width)
            if found is not None:
                fields[self._number(entry, 2)] = found
        return fields, end

    def further(self) -> Iterator[Directory]:
        """Yield the directories after the first one, which are pages or thumbnails."""
        if not self.valid:
            return
        width = 8 if self.big else 4
        fresh = Reader(self.blob)  # which remembers the directories it has seen
        _, link = fresh.directory(self._number(width, width))
        while link:
            fields, link = fresh.directory(self._number(link, width))
            if fields:
                yield fields

    def _below(self, parent: Directory, tag: int) -> Directory:
        pointer = parent.get(tag)
        if pointer is None or pointer.type not in (LONG, 13, 16, 18) or pointer.count != 1:
            return {}
        return self.directory(int.from_bytes(pointer.raw, "little"))[0]

    def _field(self, entry: int, width: int) -> Field | None:
        kind = self._number(entry + 2, 2)
        if kind not in SIZES:
            return None
        size = self._number(entry + 4, width) * SIZES[kind]
        at = entry + 4 + width
        if size > width:
            at = self._number(at, width)
        if at + size > len(self.blob) or size > self._budget:
            return None
        self._budget -= size
        return Field(kind, swapped(self.blob[at : at + size], kind, self.order), at)

    def _number(self, at: int, width: int) -> int:
        order = "little" if self.order == "<" else "big"
        return int.from_bytes(self.blob[at : at + width], order)  # type: ignore[arg-type]  # one of two words


def swapped(raw: bytes, kind: int, order: str) -> bytes:
    """Bring values of ``kind`` from byte ``order`` ("<" or ">") to little-endian, or back."""
    unit = _UNITS[kind]
    if order == "<" or unit == 1:
        return raw
    return np.frombuffer(raw, f"<u{unit}").byteswap().tobytes()
