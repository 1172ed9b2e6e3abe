"""Palettes: from full colour back to at most 256 entries, with the transparency untouched."""

import numpy as np
from PIL import Image

from bauta.media.kinds import Pixels

_ENTRIES = 256


def requantise(rgba: Pixels) -> tuple[Pixels, Pixels]:
    """Reduce (H, W, 4) ``rgba`` to indices (H, W) and a palette (n, 4), n at most 256.

    Pictures of at most 256 different colours come back exactly. In others each level of alpha is
    reduced by itself (median cut, nearest colour, no dithering), so alpha is always exact.
    """
    packed = np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    colours = _few_colours(rgba, packed)
    if colours is not None:
        return np.searchsorted(colours, packed).astype(np.uint8), _unpack(colours)
    indices = np.empty(packed.shape, np.uint8)
    palette: list[Pixels] = []
    levels, counts = np.unique(rgba[..., 3], return_counts=True)
    for level, share in zip(levels, _shares(levels, counts), strict=True):
        chosen = rgba[..., 3] == level
        local, colours_of_level = _reduce(rgba[..., :3][chosen], share)
        indices[chosen] = local + sum(map(len, palette))
        opacity = np.full((len(colours_of_level), 1), level, np.uint8)
        palette.append(np.hstack([colours_of_level, opacity]))
    return indices, np.vstack(palette)


def _few_colours(rgba: Pixels, packed: np.ndarray) -> np.ndarray | None:
    # getcolors gives up early in C; sorting millions of pixels is only worth it when it succeeds
    if Image.fromarray(np.ascontiguousarray(rgba)).getcolors(_ENTRIES) is None:
        return None
    return np.unique(packed)


def _unpack(colours: np.ndarray) -> Pixels:
    return colours.view(np.uint8).reshape(-1, 4)


def _shares(levels: np.ndarray, counts: np.ndarray) -> list[int]:
    """Split the palette among the levels of alpha by pixel count; one entry each at least."""
    weights = np.where(levels > 0, counts, 0)  # what is fully transparent needs one entry
    spare = _ENTRIES - len(levels)
    return [1 + int(spare * weight // max(1, weights.sum())) for weight in weights]


def _reduce(colours: Pixels, entries: int) -> tuple[Pixels, Pixels]:
    """Reduce a list of colours (n, 3) to ``entries``; return its indices and the palette."""
    width = 4096
    padded = np.resize(colours, (-(-len(colours) // width), width, 3))
    image = Image.fromarray(padded).quantize(entries, Image.Quantize.MEDIANCUT)
    palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    indices = np.asarray(image).reshape(-1)[: len(colours)]
    return indices, palette[: int(indices.max()) + 1]
