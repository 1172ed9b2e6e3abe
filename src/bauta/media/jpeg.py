"""JPEG: read it, and write it again with the same tables, sampling and kind of scan."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import JpegImagePlugin

from bauta.media import exif, exif_words, jpeg_segments
from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding
from bauta.media.jpeg_coding import Coding, coding_of
from bauta.media.jpeg_segments import APP0, APP1, APP2, APP11, APP13, APP14, COMMENT, Segments
from bauta.media.metadata import kept_xmp, photoshop_blocks, plain_list
from bauta.media.raster import Raster
from bauta.media.source import Source

_KNOWN = (
    *(b"JFIF\0", b"JFXX\0", b"Exif\0\0", b"http://ns.adobe.com/", b"ICC_PROFILE\0"),
    *(b"MPF\0", b"JP", b"Photoshop 3.0\0", b"Adobe"),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class JpegSource(Source):
    """A JPEG file, or another picture that is to become one."""

    output_format = "JPEG"
    coding: Coding = field(default_factory=Coding)
    file: Segments = field(default_factory=lambda: Segments([], b"", False, True))
    upright: bool = False
    """Whether the samples are upright whatever the EXIF block says (HEIC)."""

    @property
    def copies(self) -> bool:
        """True for files that were JPEG."""
        return bool(self.file.picture)

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the JPEG file; an unchanged picture is copied, not compressed again."""
        stream = self.file if raster is None else self._compress(raster)
        return jpeg_segments.join(list(self._header(stream, keep)), stream.picture)

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        return plain_list(self._findings())

    def _compress(self, raster: Raster) -> Segments:
        options = self._options(raster)
        with encoding("JPEG"):
            image = image_of(raster)
            try:
                data = _save(image, options)
            except OSError:
                # It did not fit the buffer after all.
                data = _save(image, options | {"optimize": False, "progressive": False})
            return jpeg_segments.split(data)

    def _options(self, raster: Raster) -> dict[str, Any]:
        coding = self.coding
        height, width = raster.samples.shape[:2]
        # Both choices need the whole file in Pillow's buffer; what comes out will be about as
        # large as what came in, and where it does not fit, libjpeg complains on the console.
        roomy = len(self.file.picture) * 1.25 < max(1 << 16, 2 * width * height)
        options: dict[str, Any] = {
            "progressive": coding.progressive and roomy,
            "optimize": coding.optimised and roomy,
            "keep_rgb": coding.rgb,
        }
        if raster.colour == "rgb":
            options["subsampling"] = 0 if coding.rgb else coding.sampling
        if coding.tables:
            options["qtables"] = [list(table) for table in coding.tables]
        else:
            options["quality"] = coding.quality
        return options

    def _header(self, stream: Segments, keep: bool) -> Iterator[tuple[int, bytes]]:
        own = self.file
        if stream.first(APP0, jpeg_segments.JFIF) is not None:
            yield jpeg_segments.jfif((own.first(APP0, jpeg_segments.JFIF) or b"")[2:7])
        block = jpeg_segments.join_exif(own)
        if block:
            block = self._exif(block, keep)
        if block:
            yield APP1, jpeg_segments.EXIF + block
        if keep and (xmp := kept_xmp(own.first(APP1, jpeg_segments.XMP) or b"")):
            yield APP1, jpeg_segments.XMP + xmp
        blocks = photoshop_blocks(own.first(APP13, jpeg_segments.PHOTOSHOP) or b"", keep=keep)
        if blocks:
            yield APP13, jpeg_segments.PHOTOSHOP + blocks
        yield from ((APP2, payload) for payload in own.all(APP2, jpeg_segments.ICC))
        # Readers turn CMYK round by this mark, so a file without it must not get one.
        if own.all(APP14, jpeg_segments.ADOBE) or self.raster.colour != "cmyk":
            yield from ((APP14, payload) for payload in stream.all(APP14, jpeg_segments.ADOBE))
        if keep:
            yield from ((COMMENT, payload) for payload in own.all(COMMENT, b""))

    def _exif(self, block: bytes, keep: bool) -> bytes:
        now = 1 if self.upright else None
        kept = exif.kept_block(block, now) if keep else b""
        fits = 0 < len(kept) <= 65527
        return kept if fits else exif.private_block(block, now)

    def _findings(self) -> Iterator[str]:
        own = self.file
        yield from exif_words.words(exif.parse(jpeg_segments.join_exif(own)))
        if own.all(APP1, b"http://ns.adobe.com/"):
            yield "XMP data"
        if own.all(APP13, jpeg_segments.PHOTOSHOP):
            yield "IPTC or Photoshop data"
        if own.all(COMMENT, b""):
            yield "title, description or comment"
        if own.all(APP11, jpeg_segments.JUMBF):
            yield "content credentials (C2PA)"
        if own.all(APP2, jpeg_segments.MPF) or own.trailing:
            yield "further pictures or a video after the photo"
        density = own.first(APP0, jpeg_segments.JFIF) or b""
        if own.all(APP0, b"JFXX\0") or density[7:9].strip(b"\0"):
            yield "preview picture (thumbnail)"
        for marker, payload in own.app:
            if marker != COMMENT and not payload.startswith(_KNOWN):
                yield f"application data (APP{marker - APP0})"


def read(data: bytes, max_pixels: int, name: str) -> JpegSource:
    """Decode a JPEG file; of several pictures in it (MPO), the first."""
    file = jpeg_segments.split(data)
    # What is decoded is what will be written: the decoder passes over damage between segments
    # that cannot be carried over. The class itself, not Image.open: that one would turn photos
    # with an MPF index into MPO.
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg_segments.join(file.app, file.picture)))
    check_size(image.size, max_pixels, name)
    image.load()
    block = jpeg_segments.join_exif(file)
    return JpegSource(
        raster=raster_of(image),
        orientation=exif.orientation(exif.parse(block)),
        coding=coding_of(image, file),
        file=file,
    )


def _save(image: Any, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()
