"""PNG: read it at any depth, and write it again with the chunks that may stay."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import PngImagePlugin

from bauta.errors import AnimatedImageError
from bauta.media import exif, exif_words, png_chunks, sixteen
from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding
from bauta.media.metadata import kept_xmp, plain_list
from bauta.media.png_chunks import Chunk
from bauta.media.raster import Raster
from bauta.media.source import Source

_PICTURE = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
_DISPLAY = [b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI", b"pHYs"]
_TEXT = {b"tEXt", b"zTXt", b"iTXt"}
_XMP = b"XML:com.adobe.xmp"
# ImageMagick's copies of whole EXIF and Photoshop blocks, with their thumbnails
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type 8bim")


@dataclass(frozen=True, eq=False, kw_only=True)
class PngSource(Source):
    """A PNG file, or an array that is to become one."""

    output_format = "PNG"
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def copies(self) -> bool:
        """True for files that were PNG."""
        return bool(self.chunks)

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the PNG file; an unchanged picture is copied, not compressed again."""
        fresh = self.chunks if raster is None else _compress(raster)
        own = [*_display(self.chunks, same=raster is None), *self._metadata(keep)]
        body = {kind: [c for c in fresh if c[0] == kind] for kind in _PICTURE}
        if raster is not None:
            body[b"tRNS"] = _transparency(raster)
        order = [body[b"IHDR"], own, body[b"PLTE"], body[b"tRNS"], body[b"IDAT"], body[b"IEND"]]
        return png_chunks.join([chunk for group in order for chunk in group])

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        return plain_list(self._findings())

    def _metadata(self, keep: bool) -> Iterator[Chunk]:
        for kind, body in self.chunks:
            if kind == b"eXIf":
                clean = (exif.kept_block if keep else exif.private_block)(exif.bare(body))
                if clean:
                    yield kind, clean
            elif keep and kind in _TEXT:
                yield from _kept_text(kind, body)
            elif keep and kind in {b"tIME", b"sPLT"}:
                yield kind, body

    def _findings(self) -> Iterator[str]:
        for kind, body in self.chunks:
            if kind == b"eXIf":
                yield from exif_words.words(exif.parse(exif.bare(body)))
            elif kind in _TEXT:
                keyword = body.split(b"\0")[0]
                yield "XMP data" if keyword == _XMP else f"text: {_readable(keyword)}"
            elif kind == b"tIME":
                yield "date and time"
            elif kind == b"caBX":
                yield "content credentials (C2PA)"
            elif kind not in _PICTURE | {*_DISPLAY, b"sBIT", b"bKGD", b"hIST", b"sPLT"}:
                yield f"application data ({_readable(kind)})"


def read(data: bytes, max_pixels: int, name: str) -> PngSource:
    """Decode a PNG file of any colour type and depth, interlaced or not."""
    image = _open(data)
    check_size(image.size, max_pixels, name)
    if image.n_frames > 1:
        raise AnimatedImageError(f"{name} is an animated PNG: save one frame of it as a photo")
    chunks = png_chunks.split(data)
    depth, colour_type = chunks[0][1][8:10]
    if depth == 16:
        raster = _decode_16(data, image, colour_type)
    else:
        image.load()
        raster = raster_of(image)
    transparent = next((body for kind, body in chunks if kind == b"tRNS"), b"")
    if colour_type in (0, 2) and transparent and raster.colour != "bilevel":
        raster = replace(raster, key=_key(transparent, depth, colour_type))
    block = next((body for kind, body in chunks if kind == b"eXIf"), b"")
    turned = exif.orientation(exif.parse(exif.bare(block)))
    return PngSource(raster=raster, orientation=turned, chunks=chunks)


def _open(data: bytes) -> PngImagePlugin.PngImageFile:
    return PngImagePlugin.PngImageFile(io.BytesIO(data))


def _decode_16(data: bytes, image: PngImagePlugin.PngImageFile, colour_type: int) -> Raster:
    if colour_type == 0:
        image.load()
        return raster_of(image)
    if colour_type == 4:
        return sixteen.raster_16(sixteen.load_grey_alpha(image))
    return sixteen.raster_16(sixteen.load_colour(lambda: _open(data)))


def _key(transparent: bytes, depth: int, colour_type: int) -> tuple[int, ...]:
    """Return the transparent colour in the units of the decoded samples."""
    values = struct.unpack_from(">H" if colour_type == 0 else ">3H", transparent)
    scale = 255 // ((1 << depth) - 1) if depth < 8 else 1
    return tuple((value & ((1 << depth) - 1)) * scale for value in values)


def _compress(raster: Raster) -> list[Chunk]:
    data = raster.samples
    with encoding("PNG"):
        if data.dtype == np.uint16:
            planes = data if raster.alpha is None else np.dstack([data, raster.alpha])
            return png_chunks.encode_16(np.atleast_3d(planes))
        out = io.BytesIO()
        image_of(raster).save(out, "PNG")
        return png_chunks.split(out.getvalue())


def _transparency(raster: Raster) -> list[Chunk]:
    if raster.key is not None:
        return [(b"tRNS", struct.pack(f">{len(raster.key)}H", *raster.key))]
    if raster.palette is not None and (raster.palette[:, 3] < 255).any():
        return [(b"tRNS", raster.palette[:, 3].tobytes())]
    return []


def _display(chunks: list[Chunk], *, same: bool) -> list[Chunk]:
    # sBIT says how many bits of a sample count; after a change all of them do
    wanted = [*_DISPLAY, b"sBIT"] if same else _DISPLAY
    own = dict(chunks)
    return [(kind, own[kind]) for kind in wanted if kind in own]


def _kept_text(kind: bytes, body: bytes) -> Iterator[Chunk]:
    keyword, _, rest = body.partition(b"\0")
    if keyword.startswith(_RAW_PROFILES):
        return
    if keyword != _XMP:
        yield kind, body
    elif kind == b"iTXt" and len(rest) >= 2:
        packet = rest[2:].split(b"\0", 2)[-1]
        if rest[0]:
            packet = zlib.decompressobj().decompress(packet, 1 << 24)
        if packet := kept_xmp(packet):
            yield kind, keyword + b"\0\0\0\0\0" + packet


def _readable(raw: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in raw.decode("latin-1"))[:79]
