"""Photos for the tests: one real picture in every format and mode that Bauta handles."""

import functools
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms
from skimage import data

from bauta.media import jpeg_segments, png_chunks, tiffdir, tiffdir_write, webp_chunks


def face(height: int = 97, width: int = 131) -> np.ndarray:
    """A crop of a real portrait, asymmetric, of odd size."""
    return np.ascontiguousarray(data.astronaut()[20 : 20 + height, 150 : 150 + width])


def sixteen(rgb: np.ndarray) -> np.ndarray:
    """16-bit samples whose low bytes are not a function of the high ones."""
    noise = np.random.default_rng(7).integers(-128, 129, rgb.shape)
    return np.clip(rgb.astype(np.int64) * 257 + noise, 0, 65535).astype(np.uint16)


def alpha_of(rgb: np.ndarray) -> np.ndarray:
    """Alpha with fully transparent, half and opaque parts."""
    rows = np.linspace(0, 3, rgb.shape[0], endpoint=False).astype(int)
    return np.repeat(np.array([0, 128, 255], np.uint8)[rows][:, None], rgb.shape[1], axis=1)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@functools.cache  # it holds the time of its making
def icc_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _zstd() -> tuple[str, ...]:
    try:
        saved(Image.new("L", (8, 8)), "TIFF", compression="zstd")
    except OSError:  # Pillow before 11.2
        return ()
    return ("zstd",)


ZSTD = _zstd()
"""("zstd",) where Pillow's libtiff has it, else ()."""


def _palette(rgb: np.ndarray, colours: int = 256) -> Image.Image:
    return Image.fromarray(rgb).quantize(colours, Image.Quantize.MEDIANCUT)


