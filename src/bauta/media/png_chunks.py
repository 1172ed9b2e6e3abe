"""PNG files as chunks, and the encoder for 16 bits per channel that Pillow lacks."""

import struct
import zlib

import numpy as np
import numpy.typing as npt

from bauta.media.kinds import Pixels, Samples

_MAGIC = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_BLOCK = 1 << 22  # bytes that are filtered at a time

Chunk = tuple[bytes, bytes]


def split(data: bytes) -> list[Chunk]:
    """Take a PNG file apart into (type, body), up to and with IEND.

    Raises:
        ValueError: a checksum is wrong (Pillow leaves that of the picture unchecked), or the end
            is missing.

    """
    chunks: list[Chunk] = []
    at = len(_MAGIC)
    while not chunks or chunks[-1][0] != b"IEND":
        if at + 12 > len(data):
            raise ValueError("the file ends before the picture does")
        length = struct.unpack_from(">I", data, at)[0]
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        end = at + 12 + length
        if end > len(data):
            raise ValueError("the file ends before the picture does")
        if zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError(f"wrong checksum of chunk {kind!r}")
        chunks.append((kind, body))
        at = end
    return chunks


def join(chunks: list[Chunk]) -> bytes:
    """Put a PNG file together."""
    parts = [_MAGIC]
    for kind, body in chunks:
        checksum = zlib.crc32(body, zlib.crc32(kind))
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)]
    return b"".join(parts)


def encode_16(samples: Samples) -> list[Chunk]:
    """Encode (H, W, C) uint16 ``samples``; C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    packer = zlib.compressobj(6)
    body = b"".join(packer.compress(part) for part in _filtered(samples)) + packer.flush()
    return [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]


def _filtered(samples: Samples) -> list[bytes]:
    height, width, channels = samples.shape
    step = channels * 2
    stride = width * step
    rows = samples.astype(">u2").view(np.uint8).reshape(height, stride)
    padded = np.zeros((height + 1, stride + step), np.uint8)
    padded[1:, step:] = rows
    count = max(1, _BLOCK // stride)
    return [
        _filter_block(padded[start : start + count + 1], step).tobytes()
        for start in range(0, height, count)
    ]


def _filter_block(padded: Pixels, step: int) -> Pixels:
    """Filter all rows but the first of ``padded``, each by the filter that suits it best."""
    here, left = padded[1:, step:], padded[1:, :-step]
    above, corner = padded[:-1, step:], padded[:-1, :-step]
    mean = ((left.astype(np.uint16) + above) >> 1).astype(np.uint8)
    guesses = {1: left, 2: above, 3: mean, 4: _paeth(left, above, corner)}
    out = np.empty((here.shape[0], here.shape[1] + 1), np.uint8)
    best = np.full(here.shape[0], np.iinfo(np.int64).max)
    for number, guess in guesses.items():
        residue = here - guess
        # The usual rule: the row with the smallest sum of (signed) residues packs best.
        cost = np.abs(residue.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64)
        better = cost < best
        out[better, 0] = number
        out[better, 1:] = residue[better]
        best[better] = cost[better]
    return out


def _paeth(left: Pixels, above: Pixels, corner: Pixels) -> npt.NDArray[np.uint8]:
    a, b, c = (plane.astype(np.int16) for plane in (left, above, corner))
    to_left, to_above = np.abs(b - c), np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    near_left = (to_left <= to_above) & (to_left <= to_corner)
    return np.where(near_left, left, np.where(to_above <= to_corner, above, corner))
