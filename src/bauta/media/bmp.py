"""BMP: Windows bitmaps, with alpha where the file declares it."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import BmpImagePlugin

from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding
from bauta.media.raster import Raster
from bauta.media.source import Source


@dataclass(frozen=True, eq=False, kw_only=True)
class BmpSource(Source):
    """A BMP file, or an array that is to become one."""

    output_format = "BMP"
    dpi: tuple[float, float] = (0, 0)
    """Dots per inch across and down; 0 where the file does not say."""

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the BMP file; the format has no metadata to keep."""
        raster = raster or self.raster
        with encoding("BMP"):
            if raster.alpha is not None:
                return _encode_alpha(raster, self.dpi)
            out = io.BytesIO()
            image_of(raster).save(out, "BMP", dpi=self.dpi)
            return out.getvalue()

    def findings(self) -> list[str]:
        """Return nothing: the format holds no private items."""
        return []


def read(data: bytes, max_pixels: int, name: str) -> BmpSource:
    """Decode a BMP file."""
    image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    check_size(image.size, max_pixels, name)
    dpi = image.info.get("dpi", (0, 0))
    image.load()
    return BmpSource(raster=raster_of(image), dpi=dpi)


def _encode_alpha(raster: Raster, dpi: tuple[float, float]) -> bytes:
    # Pillow writes alpha without declaring it, so that no reader would find it again.
    colours = raster.samples[..., ::-1]
    pixels = np.dstack([colours, raster.alpha])[::-1].tobytes()  # type: ignore[list-item]  # not None here
    height, width = raster.samples.shape[:2]
    across, down = (int(value * 39.3701 + 0.5) for value in dpi)
    layout = (108, width, height, 1, 32, 3, len(pixels), across, down, 0, 0)
    header = struct.pack("<IiiHHIIiiII", *layout)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = header + masks + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 14 + 108) + head + pixels
