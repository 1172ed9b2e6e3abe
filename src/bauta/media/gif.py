"""GIF of a single frame."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import GifImagePlugin

from bauta.errors import AnimatedImageError
from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding
from bauta.media.raster import Raster
from bauta.media.source import Source


@dataclass(frozen=True, eq=False, kw_only=True)
class GifSource(Source):
    """A GIF file."""

    output_format = "GIF"
    comment: bytes = b""
    xmp: bool = False

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the GIF file."""
        raster = raster or self.raster
        options: dict[str, Any] = {"optimize": False, "interlace": 0}
        if keep and self.comment:
            options["comment"] = self.comment
        transparent = _transparent_index(raster)
        if transparent is not None:
            options["transparency"] = transparent
        out = io.BytesIO()
        with encoding("GIF"):
            image_of(raster).save(out, "GIF", **options)
        return out.getvalue()

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        found = ["title, description or comment"] if self.comment else []
        return found + (["XMP data"] if self.xmp else [])


def read(data: bytes, max_pixels: int, name: str) -> GifSource:
    """Decode a GIF file of one frame."""
    image = GifImagePlugin.GifImageFile(io.BytesIO(data))
    check_size(image.size, max_pixels, name)
    if image.is_animated:
        raise AnimatedImageError(f"{name} is an animated GIF: save one frame of it as a photo")
    transparent = image.info.get("transparency")
    image.load()
    raster = raster_of(image)
    if raster.colour == "grey" and isinstance(transparent, int):
        raster = replace(raster, key=(transparent,))
    comment = image.info.get("comment") or b""
    return GifSource(raster=raster, comment=bytes(comment), xmp=b"XMP DataXMP" in data)


def _transparent_index(raster: Raster) -> int | None:
    if raster.key is not None:
        return raster.key[0]
    if raster.palette is None:
        return None
    hidden = np.flatnonzero(raster.palette[:, 3] == 0)
    return int(hidden[0]) if hidden.size else None
