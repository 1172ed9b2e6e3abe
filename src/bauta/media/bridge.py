"""Between Pillow images of 8 bits (and 16-bit grey) and rasters."""

import numpy as np
from PIL import Image

from bauta.media.kinds import Pixels
from bauta.media.raster import Raster

_SIMPLER = {"RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "PA": "RGBA", "YCbCr": "RGB"}
_GREY_16 = {"I;16", "I;16B", "I;16L"}


def raster_of(image: Image.Image) -> Raster:
    """Return the raster of a loaded Pillow ``image``.

    Raises:
        ValueError: the image has a mode that no raster holds, such as floating point.

    """
    if image.mode in _SIMPLER:
        image = image.convert(_SIMPLER[image.mode])
    array = np.asarray(image)
    match image.mode:
        case "1":
            return Raster("bilevel", array.astype(np.uint8) * 255)
        case "L":
            return Raster("grey", array)
        case "LA":
            return Raster("grey", array[..., 0].copy(), array[..., 1].copy())
        case "RGB":
            return Raster("rgb", array)
        case "RGBA":
            return Raster("rgb", np.ascontiguousarray(array[..., :3]), array[..., 3].copy())
        case "CMYK":
            return Raster("cmyk", array)
        case "P":
            return Raster("palette", array, palette=_palette(image, int(array.max())))
        case mode if mode in _GREY_16:
            return Raster("grey", array.astype(np.uint16))
        case mode:
            raise ValueError(f"samples of the kind {mode}")


def image_of(raster: Raster) -> Image.Image:
    """Return the Pillow image of ``raster``, which must not have 16-bit colour or 16-bit alpha.

    The transparency of a palette is not part of the image; each format writes it in its own way.
    """
    data = raster.samples
    if raster.colour == "bilevel":
        return Image.fromarray(data > 0)
    if raster.colour == "cmyk":
        size = data.shape[1], data.shape[0]
        return Image.frombytes("CMYK", size, np.ascontiguousarray(data).tobytes())
    if raster.colour == "palette":
        assert raster.palette is not None
        image = Image.frombytes("P", data.shape[::-1], np.ascontiguousarray(data).tobytes())
        image.putpalette(raster.palette[:, :3].tobytes(), "RGB")
        return image
    if raster.alpha is not None:
        data = np.dstack([data, raster.alpha])
    return Image.fromarray(np.ascontiguousarray(data))


def _palette(image: Image.Image, last: int) -> Pixels:
    """Return the palette as (n, 4) RGBA; n covers every index that occurs (damaged files)."""
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    out = np.zeros((max(len(colours), last + 1), 4), np.uint8)
    out[: len(colours), :3] = colours
    out[:, 3] = 255
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):
        alpha = np.frombuffer(transparency, np.uint8)[: len(out)]
        out[: len(alpha), 3] = alpha
    elif isinstance(transparency, int) and 0 <= transparency < len(out):
        out[transparency, 3] = 0
    return out
