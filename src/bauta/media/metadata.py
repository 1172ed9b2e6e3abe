"""XMP and Photoshop blocks: what stays under each policy, and plain words for what is there."""

import struct
from collections.abc import Iterable

_RESOLUTION = 0x03ED
# Thumbnails (old and new), and second copies of EXIF and XMP that would bypass their own rules.
_NEVER = {0x0409, 0x040C, 0x0422, 0x0423, 0x0424}

_PICTURES = b":Thumbnails"
_EMBEDDED = (b"/9j/", b"iVBORw0KGgo", b"AAAAGGZ0eXBoZWlj")  # base64 of JPEG, PNG and HEIC


def kept_xmp(packet: bytes) -> bytes:
    """Return the XMP ``packet`` without pictures inside; b"" where they cannot be cut out."""
    first, last = packet.find(_PICTURES), packet.rfind(_PICTURES)
    if first >= 0:
        packet = packet[: packet.rfind(b"<", 0, first)] + packet[packet.find(b">", last) + 1 :]
    return b"" if any(mark in packet for mark in _EMBEDDED) else packet


def photoshop_blocks(data: bytes, *, keep: bool) -> bytes:
    """Filter Photoshop image resources ("8BIM" blocks, IPTC among them).

    With ``keep`` all stay but thumbnails and copies of EXIF and XMP; without it, only the
    resolution, which some CMYK files record nowhere else.
    """
    kept, at = [], 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        code = struct.unpack_from(">H", data, at + 4)[0]
        name_end = at + 7 + data[at + 6]
        name_end += (name_end - at) % 2
        size = int.from_bytes(data[name_end : name_end + 4], "big")
        end = name_end + 4 + size
        if end > len(data):
            break
        end += size % 2
        if code == _RESOLUTION or (keep and code not in _NEVER):
            kept.append(data[at:end].ljust(end - at, b"\0"))
        at = end
    return b"".join(kept)


def plain_list(words: Iterable[str]) -> list[str]:
    """Return ``words`` without repetition, in the order of their first appearance."""
    return list(dict.fromkeys(words))
