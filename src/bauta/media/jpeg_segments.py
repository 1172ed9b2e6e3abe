"""JPEG files as segments: metadata apart from the compressed picture."""

import re
import struct
from dataclasses import dataclass

JFIF, EXIF, XMP = b"JFIF\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
ICC, MPF, PHOTOSHOP, ADOBE = b"ICC_PROFILE\0", b"MPF\0", b"Photoshop 3.0\0", b"Adobe"
EXTENDED_XMP, JUMBF = b"http://ns.adobe.com/xmp/extension/\0", b"JP"
APP0, APP1, APP2, APP11, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE

_LONGEST = 65533  # bytes of payload that a segment can hold
_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # after stuffing and restart markers
_SOS, _EOI, _DHT = 0xDA, 0xD9, 0xC4
_STANDARD_TABLES = {208, 416}  # bytes of the Huffman tables that encoders use when in a hurry


@dataclass(frozen=True, eq=False)
class Segments:
    """A JPEG file taken apart."""

    app: list[tuple[int, bytes]]
    """APPn and COM segments: marker and payload."""
    picture: bytes
    """All other segments and the compressed data, up to and with the end marker."""
    trailing: bool
    """Whether something follows the picture, such as a second one or a video."""
    optimised: bool
    """Whether the Huffman tables are made for this picture."""

    def first(self, marker: int, mark: bytes) -> bytes | None:
        """Return what follows ``mark`` in the first segment that begins with it."""
        for found, payload in self.app:
            if found == marker and payload.startswith(mark):
                return payload[len(mark) :]
        return None

    def all(self, marker: int, mark: bytes) -> list[bytes]:
        """Return the whole payloads of all segments that begin with ``mark``."""
        return [data for found, data in self.app if found == marker and data.startswith(mark)]


def split(data: bytes) -> Segments:
    """Take a JPEG file apart.

    Raises:
        ValueError: the file ends before its picture does.

    """
    app: list[tuple[int, bytes]] = []
    picture: list[bytes] = []
    tables, at = 0, 2
    while True:
        match = _NEXT_MARKER.search(data, at)
        if match is None:
            raise ValueError("the file ends before the picture does")
        marker, start = match[1][0], match.end()
        if marker == _EOI:
            break
        end = start + struct.unpack_from(">H", data, start)[0]
        payload = data[start + 2 : end]
        if marker == _SOS:
            following = _NEXT_MARKER.search(data, end)
            end = following.start() if following else len(data)
        if APP0 <= marker <= 0xEF or marker == COMMENT:
            app.append((marker, payload))
        elif 0xC0 <= marker <= 0xDF:  # what is needed to decode; anything else may hide data
            picture.append(b"\xff" + match[1] + data[start:end])
            tables += len(payload) if marker == _DHT else 0
        at = end
    rest = data[start:].strip(b"\0\xff\r\n")
    return Segments(
        app, b"".join(picture) + b"\xff\xd9", bool(rest), tables not in _STANDARD_TABLES
    )


def join(app: list[tuple[int, bytes]], picture: bytes) -> bytes:
    """Put a JPEG file together; segments that are too long for the format are left out."""
    parts = [b"\xff\xd8"]
    for marker, payload in app:
        if len(payload) <= _LONGEST:
            parts.append(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload)
    return b"".join([*parts, picture])


def icc_segments(profile: bytes) -> list[tuple[int, bytes]]:
    """Split an ICC ``profile`` into the segments that carry it."""
    room = _LONGEST - len(ICC) - 2
    pieces = [profile[i : i + room] for i in range(0, len(profile), room)]
    total = len(pieces)
    if total > 255:
        return []
    return [(APP2, ICC + bytes([i, total]) + piece) for i, piece in enumerate(pieces, 1)]


def join_exif(segments: Segments) -> bytes:
    """Return the EXIF block, which may be spread over several segments."""
    return b"".join(payload[len(EXIF) :] for payload in segments.all(APP1, EXIF))


def jfif(density: bytes) -> tuple[int, bytes]:
    """Return a JFIF segment with ``density`` (unit, x, y as in the format) and no thumbnail."""
    return APP0, JFIF + b"\1\1" + density.ljust(5, b"\0")[:5] + b"\0\0"
