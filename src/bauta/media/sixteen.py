"""16 bits per channel, which Pillow decodes but then narrows to 8.

Pillow's decoders are used all the same (filters, interlacing and every TIFF compression come
with them): each picture is unpacked twice, once for the high bytes and once for the low ones,
by naming the other byte order the second time.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ImageFile

from bauta.media.kinds import Samples
from bauta.media.raster import Raster

_NATIVE_SWAPPED = ";16B" if sys.byteorder == "little" else ";16L"
_OTHER_ORDER = {";16L": ";16B", ";16B": ";16L", ";16N": _NATIVE_SWAPPED}


def load_colour(open_image: Callable[[], ImageFile.ImageFile]) -> Samples:
    """Return (H, W, C) uint16 samples of an RGB, RGBA or CMYK picture of 16 bits per channel.

    ``open_image`` opens the same file anew at each call, not loaded yet.
    """
    high = _load(open_image(), swap=False).astype(np.uint16)
    high <<= 8
    high |= _load(open_image(), swap=True)
    return high


def load_grey_alpha(image: ImageFile.ImageFile) -> Samples:
    """Return (H, W, 2) uint16 samples of an opened PNG of 16-bit grey with alpha."""
    # Four bytes per pixel, as in 8-bit RGBA: unpacked as that, the channels are the raw bytes.
    image.tile = [tile._replace(args="RGBA") for tile in image.tile]
    image.load()
    return np.asarray(image).view(">u2").astype(np.uint16)


def raster_16(samples: Samples, *, colour: str = "rgb") -> Raster:
    """Build the raster of (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) uint16 ``samples``."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if colour == "cmyk":
        return Raster("cmyk", samples)
    if channels == 1:
        return Raster("grey", samples.reshape(samples.shape[:2]))
    if channels == 2:
        return Raster("grey", _plane(samples, 0), _plane(samples, 1))
    alpha = _plane(samples, 3) if channels == 4 else None
    return Raster("rgb", np.ascontiguousarray(samples[..., :3]), alpha)


def _plane(samples: Samples, channel: int) -> Samples:
    return np.ascontiguousarray(samples[..., channel])


def _load(image: ImageFile.ImageFile, *, swap: bool) -> Samples:
    tiles = []
    for tile in image.tile:
        rawmode = tile.args if isinstance(tile.args, str) else _first(tile.args)
        if rawmode[-4:] not in _OTHER_ORDER:
            raise ValueError(f"no 16-bit layout: {rawmode}")
        if swap:
            rawmode = rawmode[:-4] + _OTHER_ORDER[rawmode[-4:]]
        args: Any = rawmode if isinstance(tile.args, str) else (rawmode, *(tile.args or ())[1:])
        tiles.append(tile._replace(args=args))
    image.tile = tiles
    image.load()
    return np.asarray(image)


def _first(args: tuple[Any, ...] | None) -> str:
    return str(args[0]) if args else ""
