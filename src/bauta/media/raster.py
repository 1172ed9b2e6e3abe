"""One picture as its file stores it, how it becomes RGB, and how it takes a change."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bauta.errors import MediaError
from bauta.media import cmyk
from bauta.media.kinds import Pixels, Samples
from bauta.media.palette import requantise

_BLOCK = 1 << 20  # pixels per block: bounds the memory of the wide integer arithmetic


@dataclass(frozen=True, eq=False)
class Raster:
    """Samples in stored order.

    ``data`` is (H, W) for bilevel (0 or 255), grey and palette (indices), (H, W, 3) for rgb and
    (H, W, 4) for cmyk (255 = full ink). It is None once a photo holds the same 8-bit RGB as its
    pixels, so that large photos are not kept twice.
    """

    colour: Literal["bilevel", "grey", "rgb", "cmyk", "palette"]
    data: Samples | None
    alpha: Samples | None = None
    palette: Pixels | None = None
    """(n, 4) RGBA of each index, for colour "palette"."""
    key: tuple[int, ...] | None = None
    """The sample value(s) that mean "transparent" in grey and rgb pictures without alpha."""

    @property
    def samples(self) -> Samples:
        """``data`` where it is known to be there."""
        if self.data is None:
            raise ValueError("the samples of this raster are the pixels of its photo")
        return self.data

    def rgb(self) -> Pixels:
        """Return (H, W, 3) uint8 RGB; the samples themselves where they are that already."""
        data = self.samples
        if self.colour == "rgb":
            return to_8bit(data)
        if self.colour == "cmyk":
            return to_8bit(cmyk.to_rgb(data))
        if self.colour == "palette":
            assert self.palette is not None
            return np.take(self.palette[:, :3], data, axis=0)
        out = np.empty((*data.shape, 3), np.uint8)
        out[...] = to_8bit(data)[..., np.newaxis]
        return out

    def slim(self) -> "Raster":
        """Return the raster without samples that equal the photo's pixels."""
        if self.colour == "rgb" and self.data is not None and self.data.dtype == np.uint8:
            return replace(self, data=None)
        return self


def to_8bit(samples: Samples) -> Pixels:
    """Bring uint16 samples to 0-255 by rounding v / 257; uint8 samples come back as they are."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    out = np.empty(samples.shape, np.uint8)
    for rows in _blocks(samples):
        out[rows] = (samples[rows].astype(np.uint32) + 128) // 257
    return out


def change(raster: Raster, old: Pixels, new: Pixels) -> Raster:
    """Return ``raster`` with the difference ``new`` - ``old`` (H, W, 3 uint8, stored order) on it.

    Samples whose pixel did not change stay exactly as they are, at any bit depth.

    Raises:
        MediaError: the picture has 1 bit per pixel, which cannot carry a change.

    """
    if raster.colour == "bilevel":
        raise MediaError(
            "a 1-bit black and white picture cannot hold the small changes of a protection: "
            "convert it to greyscale first"
        )
    if raster.colour == "palette":
        return _change_palette(raster, new)
    base: Samples = old if raster.data is None else raster.data
    data = np.empty_like(base)
    for rows in _blocks(base):
        data[rows] = _change_block(raster.colour, base[rows], old[rows], new[rows])
    if raster.key is not None:
        _hold_key(data, base, raster.key)
    return replace(raster, data=data)


def _change_block(colour: str, base: Samples, old: Pixels, new: Pixels) -> Samples:
    delta = new.astype(np.int32) - old
    if colour == "grey":
        delta = (delta.sum(axis=2) + 1) // 3  # the mean, rounded: a sum of thirds never ties
    if base.dtype == np.uint16:
        delta *= 257
    if colour == "cmyk":
        return cmyk.shift(base, delta)
    top = np.iinfo(base.dtype).max
    return np.clip(base + delta, 0, top).astype(base.dtype)


def _change_palette(raster: Raster, new: Pixels) -> Raster:
    assert raster.palette is not None
    before = np.take(raster.palette, raster.samples, axis=0)
    alpha = before[..., 3]
    hidden = alpha == 0
    wanted = np.dstack([np.where(hidden[..., np.newaxis], before[..., :3], new), alpha])
    data, palette = requantise(wanted)
    return replace(raster, data=data, palette=palette)


def _hold_key(data: Samples, base: Samples, key: tuple[int, ...]) -> None:
    """Keep transparent pixels transparent, and opaque ones opaque, under a colour key."""
    value = np.asarray(key, data.dtype)
    shape = (*data.shape[:2], -1)
    flat, before = data.reshape(shape), base.reshape(shape)
    hidden = (before == value).all(axis=2)
    clash = (flat == value).all(axis=2) & ~hidden
    flat[hidden] = value
    flat[clash, -1] = value[-1] - 1 if value[-1] else 1


def _blocks(array: Samples) -> Iterator[slice]:
    rows = max(1, _BLOCK // max(1, array.shape[1]))
    for start in range(0, array.shape[0], rows):
        yield slice(start, start + rows)
