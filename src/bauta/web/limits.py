"""How much the page takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused, and when rooms are wiped.

    Attributes:
        file_bytes: of one photo or key.
        pixels: of one photo.
        photos: in one room at once.
        room_bytes: of all that lies in one room.
        rooms: browsers at once.
        idle: seconds without a request after which a room is wiped.
        json_bytes: of a request that is no file.

    """

    file_bytes: int = 100 << 20
    pixels: int = 120_000_000
    photos: int = 500
    room_bytes: int = 8 << 30
    rooms: int = 16
    idle: float = 3600.0
    json_bytes: int = 1 << 18
