"""The colour profile of a file, for who shows its pixels elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from bauta.media import heic
from bauta.media.guard import decoding
from bauta.media.read import recognise


def colour_profile(path: Path) -> bytes | None:
    """The ICC profile of a photo's file; None if it has none.

    Raises:
        CorruptImageError: the file is damaged.
        OSError: it cannot be read.

    """
    data = path.read_bytes()
    with decoding(path.name, "image"):
        if recognise(data[:32]) == "HEIC":
            return heic.profile_of(data)
        with Image.open(io.BytesIO(data)) as picture:
            return picture.info.get("icc_profile") or None
