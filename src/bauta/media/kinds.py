"""Array types and small words that every part of the media package shares."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) or (H, W) samples of 8 bits, values 0-255."""

Samples = npt.NDArray[np.unsignedinteger[Any]]
"""Samples as a file stores them: uint8 (0-255) or uint16 (0-65535)."""

Policy = Literal["private", "keep"]
"""What happens to metadata on writing."""

SUFFIXES: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "HEIC": (".heic", ".heif", ".hif"),
}
"""Formats that Bauta reads, each with its usual file suffixes (the default first)."""
