"""TIFF directories written: new EXIF blocks, and fields added to a finished TIFF file."""

import struct

from bauta.media.tiffdir import EXIF, GPS, INTEROP, LONG, Directory, Field, Tree, swapped


def attach(data: bytes, tree: Tree) -> bytes:
    """Add the fields of ``tree`` to the TIFF file ``data``, in place of those it has already."""
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(order + "I", data, 4)[0]
    entries = {}
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0], 12):
        entries[struct.unpack_from(order + "H", data, entry)[0]] = data[entry : entry + 12]
    padded = data + b"\0" * (len(data) % 2)
    added, main_at = serialise(tree, len(padded), order, entries)
    return padded[:4] + struct.pack(order + "I", main_at) + padded[8:] + added


def serialise(
    tree: Tree, base: int, order: str = "<", ready: dict[int, bytes] | None = None
) -> tuple[bytes, int]:
    """Return the directories (but the thumbnail's) to be placed at ``base``, and where main is.

    ``ready`` are finished entries of main, which its own fields override.
    """
    out = b""

    def add(directory: Directory, ready: dict[int, bytes] | None = None) -> int:
        nonlocal out
        at = base + len(out)
        out += _directory(directory, at, order, ready or {})
        return at

    main, exif = dict(tree.main), dict(tree.exif)
    for tag in (EXIF, GPS):
        main.pop(tag, None)
    exif.pop(INTEROP, None)
    if tree.interop:
        exif[INTEROP] = _pointer(add(tree.interop))
    if exif:
        main[EXIF] = _pointer(add(exif))
    if tree.gps:
        main[GPS] = _pointer(add(tree.gps))
    place = add(main, ready)
    return out, place


def _pointer(offset: int) -> Field:
    return Field(LONG, struct.pack("<I", offset))


def _directory(fields: Directory, at: int, order: str, ready: dict[int, bytes]) -> bytes:
    entries, values = dict(ready), b""
    fields = {tag: item for tag, item in fields.items() if item.type < 16}  # the rest is BigTIFF
    start = at + 2 + 12 * len(ready.keys() | fields.keys()) + 4
    for tag, item in fields.items():
        raw = swapped(item.raw, item.type, order)
        entry = struct.pack(order + "HHI", tag, item.type, item.count)
        if len(raw) <= 4:
            entries[tag] = entry + raw.ljust(4, b"\0")
        else:
            entries[tag] = entry + struct.pack(order + "I", start + len(values))
            values += raw + b"\0" * (len(raw) % 2)
    table = b"".join(entries[tag] for tag in sorted(entries))
    return struct.pack(order + "H", len(entries)) + table + bytes(4) + values
