"""Writing photos: the same kind of file again, with the changed pixels."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from bauta.errors import MediaError, UsageError
from bauta.media.atomic import atomic_write, check_target
from bauta.media.kinds import SUFFIXES, Pixels, Policy
from bauta.media.orient import as_stored
from bauta.media.photo import Photo, check_pixels, output_suffix
from bauta.media.raster import Raster, change


def encode_photo(
    photo: Photo, pixels: np.ndarray[Any, Any], *, metadata: Policy = "private"
) -> bytes:
    """Return the file that :func:`write_photo` would write.

    Args:
        photo: the photo as it was read.
        pixels: (H, W, 3) uint8 RGB, 0-255, upright, of the photo's size.
        metadata: "private" keeps only what displays the picture; "keep" keeps all that can be
            kept, except thumbnails and other pictures inside the file.

    Raises:
        UsageError: ``pixels`` has another shape or type, or ``metadata`` is neither word.
        MediaError: the kind of file cannot hold the change (1 bit per pixel), or encoding failed.

    Example:
        >>> from bauta.media import photo_from_array
        >>> photo = photo_from_array(np.zeros((2, 3, 3), np.uint8))
        >>> encode_photo(photo, photo.pixels + np.uint8(1))[1:4]
        b'PNG'

    """
    check_pixels(pixels, photo.pixels.shape)
    if metadata not in get_args(Policy):
        raise UsageError(f'metadata must be "private" or "keep", not {metadata!r}')
    return photo._source.encode(_new_raster(photo, pixels), keep=metadata == "keep")


def write_photo(
    photo: Photo,
    pixels: np.ndarray[Any, Any],
    path: str | os.PathLike[str],
    *,
    metadata: Policy = "private",
    overwrite: bool = False,
) -> None:
    """Write ``photo`` with new ``pixels`` to ``path``, whole or not at all.

    Format, size, mode, bit depth, colour profile, resolution, orientation and kind of compression
    stay those of the source. Pixels that equal ``photo.pixels`` keep their stored samples; where
    no pixel changed, JPEG, PNG and WebP are copied without compressing them again.

    Args:
        photo: the photo as it was read; its own file is never replaced.
        pixels: (H, W, 3) uint8 RGB, 0-255, upright, of the photo's size.
        path: the new file; see :func:`bauta.media.output_suffix` for a name that fits.
        metadata: as in :func:`encode_photo`.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: ``path`` exists, or is the photo itself under any name.
        MediaError: the suffix belongs to another format, or the write failed.
        UsageError: as in :func:`encode_photo`.

    """
    target = Path(path)
    protect = () if photo._origin is None else (photo._origin,)
    check_target(target, overwrite=overwrite, protect=protect)
    _check_suffix(photo, target)
    data = encode_photo(photo, pixels, metadata=metadata)
    atomic_write(target, data, overwrite=overwrite, protect=protect)


def _new_raster(photo: Photo, pixels: Pixels) -> Raster | None:
    source = photo._source
    raster, turned = source.raster, source.orientation
    if not np.array_equal(pixels, photo.pixels):
        new = as_stored(pixels, turned)
        if raster.data is None and raster.key is None:  # 8-bit RGB: the pixels are the samples
            return replace(raster, data=new)
        return change(raster, as_stored(photo.pixels, turned), new)
    if source.copies:
        return None
    if raster.data is None:
        return replace(raster, data=as_stored(photo.pixels, turned))
    return raster


def _check_suffix(photo: Photo, target: Path) -> None:
    suffix = target.suffix.lower()
    fitting = SUFFIXES[photo.output_format]
    known = {known for suffixes in SUFFIXES.values() for known in suffixes}
    if suffix in known and suffix not in fitting:
        raise MediaError(
            f"cannot write {target}: this photo is written as {photo.output_format}, "
            f'so let the name end in "{output_suffix(photo)}"'
        )
