"""The photo: upright RGB pixels for the protection, and the file behind them for the writer."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bauta.errors import UsageError
from bauta.media.bmp import BmpSource
from bauta.media.jpeg import JpegSource
from bauta.media.jpeg_coding import Coding
from bauta.media.kinds import SUFFIXES, Pixels
from bauta.media.orient import upright
from bauta.media.png import PngSource
from bauta.media.raster import Raster
from bauta.media.source import Source
from bauta.media.tiff import TiffSource
from bauta.media.webp import WebpSource


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo, from :func:`bauta.media.read_photo` or :func:`photo_from_array`.

    Attributes:
        pixels: (H, W, 3) uint8, 0-255: RGB as the file holds it (its colour profile is not
            applied), upright, C-contiguous and read-only. 16-bit samples are rounded to 8 bits,
            CMYK is converted naively, alpha is left out.
        grey: whether the picture shows no colour, so that all three channels are equal. This
            includes black and white photos that are stored as RGB.
        path: the file, or None for an array.
        format: "JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF" or "HEIC".

    """

    pixels: Pixels = field(repr=False)
    grey: bool
    path: Path | None
    format: str
    _source: Source = field(repr=False)
    _origin: Path | None = field(default=None, repr=False)
    """The file under its absolute name, which holds when the working folder changes."""

    @property
    def width(self) -> int:
        """Width of the upright picture in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height of the upright picture in pixels."""
        return int(self.pixels.shape[0])

    @property
    def output_format(self) -> str:
        """The format that writing makes: the file's own, but JPEG for HEIC."""
        return self._source.output_format


def photo_from_array(pixels: np.ndarray[Any, Any], *, format: str = "PNG") -> Photo:  # noqa: A002  Pillow's word
    """Make a photo of an array, to be written as ``format``.

    Args:
        pixels: (H, W, 3) uint8 RGB, 0-255, upright; it is copied.
        format: "PNG" (default), "JPEG" (quality 92, no chroma subsampling), "WEBP" (lossless),
            "TIFF" (deflate) or "BMP".

    Raises:
        UsageError: the array has another shape or type, or the format is none of these.

    Example:
        >>> photo_from_array(np.zeros((2, 3, 3), np.uint8)).width
        3

    """
    check_pixels(pixels)
    wanted = format.upper()
    owned = np.array(pixels, np.uint8, order="C")
    raster = Raster("rgb", owned)
    height, width = owned.shape[:2]
    sources: dict[str, Source] = {
        "PNG": PngSource(raster=raster),
        "JPEG": JpegSource(raster=raster, coding=Coding(sampling=0)),
        "WEBP": WebpSource(raster=raster, size=(width, height)),
        "TIFF": TiffSource(raster=raster),
        "BMP": BmpSource(raster=raster),
    }
    if wanted not in sources:
        raise UsageError(f"cannot write an array as {format}: choose one of {', '.join(sources)}")
    return make_photo(sources[wanted], None, wanted)


def make_photo(source: Source, path: Path | None, format: str) -> Photo:  # noqa: A002  Pillow's word
    """Build the photo of a decoded ``source``."""
    pixels = upright(source.raster.rgb(), source.orientation)
    pixels = np.ascontiguousarray(pixels).view()
    pixels.flags.writeable = False
    slim = replace(source, raster=source.raster.slim())
    grey = source.raster.colour in ("grey", "bilevel") or is_grey(pixels)
    return Photo(pixels, grey, path, format, slim, path.absolute() if path else None)


def check_pixels(pixels: object, shape: tuple[int, ...] | None = None) -> None:
    """Raise UsageError unless ``pixels`` is (H, W, 3) uint8, not empty, of ``shape``."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise UsageError(f"pixels must be a numpy array of uint8 (0-255), not {kind}")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise UsageError(f"pixels must have the shape (height, width, 3), not {pixels.shape}")
    if shape is not None and pixels.shape != shape:
        raise UsageError(f"pixels must keep the photo's shape {shape}, not {pixels.shape}")


def output_suffix(photo: Photo) -> str:
    """Return the file suffix that fits what writing ``photo`` makes, such as ".jpg".

    It is the photo's own suffix where that fits (".JPEG" stays), so only HEIC and misnamed files
    get another one.
    """
    own = photo.path.suffix if photo.path else ""
    fitting = SUFFIXES[photo.output_format]
    return own if own.lower() in fitting else fitting[0]


def describe_metadata(photo: Photo) -> list[str]:
    """List in plain words the private items that the file of ``photo`` contains.

    These are what the policy "private" removes, for example "GPS position", "camera serial
    number" or "preview picture (thumbnail)". Empty for arrays and for clean files.
    """
    return photo._source.findings()


def is_grey(pixels: Pixels) -> bool:
    """Whether (H, W, 3) pixels show no colour: all three channels are equal."""
    # Colour photos are told apart by a few pixels; only grey ones pay for the whole comparison.
    return all(
        np.array_equal(part[..., 0], part[..., channel])
        for part in (pixels[::64, ::64], pixels)
        for channel in (1, 2)
    )
