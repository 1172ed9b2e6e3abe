"""How a JPEG picture is compressed: tables, chroma sampling and kind of scan."""

from dataclasses import dataclass

from PIL import JpegImagePlugin

from bauta.media.jpeg_segments import Segments

_SAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # chroma is coarser by (across, down)


@dataclass(frozen=True)
class Coding:
    """How the picture is compressed."""

    tables: tuple[tuple[int, ...], ...] = ()
    """Quantisation table of each component; where empty, ``quality`` counts."""
    quality: int = 92
    sampling: int = 2
    """Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    progressive: bool = False
    optimised: bool = True
    rgb: bool = False
    """Whether the components are R, G, B rather than Y, Cb, Cr."""


def coding_of(image: JpegImagePlugin.JpegImageFile, file: Segments) -> Coding:
    """Return how the opened ``image`` of ``file`` is compressed."""
    layers = image.layer
    used = [layer[3] for layer in layers]
    if len(layers) == 4 and image.info.get("adobe_transform") == 2:
        used = used[:1]  # YCCK is written as CMYK, where the tables for colour would do harm
    tables = tuple(tuple(image.quantization[number]) for number in used)
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables = tables[:-1]  # Pillow repeats the last one
    return Coding(
        tables=tables,
        sampling=_sampling(layers),
        progressive=bool(image.info.get("progressive")),
        optimised=file.optimised,
        rgb=_holds_rgb(image),
    )


def _sampling(layers: list[tuple[int, int, int, int]]) -> int:
    """Return the sampling that Pillow can write and that is not coarser than the file's."""
    if len(layers) != 3:
        return 0
    across = layers[0][1] // max(1, layers[1][1], layers[2][1])
    down = layers[0][2] // max(1, layers[1][2], layers[2][2])
    across = min(across, 2)
    down = min(down, 2) if across == 2 else 1
    return _SAMPLING.get((across, down), 0)


def _holds_rgb(image: JpegImagePlugin.JpegImageFile) -> bool:
    """Decide as libjpeg does whether three components are R, G and B."""
    if image.layers != 3 or "jfif" in image.info:
        return False
    if "adobe" in image.info:
        return image.info.get("adobe_transform") == 0
    return [layer[0] for layer in image.layer] == [82, 71, 66]
