"""Rooms: what one browser has brought, in a private folder that is wiped. Nobody sees another's."""

from __future__ import annotations

import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bauta.albums.files import PHOTO_SUFFIXES
from bauta.errors import UsageError
from bauta.web.lane import Job, stop
from bauta.web.limits import Limits

_LONGEST = 120


@dataclass(eq=False, kw_only=True)
class Item:
    """A file that was brought.

    Attributes:
        id: by which the page calls it.
        name: as the person calls it; it is kept in memory alone.
        folder: its own, in the room.
        path: the file.
        bytes: its size.

    """

    id: str
    name: str
    folder: Path
    path: Path
    bytes: int = 0


@dataclass(eq=False, kw_only=True)
class Picture(Item):
    """A photo.

    Attributes:
        look: finding its faces.
        result: what was done to it last.

    """

    look: Job | None = None
    result: Job | None = None

    def jobs(self) -> Iterator[Job]:
        """What was asked for it."""
        yield from (job for job in (self.look, self.result) if job)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the page."""
        return {
            "id": self.id,
            "name": self.name,
            "bytes": self.bytes,
            "look": _job_json(self.look, self),
            "result": _job_json(self.result, self),
        }


@dataclass(eq=False, kw_only=True)
class Key(Item):
    """A key file.

    Attributes:
        kind: "mask" or "watermark".
        sealed: whether it asks for a passphrase.
        job: what made it, if it was made here.

    """

    kind: str = ""
    sealed: bool = False
    job: Job | None = None

    @property
    def there(self) -> bool:
        """Whether there is a key already."""
        return self.job is None or self.job.status == "done"

    @property
    def register(self) -> Path:
        """What it has given out: a file that belongs to it."""
        return self.path.with_name(self.path.name + ".ids")

    def jobs(self) -> Iterator[Job]:
        """What was asked for it."""
        yield from (job for job in (self.job,) if job)

    def to_json(self) -> dict[str, Any]:
        """Plain data for the page."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "sealed": self.sealed,
            "there": self.there,
            "register": self.register.is_file(),
            "job": _job_json(self.job, self),
        }


def _job_json(job: Job | None, item: Item) -> dict[str, Any] | None:
    """How far a job is, in the person's names instead of the room's."""
    if job is None:
        return None
    error = job.answer.error if job.status == "failed" else ""
    data = {key: value for key, value in job.data.items() if key != "written"}
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status,
        "share": round(job.share, 3),
        "error": error.replace(str(item.path), item.name),
        "why": job.answer.kind if job.status == "failed" else "",
        "data": data,
    }


@dataclass(eq=False)
class Room:
    """What one browser has brought.

    Attributes:
        folder: private, and wiped with the room.
        photos: by id.
        keys: by id.
        used: when it was last asked for, by the clock that only goes forward.

    """

    folder: Path
    limits: Limits
    photos: dict[str, Picture] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    used: float = field(default_factory=time.monotonic)
    tickets: dict[str, tuple[Path, str]] = field(default_factory=dict)

    def add_photo(self, name: str) -> Picture:
        """Make a place for a photo.

        Raises:
            UsageError: there are too many.

        """
        if len(self.photos) >= self.limits.photos:
            raise UsageError(
                f"{self.limits.photos} photos are here already: remove some, or use "
                "bauta protect FOLDER on the command line, which takes thousands"
            )
        name = plain_name(name, "photo")
        suffix = Path(name).suffix.lower()
        folder = self._new_folder("photos")
        path = folder / f"photo{suffix if suffix in PHOTO_SUFFIXES else ''}"
        photo = Picture(id=folder.name, name=name, folder=folder, path=path)
        self.photos[photo.id] = photo
        return photo

    def add_key(self, name: str) -> Key:
        """Make a place for a key."""
        folder = self._new_folder("keys")
        # A trace names keys by their files, so each has another name.
        path = folder / f"key-{folder.name}"
        key = Key(id=folder.name, name=plain_name(name, "key"), folder=folder, path=path)
        self.keys[key.id] = key
        return key

    def photo(self, which: str) -> Picture:
        """A photo of this room.

        Raises:
            UsageError: there is none of that id.

        """
        if which not in self.photos:
            raise UsageError("that photo is not here any more")
        return self.photos[which]

    def key(self, which: str) -> Key:
        """A key of this room.

        Raises:
            UsageError: there is none of that id, or it is not made yet.

        """
        if which not in self.keys or not self.keys[which].there:
            raise UsageError("that key is not here: open its file first")
        return self.keys[which]

    def remove(self, item: Picture | Key) -> None:
        """Wipe a photo or a key."""
        for job in item.jobs():
            stop(job)
        self.photos.pop(item.id, None)
        self.keys.pop(item.id, None)
        shutil.rmtree(item.folder, ignore_errors=True)

    @property
    def room_left(self) -> int:
        """Bytes that may still be brought."""
        items = [*self.photos.values(), *self.keys.values()]
        return self.limits.room_bytes - sum(item.bytes for item in items)

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        items: list[Picture | Key] = [*self.photos.values(), *self.keys.values()]
        return any(not job.over for item in items for job in item.jobs())

    def to_json(self) -> Mapping[str, Any]:
        """Plain data for the page."""
        return {
            # What is still on its way has not been looked at.
            "photos": [photo.to_json() for photo in self.photos.values() if photo.look],
            "keys": [key.to_json() for key in self.keys.values()],
            "busy": self.busy,
        }

    def ticket(self, file: Path, name: str) -> str:
        """Let a file be downloaded once, by a link that nobody can guess."""
        word = secrets.token_urlsafe(32)
        self.tickets[word] = (file, name)
        return word

    def wipe(self) -> None:
        """Stop everything, and leave nothing on the disk."""
        for photo in [*self.photos.values()]:
            self.remove(photo)
        for key in [*self.keys.values()]:
            self.remove(key)
        self.tickets.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_folder(self, kind: str) -> Path:
        folder = self.folder / kind / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        return folder


