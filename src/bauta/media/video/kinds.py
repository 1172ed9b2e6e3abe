"""Which files are videos, told by their first bytes, and what a container may be called."""

import os
from pathlib import Path

from bauta.media import heic
from bauta.media.read import recognise as recognise_photo

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts",
    ".mpg", ".mpeg", ".flv", ".wmv", ".asf",
)  # fmt: skip
"""Suffixes, in lower case, of files that Bauta reads as videos."""

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Suffixes that a written video may have, each with FFmpeg's name of the container."""

HEAD = 1024
"""How many bytes from the start of a file :func:`recognise` wants."""

_STILLS = heic.BRANDS | {b"avif", b"avis"}
# Boxes that may open a QuickTime file older than the type box.
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_MAGIC = {
    b"\x1a\x45\xdf\xa3": "matroska",
    b"FLV\x01": "flv",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\x00\x00\x01\xba": "mpeg",
}
# Transport streams have a sync byte at the start of each packet, of 188 or 192 bytes.
_SYNC = ((0, 188), (4, 192))


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the file at ``path`` is to be read as a video.

    Its content decides, as far as the first bytes tell; the suffix does where they tell nothing, or
    the file cannot be read. An audio file in a container for videos counts too;
    :func:`read_video` refuses it.
    """
    file = Path(path)
    try:
        if file.is_dir():
            return False
        if file.is_file():
            with file.open("rb") as stream:
                head = stream.read(HEAD)
            if is_photo(head):
                return False
            if recognise(head) is not None:
                return True
    except (OSError, ValueError):
        pass  # the name has to do
    return file.suffix.lower() in VIDEO_SUFFIXES


def recognise(head: bytes) -> str | None:
    """Return FFmpeg's name of the container that starts with ``head``, or None for other files."""
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _STILLS else "mov"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if any(head[start : start + 3 * step : step] == b"GGG" for start, step in _SYNC):
        return "mpegts"
    return "mov" if head[4:8] in _OLD_QUICKTIME else None


def is_photo(head: bytes) -> bool:
    """Whether ``head`` starts a picture: a photo that Bauta reads, an animation, or AVIF."""
    return recognise_photo(head) is not None or (head[4:8] == b"ftyp" and head[8:12] in _STILLS)
