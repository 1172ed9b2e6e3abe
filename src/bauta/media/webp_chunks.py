"""WebP files as chunks, and the quality that a lossy one was made with."""

import struct

Chunk = tuple[bytes, bytes]
_PICTURE = (b"ALPH", b"VP8 ", b"VP8L")


def split(data: bytes) -> list[Chunk]:
    """Take a WebP file apart into (type, body); a single animation frame is opened up.

    Raises:
        ValueError: a chunk reaches beyond the end of the file.

    """
    chunks: list[Chunk] = []
    for kind, body in _walk(data, 12):
        chunks += _walk(body, 16) if kind == b"ANMF" else [(kind, body)]
    return chunks


def _walk(data: bytes, at: int) -> list[Chunk]:
    found = []
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + size > len(data):
            raise ValueError("the file ends before the picture does")
        found.append((kind, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


def canvas(data: bytes) -> tuple[int, int]:
    """Return width and height from the first chunk, (0, 0) where it makes no sense."""
    kind, head = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return width, height


def join(chunks: list[Chunk], metadata: dict[bytes, bytes], size: tuple[int, int]) -> bytes:
    """Put a WebP file together from the picture in ``chunks`` and ICCP, EXIF and "XMP "."""
    picture = [chunk for chunk in chunks if chunk[0] in _PICTURE]
    metadata = {kind: body for kind, body in metadata.items() if body}
    flags = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
    flag = sum(flags[kind] for kind in metadata)
    if any(_has_alpha(kind, body) for kind, body in picture):
        flag |= 0x10
    parts: list[Chunk] = []
    if metadata or len(picture) > 1:
        width, height = size
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        parts.append((b"VP8X", struct.pack("<I", flag) + canvas))
    parts += [(kind, metadata[kind]) for kind in (b"ICCP",) if kind in metadata]
    parts += picture
    parts += [(kind, metadata[kind]) for kind in (b"EXIF", b"XMP ") if kind in metadata]
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _has_alpha(kind: bytes, body: bytes) -> bool:
    return kind == b"ALPH" or (kind == b"VP8L" and len(body) > 4 and bool(body[4] & 0x10))


def lossy_quality(frame: bytes) -> float:
    """Return the libwebp quality (0-100) that made the VP8 ``frame``, from its quantiser."""
    bits = _Bits(frame[10:])
    bits.take(2)
    segments = _segment_quantisers(bits) if bits.take(1) else []
    bits.take(1 + 6 + 3)  # the loop filter
    if bits.take(1) and bits.take(1):
        for _ in range(8):
            if bits.take(1):
                bits.take(7)
    bits.take(2)
    base = bits.take(7)
    strength = 1 - (max(segments, default=base) + 0.5) / 127
    if len(set(segments)) > 1:
        # By default libwebp coarsens its plainest segment by this power (0.9 * 50% * 127 / 128).
        strength = max(strength, 0.0) ** (1 / 1.4465)
    linear = max(strength, 0.0) ** 3
    return 100 * min(1.0, linear * 1.5 if linear < 0.5 else (linear + 1) / 2)


def _segment_quantisers(bits: "_Bits") -> list[int]:
    has_map, has_data = bits.take(1), bits.take(1)
    quantisers: list[int] = []
    absolute = True
    if has_data:
        absolute = bool(bits.take(1))
        for _ in range(4):
            quantisers.append(bits.take_signed(7) if bits.take(1) else 0)
        for _ in range(4):
            if bits.take(1):
                bits.take(7)
    if has_map:
        for _ in range(3):
            if bits.take(1):
                bits.take(8)
    return quantisers if absolute else []


class _Bits:
    """The arithmetic decoder of VP8 (RFC 6386, section 7), for even odds."""

    def __init__(self, data: bytes):
        self._data, self._at, self._range, self._shifts = data, 2, 255, 0
        self._value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = 2 * value + self._bit()
        return value

    def take_signed(self, count: int) -> int:
        value = self.take(count)
        return -value if self.take(1) else value

    def _bit(self) -> int:
        split_at = 1 + ((self._range - 1) >> 1)
        one = self._value >= split_at << 8
        self._range = self._range - split_at if one else split_at
        self._value -= (split_at << 8) if one else 0
        while self._range < 128:
            self._value <<= 1
            self._range <<= 1
            self._shifts += 1
            if self._shifts == 8:
                self._shifts = 0
                self._value |= self._data[self._at] if self._at < len(self._data) else 0
                self._at += 1
        return int(one)
