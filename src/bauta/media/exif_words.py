"""What EXIF tells about a person, in plain words."""

from collections.abc import Iterator

from bauta.media.exif import ALLOWED_EXIF, ALLOWED_MAIN
from bauta.media.tiffdir import INTEROP, Tree

_WORDS = {
    0x010F: "camera make and model",
    0x0110: "camera make and model",
    0xA433: "lens make and model",
    0xA434: "lens make and model",
    0xA431: "camera serial number",
    0xC62F: "camera serial number",
    0xA435: "lens serial number",
    0xA420: "unique image number",
    0x013B: "name of the author or owner",
    0x8298: "name of the author or owner",
    0x9C9D: "name of the author or owner",
    0xA430: "name of the author or owner",
    0x0131: "software",
    0x013C: "name of the computer",
    0x0132: "date and time",
    0x9003: "date and time",
    0x9004: "date and time",
    0x010E: "title, description or comment",
    0x9286: "title, description or comment",
    0x9C9B: "title, description or comment",
    0x9C9C: "title, description or comment",
    0x9C9E: "title, description or comment",
    0x9C9F: "title, description or comment",
    0x927C: "maker notes (hidden data of the camera)",
    0x02BC: "XMP data",
    0x83BB: "IPTC or Photoshop data",
    0x8649: "IPTC or Photoshop data",
    0x935C: "Photoshop layers",
    0x014A: "preview picture (thumbnail)",
}
NAMED = _WORDS.keys()
"""Fields that :func:`words` has a name for."""
_LAYOUT = {0xA002, 0xA003, 0x9000, 0x9101, 0xA000, 0x1000, 0xEA1C}  # technical, names nobody


def words(tree: Tree) -> Iterator[str]:
    """Name in plain words what the fields tell beyond how to show the picture."""
    if tree.gps:
        yield "GPS position"
    if tree.thumbnail:
        yield "preview picture (thumbnail)"
    for directory, allowed in ((tree.main, ALLOWED_MAIN), (tree.exif, ALLOWED_EXIF)):
        for tag in directory:
            if tag in _WORDS:
                yield _WORDS[tag]
            elif directory is tree.exif and tag not in allowed and tag not in _LAYOUT | {INTEROP}:
                yield "camera settings"
