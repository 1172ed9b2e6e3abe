"""HEIC: read with pi-heif, which cannot write, so that the output is JPEG."""

import io
import struct
from dataclasses import dataclass, replace
from typing import Any

from bauta.errors import AnimatedImageError, MissingExtraError
from bauta.media import jpeg_segments
from bauta.media.bridge import raster_of
from bauta.media.guard import check_size
from bauta.media.jpeg import JpegSource
from bauta.media.jpeg_segments import APP1, Segments
from bauta.media.metadata import plain_list

_SEQUENCES = {b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"}
BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"} | _SEQUENCES
"""Brands (bytes 8 to 12 of the file) that mark HEIF pictures."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HeicSource(JpegSource):
    """A HEIC file that is to become a JPEG of quality 92."""

    extras: tuple[str, ...] = ()

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        return plain_list([*super().findings(), *self.extras])


def read(data: bytes, max_pixels: int, name: str) -> HeicSource:
    """Decode the primary picture of a HEIC file; its alpha is lost, as JPEG has none."""
    try:
        import pi_heif
    except ImportError as error:
        raise MissingExtraError("reading HEIC photos", "heif") from error
    if data[8:12] in _SEQUENCES:
        raise AnimatedImageError(f"{name} is a HEIF sequence: save one frame of it as a photo")
    _check_items(data)
    container = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    picture = container[container.primary_index]
    check_size(picture.size, max_pixels, name)
    # libheif turns the samples upright itself, so the orientation in the EXIF block is void.
    raster = replace(raster_of(picture.to_pillow()), alpha=None)
    file = Segments(_segments(picture.info), b"", False, True)
    extras = _extras(container, picture.info)
    return HeicSource(raster=raster, file=file, upright=True, extras=extras)


def profile_of(data: bytes) -> bytes | None:
    """ICC profile of the primary picture, which is not decoded."""
    import pi_heif

    container = pi_heif.open_heif(io.BytesIO(data))
    return _icc(container[container.primary_index].info) or None


def _check_items(data: bytes) -> None:
    """Refuse item types that are no text: pi_heif 1.4 brings the whole process down on them."""
    table = data.find(b"iinf")
    end = table - 4 + int.from_bytes(data[max(0, table - 4) : table], "big")
    at = data.find(b"infe", table, end)
    while at >= 0:
        size = int.from_bytes(data[at - 4 : at], "big")
        numbers = 10 if data[at + 4 : at + 5] == b"\3" else 8
        data[at + 4 + numbers : max(at - 4 + size, at + 4 + numbers + 4)].decode("utf-8")
        at = data.find(b"infe", at + 4, end)


def _segments(info: dict[str, Any]) -> list[tuple[int, bytes]]:
    app = []
    if info.get("exif"):
        block = info["exif"].removeprefix(jpeg_segments.EXIF)
        app.append((APP1, jpeg_segments.EXIF + block))
    if info.get("xmp"):
        app.append((APP1, jpeg_segments.XMP + info["xmp"]))
    return app + jpeg_segments.icc_segments(_icc(info))


def _icc(info: dict[str, Any]) -> bytes:
    profile = info.get("icc_profile") or b""
    sound = len(profile) >= 128 and struct.unpack_from(">I", profile)[0] <= len(profile)
    return bytes(profile) if sound else b""


def _extras(container: Any, info: dict[str, Any]) -> tuple[str, ...]:
    found = []
    if info.get("thumbnails"):
        found.append("preview picture (thumbnail)")
    if info.get("depth_images") or info.get("aux"):
        found.append("depth or other auxiliary pictures")
    if len(container) > 1:
        found.append("further pictures or a video after the photo")
    return tuple(found)
