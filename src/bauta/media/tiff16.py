"""16-bit TIFF, where Pillow cannot: colour on writing, rare layouts on reading (by tifffile)."""

import io
import logging

import numpy as np

from bauta.media.guard import check_size, unsupported
from bauta.media.kinds import Samples
from bauta.media.raster import Raster
from bauta.media.sixteen import raster_16

_PHOTOMETRIC = {"grey": "minisblack", "rgb": "rgb", "cmyk": "separated"}
_COLOURS = {0: "grey", 1: "grey", 2: "rgb", 5: "cmyk"}


def encode(raster: Raster, *, packed: bool) -> bytes:
    """Return a bare TIFF file of a 16-bit ``raster``, deflated with a predictor if ``packed``."""
    import tifffile  # slow to import, and rarely needed

    data = raster.samples
    extra = None
    if raster.alpha is not None:
        data, extra = np.dstack([data, raster.alpha]), ["unassalpha"]
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        np.ascontiguousarray(data),
        photometric=_PHOTOMETRIC[raster.colour],
        extrasamples=extra,
        planarconfig="contig" if data.ndim == 3 else None,
        compression="zlib" if packed else None,
        predictor=packed,
        byteorder="<",
        metadata=None,
        software=False,
        rowsperstrip=max(1, (1 << 20) // (data[0].nbytes or 1)),
    )
    return out.getvalue()


def decode(data: bytes, max_pixels: int, name: str) -> Raster:
    """Decode planar, premultiplied or grey-with-alpha TIFF of 16 bits per channel."""
    import tifffile

    # What it logs about damaged files is said in the error already.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        check_size((page.imagewidth, page.imagelength), max_pixels, name)
        colour = _COLOURS.get(int(page.photometric))
        if colour is None or page.dtype != np.uint16 or page.samplesperpixel > 4:
            raise unsupported(name, "this kind of 16-bit TIFF")
        try:
            array = page.asarray()
        except (KeyError, ValueError) as error:
            if "imagecodecs" not in str(error):
                raise
            raise unsupported(name, "this kind of compressed 16-bit TIFF") from error
        premultiplied = [int(kind) for kind in page.extrasamples] == [1]
    if page.planarconfig == 2:
        array = np.moveaxis(array, 0, -1)
    samples = np.ascontiguousarray(array, np.uint16)
    if int(page.photometric) == 0:
        samples[..., 0] = 65535 - samples[..., 0]
    return raster_16(_straight(samples) if premultiplied else samples, colour=colour)


def _straight(samples: Samples) -> Samples:
    """Divide the colours by their alpha, the last channel."""
    alpha = samples[..., -1:].astype(np.int64)
    room = np.maximum(alpha, 1)
    colours = np.minimum(
        (samples[..., :-1].astype(np.int64) * 65535 * 2 + room) // (2 * room), 65535
    )
    return np.dstack([np.where(alpha > 0, colours, 0), alpha]).astype(np.uint16)
