"""What a view is, what makes views, and the registry of the engines that do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.registry import Registry

#: The engine that needs no download.
DEFAULT_ENGINE = "embedded"
#: How many views a set has by default, as in Yahn et al. 2026 (arXiv 2605.19032).
DEFAULT_COUNT = 8
#: Landmark schemes of the faces that engines take.
SCHEMES = ("dlib5", "dlib68", "yunet5")


@dataclass(frozen=True, eq=False)
class View:
    """One synthetic picture of a face.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, a window around the face.
        face: the face in it, in pixels of this picture.
        about: in words, what was changed, such as "yaw 22, smile, lit from the left".

    """

    pixels: NDArray[np.uint8]
    face: Face
    about: str


class ViewEngine(ABC):
    """Makes views of a face out of one photo."""

    def make(
        self, pixels: NDArray[np.uint8], face: Face, count: int = DEFAULT_COUNT, *, seed: int = 0
    ) -> list[View]:
        """Make a set of views.

        Args:
            pixels: (H, W, 3) uint8 RGB photo of any size, upright.
            face: the face in it.
            count: how many views, at least 1.
            seed: of all that is drawn; the same seed gives the same views.

        Returns:
            ``count`` views that differ in pose, expression, light and camera.

        Raises:
            UsageError: ``pixels`` has another shape or type, ``count`` is below 1, ``seed`` below
                0, the landmark scheme is unknown, or the face lies outside the photo.

        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise UsageError(f"expected (H, W, 3) uint8 pixels, got {pixels.shape} {pixels.dtype}")
        if count < 1:
            raise UsageError(f"a set needs at least one view, not {count}")
        if seed < 0:
            raise UsageError(f"a seed is 0 or more, not {seed}")
        if face.scheme not in SCHEMES:
            raise UsageError(f"unknown landmark scheme {face.scheme!r}: use {', '.join(SCHEMES)}")
        return self._make(pixels, face, count, seed)

    @abstractmethod
    def _make(self, pixels: NDArray[np.uint8], face: Face, count: int, seed: int) -> list[View]:
        """Make the views; the arguments have been checked."""


#: Name to a function that builds the engine, which takes no arguments.
engines: Registry[Callable[[], ViewEngine]] = Registry(
    "view engine",
    {"embedded": "bauta.views.embedded", "arc2face": "bauta.views.arc2face"},
)
