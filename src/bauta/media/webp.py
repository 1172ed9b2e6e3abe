"""WebP: lossless stays lossless, lossy keeps about its quality and so its size."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import WebPImagePlugin

from bauta.errors import AnimatedImageError
from bauta.media import exif, exif_words, webp_chunks
from bauta.media.bridge import image_of, raster_of
from bauta.media.guard import check_size, encoding
from bauta.media.metadata import kept_xmp, plain_list
from bauta.media.raster import Raster
from bauta.media.source import Source
from bauta.media.webp_chunks import Chunk


@dataclass(frozen=True, eq=False, kw_only=True)
class WebpSource(Source):
    """A WebP file, or an array that is to become one."""

    output_format = "WEBP"
    chunks: list[Chunk] = field(default_factory=list)
    size: tuple[int, int]
    """Width and height as stored."""
    quality: float | None = None
    """libwebp quality of a lossy picture; None for a lossless one."""

    @property
    def copies(self) -> bool:
        """True for files that were WebP; a lone animation frame may not fill its canvas."""
        return bool(self.chunks) and b"ANIM" not in dict(self.chunks)

    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return the WebP file; an unchanged picture is copied, not compressed again."""
        picture = self.chunks if raster is None else self._compress(raster)
        return webp_chunks.join(picture, self._metadata(keep), self.size)

    def findings(self) -> list[str]:
        """Name what the policy "private" removes."""
        return plain_list(self._findings())

    def _compress(self, raster: Raster) -> list[Chunk]:
        out = io.BytesIO()
        with encoding("WebP"):
            if self.quality is None:
                image_of(raster).save(out, "WEBP", lossless=True, quality=80, exact=True)
            else:
                image_of(raster).save(out, "WEBP", quality=self.quality)
            return webp_chunks.split(out.getvalue())

    def _metadata(self, keep: bool) -> dict[bytes, bytes]:
        own = dict(self.chunks)
        block = exif.bare(own.get(b"EXIF"))
        return {
            b"ICCP": own.get(b"ICCP", b""),
            b"EXIF": (exif.kept_block if keep else exif.private_block)(block) if block else b"",
            b"XMP ": kept_xmp(own.get(b"XMP ", b"")) if keep else b"",
        }

    def _findings(self) -> Iterator[str]:
        for kind, body in self.chunks:
            if kind == b"EXIF":
                yield from exif_words.words(exif.parse(exif.bare(body)))
            elif kind == b"XMP ":
                yield "XMP data"
            elif kind == b"C2PA":
                yield "content credentials (C2PA)"
            elif kind not in {b"VP8X", b"ANIM", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"}:
                yield f"application data ({kind.decode('latin-1').strip()})"


def read(data: bytes, max_pixels: int, name: str) -> WebpSource:
    """Decode a WebP file of one frame."""
    check_size(webp_chunks.canvas(data), max_pixels, name)  # opening allocates the whole canvas
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    if image.n_frames > 1:
        raise AnimatedImageError(f"{name} is an animated WebP: save one frame of it as a photo")
    chunks = webp_chunks.split(data)
    image.load()
    frame = next((body for kind, body in chunks if kind == b"VP8 "), None)
    block = next((body for kind, body in chunks if kind == b"EXIF"), b"")
    return WebpSource(
        raster=raster_of(image),
        orientation=exif.orientation(exif.parse(exif.bare(block))),
        chunks=chunks,
        size=image.size,
        quality=None if frame is None else webp_chunks.lossy_quality(frame),
    )