class Rooms:
    """All rooms, and the link by which the next browser gets one.

    Args:
        folder: private; rooms are made in it.
        limits: what they take.
        announce: told the word of every new link, which opens one room and no more.

    """

    def __init__(self, folder: Path, limits: Limits, announce: Callable[[str], None]) -> None:
        self._folder = folder
        self.limits = limits
        self._announce = announce
        self._rooms: dict[str, Room] = {}
        self._link = ""
        self._new_link()

    def enter(self, link: str) -> str:
        """The secret of a new room, for a link that was not used before.

        Raises:
            UsageError: the link was used, or never given out, or there are too many rooms.

        """
        if not secrets.compare_digest(link.encode(), self._link.encode()):
            raise UsageError(
                "this link was used already, and each opens one page: take the newest that the "
                "terminal shows"
            )
        if len(self._rooms) >= self.limits.rooms:
            raise UsageError("there are too many pages open: close one, and wipe it")
        secret = secrets.token_urlsafe(32)
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        self._rooms[secret] = Room(folder, self.limits)
        self._new_link()
        return secret

    def room(self, secret: str) -> Room | None:
        """The room of a secret, if there is one."""
        room = self._rooms.get(secret)
        if room:
            room.used = time.monotonic()
        return room

    def redeem(self, ticket: str) -> tuple[Path, str] | None:
        """The file of a ticket, and its name, once."""
        for room in self._rooms.values():
            if ticket in room.tickets:
                return room.tickets.pop(ticket)
        return None

    def leave(self, secret: str) -> None:
        """Wipe a room."""
        if room := self._rooms.pop(secret, None):
            room.wipe()

    def wipe_idle(self) -> None:
        """Wipe rooms that nobody has used for long; a job that runs counts as use."""
        now = time.monotonic()
        for secret, room in [*self._rooms.items()]:
            if room.busy:
                room.used = now
            elif now - room.used > self.limits.idle:
                self.leave(secret)
        # What was being written while its room was wiped.
        for folder in {*self._folder.iterdir()} - {room.folder for room in self._rooms.values()}:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Wipe all."""
        for secret in [*self._rooms]:
            self.leave(secret)

    def _new_link(self) -> None:
        self._link = secrets.token_urlsafe(32)
        self._announce(self._link)


def plain_name(name: str, otherwise: str) -> str:
    """A file's name without folders, control characters and what systems forbid in names."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    kept = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*').strip(" .")
    stem, suffix = Path(kept).stem[:_LONGEST], Path(kept).suffix[:12]
    return f"{stem}{suffix}" if stem else otherwise
