"""EXIF blocks: what may stay under each policy, and what is cut out."""

import re
import struct
from collections.abc import Iterator
from typing import Literal

from bauta.media.tiffdir import ASCII, RATIONAL, SHORT, Directory, Field, Reader, Tree
from bauta.media.tiffdir_write import serialise

ORIENTATION = 0x0112
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_JPEG_START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
_JPEG_AT, _JPEG_SIZE, _STRIPS_AT, _STRIPS_SIZE = 0x0201, 0x0202, 0x0111, 0x0117

# The allow-list: fields that say how to show the picture, each with the only type it may have.
ALLOWED_MAIN = {
    ORIENTATION: SHORT,
    _X_RESOLUTION: RATIONAL,
    _Y_RESOLUTION: RATIONAL,
    _RESOLUTION_UNIT: SHORT,
    0x0213: SHORT,  # YCbCrPositioning
}
ALLOWED_EXIF = {0xA001: SHORT, 0xA500: RATIONAL}  # ColorSpace, Gamma
_INTEROP_INDEX = {b"R98\0", b"R03\0"}  # sRGB, Adobe RGB


def parse(blob: bytes) -> Tree:
    """Read the block ``blob`` (from its TIFF header on); empty where it is damaged."""
    return Reader(blob).tree()


def bare(blob: bytes | None) -> bytes:
    """Return ``blob`` without the "Exif" mark that some files put before the TIFF header."""
    return re.sub(rb"\A(Exif\0\0){1,2}", b"", blob or b"")


def orientation(tree: Tree) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where it is missing or makes no sense."""
    item = tree.main.get(ORIENTATION)
    value = item.numbers()[:1] if item else ()
    return value[0] if value and 1 <= value[0] <= 8 else 1


def displayed(tree: Tree) -> Tree:
    """Return only what displays the picture: the allow-list of the policy "private"."""
    kept = Tree(_allowed(tree.main, ALLOWED_MAIN), _allowed(tree.exif, ALLOWED_EXIF))
    if ORIENTATION in tree.main:  # written anew, so that odd values and types cannot come through
        kept.main[ORIENTATION] = _orientation_field(orientation(tree))
    index = tree.interop.get(1)
    if index is not None and index.type == ASCII and index.raw in _INTEROP_INDEX:
        kept.interop[1] = index
    return kept


def private_block(blob: bytes, orientation_now: int | None = None) -> bytes:
    """Return a new block with the allow-list of ``blob``, or b"" where none of it is there."""
    tree = displayed(parse(blob))
    if orientation_now is not None:
        tree.main[ORIENTATION] = _orientation_field(orientation_now)
    if not tree.main and not tree.exif and not tree.interop:
        return b""
    body, main_at = serialise(tree, 8)
    return b"II*\0" + struct.pack("<I", main_at) + body


def kept_block(blob: bytes, orientation_now: int | None = None) -> bytes:
    """Return ``blob`` with everything but pictures: no thumbnail, no previews in maker notes.

    It is changed in place rather than written anew, because maker notes hold offsets that would
    no longer fit. Where that is not possible the allow-list alone is kept.
    """
    tree = parse(blob)
    wanted = orientation_now or orientation(tree)
    out = bytearray(blob)
    for start, end in _thumbnail_ranges(tree, len(blob)):
        out[start:end] = bytes(end - start)
    if tree.link_at:
        out[tree.link_at : tree.link_at + 4] = bytes(4)
    blank_jpegs(out)
    if orientation_now is not None and ORIENTATION in tree.main:
        item = tree.main[ORIENTATION]
        order: Literal["little", "big"] = "little" if blob[:2] == b"II" else "big"
        out[item.at : item.at + len(item.raw)] = wanted.to_bytes(len(item.raw), order)
    kept = parse(bytes(out))
    sound = kept.main and not kept.thumbnail and orientation(kept) == wanted
    return bytes(out[: _end(kept)]) if sound else private_block(blob, orientation_now)


def blank_jpegs(data: bytearray) -> None:
    """Overwrite every JPEG stream inside ``data`` with zeros."""
    stop = 0
    while match := _JPEG_START.search(data, stop):
        end = data.find(b"\xff\xd9", match.end())
        stop = len(data) if end < 0 else end + 2
        data[match.start() : stop] = bytes(stop - match.start())


def _orientation_field(value: int) -> Field:
    return Field(SHORT, struct.pack("<H", value))


def _allowed(directory: Directory, types: dict[int, int]) -> Directory:
    return {
        tag: item
        for tag, item in directory.items()
        if types.get(tag) == item.type and item.count == 1
    }


def _thumbnail_ranges(tree: Tree, size: int) -> Iterator[tuple[int, int]]:
    for place, length in ((_JPEG_AT, _JPEG_SIZE), (_STRIPS_AT, _STRIPS_SIZE)):
        if place in tree.thumbnail and length in tree.thumbnail:
            starts, sizes = tree.thumbnail[place].numbers(), tree.thumbnail[length].numbers()
            for start, count in zip(starts, sizes, strict=False):
                yield min(start, size), min(start + count, size)
    for item in tree.thumbnail.values():
        yield item.at, item.at + len(item.raw)


def _end(tree: Tree) -> int:
    """Return where the last value or directory ends, so that blanked tails can be cut off."""
    directories = (tree.main, tree.exif, tree.gps, tree.interop)
    ends = [item.at + len(item.raw) for directory in directories for item in directory.values()]
    return max([*ends, tree.link_at]) + 8  # a short value is followed by the link of its directory
