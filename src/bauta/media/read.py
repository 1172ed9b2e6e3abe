"""Reading photos: which decoder a file gets, and clear words where it gets none."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from bauta.errors import ImageTooLargeError, MediaError, NotAnImageError
from bauta.media import bmp, gif, heic, jpeg, png, tiff, webp
from bauta.media.guard import FORMATS, decoding
from bauta.media.photo import Photo, make_photo
from bauta.media.source import Source

DEFAULT_MAX_PIXELS = 178_000_000

_Decoder = Callable[[bytes, int, str], Source]
_DECODERS: dict[str, _Decoder] = {
    "JPEG": jpeg.read,
    "PNG": png.read,
    "WEBP": webp.read,
    "TIFF": tiff.read,
    "BMP": bmp.read,
    "GIF": gif.read,
    "HEIC": heic.read,
}
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RAW_SUFFIXES = {
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".nef",
    ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".sr2", ".srf", ".srw", ".x3f",
}  # fmt: skip


def read_photo(path: str | os.PathLike[str], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Photo:
    """Read the photo at ``path``: JPEG, PNG, WebP, TIFF, BMP, GIF or (with an extra) HEIC.

    The format is told from the content, not from the name.

    Args:
        path: the file.
        max_pixels: refuse pictures with more pixels than this, before they are decoded. Pillow
            has a limit of its own of about the same size for WebP, GIF and TIFF.

    Raises:
        MediaError: there is no such file, or it cannot be read.
        NotAnImageError: the file is no image in one of these formats.
        CorruptImageError: the image is truncated or damaged.
        AnimatedImageError: the image has several frames or pages.
        ImageTooLargeError: the image has more than ``max_pixels`` pixels.
        MissingExtraError: the file is HEIC, and the extra "heif" is not installed.

    """
    file = Path(path)
    return _decoded(_read_bytes(file, max_pixels), str(file), file, max_pixels)


def read_photo_bytes(
    data: bytes, *, name: str = "the photo", max_pixels: int = DEFAULT_MAX_PIXELS
) -> Photo:
    """Read a photo whose file is in memory; see :func:`read_photo`.

    Args:
        data: all bytes of the file.
        name: what to call it in messages.
        max_pixels: as in :func:`read_photo`.

    """
    return _decoded(data, name, None, max_pixels)


def _decoded(data: bytes, name: str, file: Path | None, max_pixels: int) -> Photo:
    kind = recognise(data[:32])
    if kind is None:
        raise NotAnImageError(f"{name} is not an image that Bauta reads: give a photo in {FORMATS}")
    if kind == "TIFF" and file and file.suffix.lower() in _RAW_SUFFIXES:
        raise NotAnImageError(f"{name} is a camera raw file: export it as JPEG or TIFF first")
    with decoding(name, kind):
        source = _DECODERS[kind](data, max_pixels, name)
        return make_photo(source, file, kind)


def _read_bytes(file: Path, max_pixels: int) -> bytes:
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise MediaError(f"{file} is a folder: give the photos in it")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{file} is not an ordinary file: copy it to a file first")
        with file.open("rb") as stream:
            head = stream.read(32)
            if not head:
                raise NotAnImageError(f"{file} is empty: copy it again from its source")
            if recognise(head) is None:
                return head  # no need to read a long video to refuse it
            if status.st_size > 16 * max_pixels + (1 << 28):
                raise ImageTooLargeError(f"{file} is too large for a photo: make it smaller")
            return head + stream.read()
    except FileNotFoundError as error:
        raise MediaError(f"no such file: {file}; check the name and the folder") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MediaError(f"cannot read {file}: {reason}; check its permissions") from error


def recognise(head: bytes) -> str | None:
    """Return the format of the photo that starts with the bytes ``head``; None for other files."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith(_TIFF_MAGIC):
        return "TIFF"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"BM"):
        return "BMP"
    if head[4:8] == b"ftyp" and head[8:12] in heic.BRANDS and b"avif" not in head:
        return "HEIC"
    return None
