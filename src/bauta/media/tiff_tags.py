"""The fields of a TIFF file: which stay under each policy, and what they tell."""

from collections.abc import Iterator

from bauta.media import exif, exif_words
from bauta.media.metadata import kept_xmp, photoshop_blocks
from bauta.media.tiffdir import Directory, Field, Tree

_JPEG_TABLES, _XMP, _PHOTOSHOP, _ICC = 347, 700, 34377, 34675
_DISPLAY = {318, 319, _ICC}  # white point, primaries and the colour profile
# Title, make, model, page, software, date, artist, host, rating, copyright, IPTC and places
_TEXT = {269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, 33723}
_TEXT |= {33550, 33922, 34264, 34735, 34736, 34737, *range(40091, 40096)}


def numbers(directory: Directory, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the values of the field ``tag``, or ``default`` where there are none."""
    item = directory.get(tag)
    return (item.numbers() if item else ()) or default


def jpeg_quality(main: Directory) -> int:
    """Estimate the quality of JPEG inside TIFF from the first quantisation table."""
    tables = main.get(_JPEG_TABLES)
    at = tables.raw.find(b"\xff\xdb") if tables else -1
    table = tables.raw[at + 5 : at + 69] if tables and at >= 0 else b""
    if len(table) < 64:
        return 90
    scale = 100 * sum(table) / 3688  # the sum of the standard table for brightness
    return round(max(1, min(100, 100 - scale / 2 if scale <= 100 else 5000 / scale)))


def shown(tree: Tree) -> Tree:
    """Return what displays the picture: all that the policy "private" keeps."""
    out = exif.displayed(tree)
    out.main |= {tag: item for tag, item in tree.main.items() if tag in _DISPLAY}
    return out


def described(tree: Tree) -> Tree:
    """Return all that can be kept: no layout of the old file, and no pictures."""
    out = shown(tree)
    out.main |= {tag: item for tag, item in tree.main.items() if tag in _TEXT}
    for tag, clean in ((_XMP, kept_xmp), (_PHOTOSHOP, _kept_photoshop)):
        if tag in tree.main and (raw := clean(tree.main[tag].raw)):
            out.main[tag] = Field(tree.main[tag].type, raw)
    out.exif = {tag: _without_pictures(item) for tag, item in tree.exif.items()}
    out.gps, out.interop = tree.gps, tree.interop
    return out


def _kept_photoshop(raw: bytes) -> bytes:
    return photoshop_blocks(raw, keep=True)


def _without_pictures(item: Field) -> Field:
    raw = bytearray(item.raw)
    exif.blank_jpegs(raw)
    return Field(item.type, bytes(raw))


def findings(tree: Tree) -> Iterator[str]:
    """Name in plain words what the policy "private" removes."""
    yield from exif_words.words(tree)
    if tree.main.keys() & (_TEXT - exif_words.NAMED):
        yield "further descriptions"