def _modes(rgb: np.ndarray) -> dict[str, Image.Image]:
    colour = Image.fromarray(rgb)
    alpha = Image.fromarray(alpha_of(rgb))
    grey = colour.convert("L")
    grey_alpha, colour_alpha = grey.convert("LA"), colour.convert("RGBA")
    grey_alpha.putalpha(alpha)
    colour_alpha.putalpha(alpha)
    cmyk = colour.convert("CMYK")
    black = Image.fromarray((255 - rgb.max(axis=2)) // 2)
    cmyk = Image.merge("CMYK", (*cmyk.split()[:3], black))
    return {
        "1": grey.convert("1"), "L": grey, "LA": grey_alpha, "RGB": colour,
        "RGBA": colour_alpha, "P": _palette(rgb), "CMYK": cmyk,
    }  # fmt: skip


def png_16(samples: np.ndarray, exif: bytes = b"") -> bytes:
    chunks = png_chunks.encode_16(np.atleast_3d(samples))
    if exif:
        chunks.insert(1, (b"eXIf", exif))
    return png_chunks.join(chunks)


def tiff_16(samples: np.ndarray, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, metadata=None, software=False, **options)
    return out.getvalue()


def _bmp_rgba(rgb: np.ndarray) -> bytes:
    """A BMP with alpha as GIMP writes it: version 4 header with bit masks."""
    height, width = rgb.shape[:2]
    body = np.dstack([rgb[..., ::-1], alpha_of(rgb)])[::-1].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(body), 2835, 2835, 0, 0)
    head += masks + b"BGRs" + bytes(48)
    return (
        b"BM" + struct.pack("<IHHI", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body
    )


def _pick(image: Image.Image) -> Any:
    return image.getpixel((min(3, image.width - 1), min(3, image.height - 1)))


def _keyed(image: Image.Image) -> bytes:
    return saved(image, "PNG", transparency=_pick(image))


def _palette_levels(rgb: np.ndarray) -> bytes:
    image = _palette(rgb, 200)
    levels = bytes([0, 90, 255, 255] * 50)
    return saved(image, "PNG", transparency=levels)


def kinds(rgb: np.ndarray) -> dict[str, Callable[[], tuple[str, bytes]]]:
    """Name of each kind of file -> function that makes (suffix, bytes) of the picture ``rgb``."""
    m = _modes(rgb)
    deep = sixteen(rgb)
    deep_alpha = np.dstack([deep, alpha_of(rgb).astype(np.uint16) * 257])
    deep_grey = deep[..., 1].copy()
    every: dict[str, Callable[[], tuple[str, bytes]]] = {}

    def add(name: str, suffix: str, build: Callable[[], bytes]) -> None:
        every[name] = lambda: (suffix, build())

    for mode in ("L", "RGB", "CMYK"):
        add(f"jpeg-{mode}", ".jpg", lambda i=m[mode]: saved(i, "JPEG", quality=90))
    add("jpeg-progressive", ".jpg", lambda: saved(m["RGB"], "JPEG", progressive=True))
    add("jpeg-444", ".jpg", lambda: saved(m["RGB"], "JPEG", quality=97, subsampling=0))
    add("jpeg-rgb", ".jpg", lambda: saved(m["RGB"], "JPEG", quality=90, keep_rgb=True))
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P"):
        add(f"png-{mode}", ".png", lambda i=m[mode]: saved(i, "PNG"))
    add("png-L-key", ".png", lambda: _keyed(m["L"]))
    add("png-RGB-key", ".png", lambda: _keyed(m["RGB"]))
    add("png-P-index", ".png", lambda: _keyed(m["P"]))
    add("png-P-levels", ".png", lambda: _palette_levels(rgb))
    add("png-P-16", ".png", lambda: saved(_palette(rgb, 16), "PNG"))
    add("png-L16", ".png", lambda: png_16(deep_grey))
    add("png-LA16", ".png", lambda: png_16(np.dstack([deep_grey, deep_alpha[..., 3]])))
    add("png-RGB16", ".png", lambda: png_16(deep))
    add("png-RGBA16", ".png", lambda: png_16(deep_alpha))
    for mode in ("RGB", "RGBA"):
        add(f"webp-{mode}", ".webp", lambda i=m[mode]: saved(i, "WEBP", quality=85))
        add(f"webp-lossless-{mode}", ".webp",
            lambda i=m[mode]: saved(i, "WEBP", lossless=True, exact=True))  # fmt: skip
    for mode in ("1", "L", "LA", "RGB", "RGBA", "P", "CMYK"):
        add(f"tiff-{mode}", ".tif", lambda i=m[mode]: saved(i, "TIFF"))
    add("tiff-1-fax", ".tif", lambda: saved(m["1"], "TIFF", compression="group4"))
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", *ZSTD):
        add(f"tiff-{name}", ".tif", lambda n=name: saved(m["RGB"], "TIFF", compression=n))
    add("tiff-L16", ".tif", lambda: tiff_16(deep_grey))
    add("tiff-L16-lzw", ".tif",
        lambda: saved(Image.fromarray(deep_grey), "TIFF", compression="tiff_lzw"))  # fmt: skip
    add("tiff-RGB16", ".tif", lambda: tiff_16(deep, photometric="rgb"))
    add("tiff-RGB16-big-endian", ".tif", lambda: tiff_16(deep, photometric="rgb", byteorder=">"))
    add("tiff-RGB16-zip", ".tif",
        lambda: tiff_16(deep, photometric="rgb", compression="zlib", predictor=True))  # fmt: skip
    add("tiff-RGBA16", ".tif",
        lambda: tiff_16(deep_alpha, photometric="rgb", extrasamples=["unassalpha"]))  # fmt: skip
    add("tiff-CMYK16", ".tif", lambda: tiff_16(deep_alpha, photometric="separated"))
    add("tiff-RGB16-planar", ".tif",
        lambda: tiff_16(np.moveaxis(deep, -1, 0).copy(), photometric="rgb",
                         planarconfig="separate"))  # fmt: skip
    add("tiff-LA16", ".tif",
        lambda: tiff_16(np.dstack([deep_grey, deep_alpha[..., 3]]), photometric="minisblack",
                         extrasamples=["unassalpha"]))  # fmt: skip
    add("tiff-big", ".tif", lambda: tiff_16(rgb, photometric="rgb", bigtiff=True))
    for mode in ("1", "L", "P", "RGB"):
        add(f"bmp-{mode}", ".bmp", lambda i=m[mode]: saved(i, "BMP"))
    add("bmp-RGBA", ".bmp", lambda: _bmp_rgba(rgb))
    add("gif-P", ".gif", lambda: saved(m["P"], "GIF"))
    add("gif-L", ".gif", lambda: saved(m["L"], "GIF"))
    add("gif-P-index", ".gif",
        lambda: saved(m["P"], "GIF", transparency=_pick(m["P"])))  # fmt: skip
    add("gif-L-index", ".gif",
        lambda: saved(m["L"], "GIF", transparency=_pick(m["L"]),
                      optimize=False))  # fmt: skip
    return every


LOSSY = {"jpeg-L", "jpeg-RGB", "jpeg-CMYK", "jpeg-progressive", "jpeg-444", "jpeg-rgb",
         "webp-RGB", "webp-RGBA", "tiff-jpeg"}  # fmt: skip
BILEVEL = {"png-1", "tiff-1", "tiff-1-fax", "bmp-1"}
PALETTE = {"png-P", "png-P-index", "png-P-levels", "png-P-16", "tiff-P", "bmp-P", "gif-P",
           "gif-P-index"}  # fmt: skip
GREY = {"jpeg-L", "png-L", "png-LA", "png-L-key", "png-L16", "png-LA16", "tiff-L", "tiff-LA",
        "tiff-L16", "tiff-L16-lzw", "tiff-LA16", "bmp-L", "gif-L", "gif-L-index"}  # fmt: skip
KEYED = {"png-L-key", "png-RGB-key", "gif-L-index"}
NAMES = list(kinds(face(8, 8)))


def png_low(levels: np.ndarray, *, bits: int, key: int) -> bytes:
    """A grey PNG of less than 8 bits with a transparent grey, which Pillow does not write."""
    height, width = levels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    per_byte = 8 // bits
    padded = np.zeros((height, -(-width // per_byte) * per_byte), np.uint8)
    padded[:, :width] = levels
    packed = np.zeros((height, padded.shape[1] // per_byte), np.uint8)
    for i in range(per_byte):
        packed |= padded[:, i::per_byte] << (8 - bits * (i + 1))
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    body = zlib.compress(rows)
    chunks = [(b"IHDR", header), (b"tRNS", struct.pack(">H", key)), (b"IDAT", body), (b"IEND", b"")]
    return png_chunks.join(chunks)


THUMBNAIL_GREY = 77


def exif_block(*, orientation: int = 1, order: str = "<") -> bytes:
    """EXIF as a phone writes it: orientation, GPS, serial numbers, names, notes, a thumbnail."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    exif[0x010F], exif[0x0110] = "Maker", "Model X"
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 300.0, 2
    exif[0x0132] = "2024:05:06 07:08:09"
    exif[0x013B] = "ARTIST-NAME"
    exif[0x0213] = 1
    exif[0x8769] = {
        0x829A: 0.01,
        0x9003: "2024:05:06 07:08:09",
        0x927C: b"MAKERNOTE-SECRET" + thumbnail() + b"AFTER-PREVIEW",
        0xA001: 1,
        0xA420: "UNIQUE-IMAGE-ID",
        0xA430: "OWNER-NAME",
        0xA431: "BODY-SERIAL",
        0xA435: "LENS-SERIAL",
    }
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    return _with_thumbnail(exif.tobytes()[6:], order)


def thumbnail() -> bytes:
    return saved(Image.new("L", (16, 16), THUMBNAIL_GREY), "JPEG")


def _with_thumbnail(block: bytes, order: str) -> bytes:
    """Append a second directory with a JPEG thumbnail, which Pillow does not write."""
    out = bytearray(block)
    out += b"\0" * (len(out) % 2)
    first = struct.unpack_from(order + "I", out, 4)[0]
    count = struct.unpack_from(order + "H", out, first)[0]
    struct.pack_into(order + "I", out, first + 2 + 12 * count, len(out))
    picture = thumbnail()
    at = len(out) + 2 + 3 * 12 + 4
    out += struct.pack(order + "H", 3)
    out += struct.pack(order + "HHIHH", 0x0103, 3, 1, 6, 0)
    out += struct.pack(order + "HHII", 0x0201, 4, 1, at)
    out += struct.pack(order + "HHII", 0x0202, 4, 1, len(picture))
    return bytes(out + bytes(4) + picture)


SECRETS = (b"MAKERNOTE-SECRET", b"UNIQUE-IMAGE-ID", b"OWNER-NAME", b"BODY-SERIAL", b"LENS-SERIAL",
           b"ARTIST-NAME", b"Model X", b"2024:05:06", b"AFTER-PREVIEW")  # fmt: skip


def tiff_with_exif(rgb: np.ndarray, block: bytes, xmp: bytes, kind: str) -> bytes:
    """A TIFF file whose directories hold the fields of the EXIF ``block``."""
    order = ">" if kind == "tiff-big-endian" else "<"
    samples = sixteen(rgb) if kind == "tiff16" else rgb
    data = tiff_16(samples, photometric="rgb", byteorder=order)
    tree = tiffdir.Reader(block).tree()
    tree.main[700] = tiffdir.Field(tiffdir.BYTE, xmp)
    return tiffdir_write.attach(data, tree)


def turned(suffix: str, data: bytes, orientation: int) -> bytes:
    """Add an orientation tag to a file, where its format has a place for one."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    block = exif.tobytes()[6:]
    if suffix == ".jpg":
        segments = jpeg_segments.split(data)
        app = [*segments.app, (0xE1, b"Exif\0\0" + block)]
        return jpeg_segments.join(app, segments.picture)
    if suffix == ".png":
        chunks = png_chunks.split(data)
        return png_chunks.join([*chunks[:-1], (b"eXIf", block), chunks[-1]])
    if suffix == ".webp":
        canvas = webp_chunks.canvas(data)
        return webp_chunks.join(webp_chunks.split(data), {b"EXIF": block}, canvas)
    if suffix == ".tif" and data[2:4] != b"+\0":
        return tiffdir_write.attach(data, tiffdir.Reader(block).tree())
    return data
