"""Which files of a folder are photos and videos, and what their protected ones are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bauta.errors import MediaError, UsageError
from bauta.media.video import VIDEO_SUFFIXES, is_video
from bauta.media.video.kinds import MUXERS

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif"}
)
#: End of the names that single files get, which are not done again.
MARK = "-protected"


@dataclass(frozen=True, kw_only=True)
class Media:
    """A photo or video of an album.

    Attributes:
        name: path in the album, with slashes.
        written: path of the protected one in the output folder, with slashes.
        video: whether it is a video.

    """

    name: str
    written: str
    video: bool


def media_in(folder: Path, output: Path) -> list[Media]:
    """Photos and videos in a folder and all below, by name; what is in the output is left out.

    Raises:
        UsageError: there are none, or one output would replace another.

    """
    inside = output.resolve()
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES.union(VIDEO_SUFFIXES)
        and path.is_file()
        and not path.stem.endswith(MARK)
        and not path.resolve().is_relative_to(inside)
    )
    if not names:
        raise UsageError(f"{folder} holds no photo or video that is not done already")
    found = [
        Media(name=name, written=written_name(PurePosixPath(name)), video=is_video(folder / name))
        for name in names
    ]
    _check_distinct(found)
    return found


def written_name(name: PurePosixPath) -> str:
    """Name of the output; HEIC is written as JPEG, and videos that can only be read as MP4."""
    suffix = name.suffix.lower()
    if suffix in (".heic", ".heif"):
        return name.with_suffix(".jpg").as_posix()
    only_read = suffix in VIDEO_SUFFIXES and suffix not in MUXERS
    return (name.with_suffix(".mp4") if only_read else name).as_posix()


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        MediaError: it cannot be read.

    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise MediaError(f"cannot read {file}: {error.strerror or error}") from error


def _check_distinct(found: Iterable[Media]) -> None:
    """Refuse outputs of which a later one would replace an earlier one, whatever the case."""
    sources: dict[str, str] = {}
    for media in found:
        other = sources.setdefault(media.written.casefold(), media.name)
        if other != media.name:
            raise UsageError(
                f"{other} and {media.name} would both be written as {media.written}: rename one"
            )
