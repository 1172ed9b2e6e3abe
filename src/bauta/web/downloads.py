"""What is given out: a photo that was made, or all of them in one archive."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from secrets import token_hex

from starlette.exceptions import HTTPException

from bauta.web.rooms import Picture, Room

#: Folder of a room for archives, which are wiped once they were fetched.
PACKED = "packed"


def written_of(photo: Picture) -> tuple[Path, str]:
    """What was made of a photo, and what to call it."""
    if photo.result is None or photo.result.status != "done":
        raise HTTPException(404, "nothing was made of this photo yet")
    file = photo.result.answer.data.get("written")
    if not file:
        raise HTTPException(404, "nothing was made of this photo")
    written = Path(file)
    mark = written.stem.removeprefix(photo.path.stem)
    return written, f"{Path(photo.name).stem}{mark}{written.suffix}"


def packed(room: Room) -> Path:
    """All that was made, in one archive; photos are compressed already."""
    # Each has its own: an earlier one may still be on its way.
    file, names = room.folder / PACKED / f"{token_hex(8)}.zip", set[str]()
    file.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for photo in [*room.photos.values()]:
            with contextlib.suppress(HTTPException):
                written, name = written_of(photo)
                archive.write(written, _distinct(name, names))
    return file


def _distinct(name: str, names: set[str]) -> str:
    """A name that no other file of the archive has."""
    stem, suffix, number = Path(name).stem, Path(name).suffix, 1
    while name.casefold() in names:
        number += 1
        name = f"{stem} ({number}){suffix}"
    names.add(name.casefold())
    return name
