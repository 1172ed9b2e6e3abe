"""What a client does: masks faces, so that no pixel leaves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Generator

from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import find_faces
from bauta.faces.frame import cut_canvas
from bauta.faces.hog import HogDetector
from bauta.media import atomic_write, read_photo
from bauta.private.defences import Publisher
from bauta.recognizers.base import Crop


def mask_photo(
    publisher: Publisher,
    crop: Crop,
    photo: Path,
    target: Path,
    *,
    min_face: float | None = None,
) -> tuple[int, int]:
    """Write the masked faces of a photo, largest first, as a safetensors file.

    It holds one array ``faces``, (N, channels, rows, columns) float16. Nothing else of the photo is
    in it: no name, no metadata, no pixel.

    Args:
        publisher: the defence with its secret.
        crop: what is masked of a face.
        photo: the photo.
        target: the file to write; it must not exist.
        min_face: smallest face to find, in pixels.

    Returns:
        How many faces, and how many bytes.

    Raises:
        UsageError: the defence masks nothing.
        NoFaceError: there is no face.
        MediaError: the photo cannot be read, or the file not written.

    """
    if publisher.defence.domain == "pixels":
        raise UsageError(f"{publisher.defence.name} shows pixels: there is nothing to mask with")
    pixels = read_photo(photo).pixels
    detector = None if min_face is None else HogDetector(min_face=min_face)
    faces = find_faces(pixels, detector=detector)
    if not faces:
        raise NoFaceError(f"no face was found in {photo.name}; --min-face 20 finds smaller ones")
    canvas = cut_canvas([pixels] * len(faces), faces)
    crops = crop.take(canvas, canvas.images)
    # Of defences that draw at random, every call has to draw anew.
    generator = Generator().manual_seed(int(np.random.default_rng().integers(1 << 62)))
    masked = publisher.represent(crops, generator).to(torch.float16).contiguous()
    data = save({"faces": masked}, {"format": "pt"})
    atomic_write(target, data, protect=[photo])
    return len(faces), len(data)
