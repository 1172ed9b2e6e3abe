"""TIFF of one page: read it at 1, 8 and 16 bits per channel, and write it again alike."""

import io
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import TiffImagePlugin

from bauta.errors import AnimatedImageError, NotAnImageError
from bauta.media import exif, sixteen, tiff16, tiff_tags
from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding, unsupported
from bauta.media.metadata import plain_list
from bauta.media.orient import as_stored
from bauta.media.raster import Raster
from bauta.media.source import Source
from bauta.media.tiff_tags import jpeg_quality, numbers
from bauta.media.tiffdir import Directory, Reader, Tree
from bauta.media.tiffdir_write import attach

_SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR = 254, 258, 259, 262, 284
_PREDICTOR, _EXTRA_SAMPLES, _DNG = 317, 338, 50706

_NAMES = {1: "raw", 2: "tiff_ccitt", 3: "group3", 4: "group4", 5: "tiff_lzw", 7: "jpeg"}
_NAMES |= {8: "tiff_adobe_deflate", 32773: "packbits", 34925: "lzma", 50000: "zstd"}
_FALLBACK = "tiff_adobe_deflate"
_FAX = {"tiff_ccitt", "group3", "group4"}
_PREDICTING = {"tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd"}


@dataclass(frozen=True, eq=False, kw_only=True)
class TiffSource(Source):
    """A TIFF file, or an array that is to become one."""

    output_format = "TIFF"
    compression: str = _FALLBACK
    predictor: bool = True
    quality: int = 90
    """For JPEG inside TIFF."""
    shown: Tree = field(default_factory=Tree)
    """What displays the picture."""
    described: Tree = field(default_factory=Tree)
    """All that can be kept."""
    found: tuple[str, ...] = ()

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the TIFF file."""
        raster = raster or self.raster
        with encoding("TIFF"):
            if raster.samples.dtype == np.uint16 and (
                raster.colour != "grey" or raster.alpha is not None
            ):
                data = tiff16.encode(raster, packed=self.compression != "raw")
            else:
                data = self._compress(raster)
            return attach(data, self.described if keep else self.shown)

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        return list(self.found)

    def _compress(self, raster: Raster) -> bytes:
        compression = self._fitting(raster)
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        if self.predictor and compression in _PREDICTING and raster.colour in ("grey", "rgb"):
            tags[_PREDICTOR] = 2
        options = {"quality": self.quality} if compression == "jpeg" else {}
        out = io.BytesIO()
        image_of(raster).save(out, "TIFF", compression=compression, tiffinfo=tags, **options)
        return out.getvalue()

    def _fitting(self, raster: Raster) -> str:
        """Return the file's own compression where libtiff allows it for these samples."""
        if raster.colour == "bilevel":
            return "raw" if self.compression == "jpeg" else self.compression
        lossy = self.compression == "jpeg"
        if self.compression in _FAX or (
            lossy and (raster.colour == "palette" or raster.samples.dtype == np.uint16)
        ):
            return _FALLBACK
        return self.compression


def read(data: bytes, max_pixels: int, name: str) -> TiffSource:
    """Decode a TIFF file of one page; further pages may only be thumbnails of it."""
    reader = Reader(data)
    tree = reader.tree()
    main = tree.main
    _check_pages(data, reader, main, name)
    bits = set(numbers(main, _BITS, (1,)))
    turned = exif.orientation(tree)
    raster = _decode(data, main, bits, max_pixels, name, turned)
    return TiffSource(
        raster=raster,
        orientation=turned,
        compression=_NAMES.get(numbers(main, _COMPRESSION, (1,))[0], _FALLBACK),
        predictor=numbers(main, _PREDICTOR, (1,))[0] == 2,
        quality=jpeg_quality(main),
        shown=tiff_tags.shown(tree),
        described=tiff_tags.described(tree),
        found=tuple(plain_list(tiff_tags.findings(tree))),
    )


def _check_pages(data: bytes, reader: Reader, main: Directory, name: str) -> None:
    if data[8:10] == b"CR" or _DNG in main or numbers(main, _SUBFILE, (0,))[0] & 1:
        raise NotAnImageError(f"{name} is a camera raw file: export it as JPEG or TIFF first")
    if any(not numbers(page, _SUBFILE, (0,))[0] & 1 for page in reader.further()):
        raise AnimatedImageError(f"{name} has several pages: save one of them as a photo")


def _decode(
    data: bytes, main: Directory, bits: set[int], max_pixels: int, name: str, turned: int
) -> Raster:
    channels = len(numbers(main, _BITS, (1,)))
    premultiplied = numbers(main, _EXTRA_SAMPLES, (0,))[0] == 1
    planar = numbers(main, _PLANAR, (1,))[0] == 2
    if bits == {16} and channels > 1 and (premultiplied or planar or channels == 2):
        return tiff16.decode(data, max_pixels, name)
    image = _open(data)
    check_size(image.size, max_pixels, name)
    if not bits <= {1, 2, 4, 8, 16} or image.mode in ("I", "F", "LAB"):
        raise unsupported(name, f"a TIFF with {max(bits)}-bit samples of this kind")
    if bits == {16} and channels > 1:
        samples = as_stored(sixteen.load_colour(lambda: _open(data)), turned)
        return sixteen.raster_16(samples, colour="cmyk" if image.mode == "CMYK" else "rgb")
    image.load()
    raster = raster_of(image)
    if bits == {16} and numbers(main, _PHOTOMETRIC, (1,))[0] == 0:
        raster = replace(raster, data=65535 - raster.samples)  # white is zero; Pillow forgets
    # Pillow turns TIFF upright by itself
    alpha = None if raster.alpha is None else as_stored(raster.alpha, turned)
    return replace(raster, data=as_stored(raster.samples, turned), alpha=alpha)


def _open(data: bytes) -> TiffImagePlugin.TiffImageFile:
    return TiffImagePlugin.TiffImageFile(io.BytesIO(data))
