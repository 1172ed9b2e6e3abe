"""What happens to a photo on its way to a recognizer, by chance or to undo a protection.

Every adversary is a curve: the same change at several strengths. All of them take and give
(H, W, 3) uint8 RGB, keep the size, and know nothing of how the photo was protected.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bauta.errors import MissingExtraError, UsageError
from bauta.registry import Registry

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """A change of photos, at several strengths.

    Attributes:
        unit: what the strength means, as the axis of a curve says it.
        strengths: from the mildest to the hardest.
        change: (photo, strength) to photo; deterministic.

    """

    unit: str
    strengths: tuple[float, ...]
    change: Callable[[Pixels, float], Pixels]


#: Name to adversary.
adversaries: Registry[Adversary] = Registry("adversary")


def apply_adversary(name: str, photo: Pixels, strength: float) -> Pixels:
    """Change a photo as an adversary does.

    Args:
        name: of the adversary.
        photo: (H, W, 3) uint8 RGB.
        strength: one of its strengths, or anything between or beyond them.

    Raises:
        RegistryError: there is no such adversary.
        UsageError: the change is not defined at this strength.
        MissingExtraError: it needs a package that is not installed.

    """
    return adversaries[name].change(photo, strength)


def _register(
    name: str, unit: str, *strengths: float
) -> Callable[[Callable[[Pixels, float], Pixels]], Callable[[Pixels, float], Pixels]]:
    def add(change: Callable[[Pixels, float], Pixels]) -> Callable[[Pixels, float], Pixels]:
        adversaries.register(name)(Adversary(unit=unit, strengths=strengths, change=change))
        return change

    return add


@_register("jpeg", "JPEG quality", 90, 70, 50, 30)
def _jpeg(photo: Pixels, strength: float) -> Pixels:
    """Compress once more, colours at half resolution, as most sites do."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=round(strength), subsampling="4:2:0")
    return np.asarray(Image.open(file))


@_register("resize", "size, share of the original", 0.75, 0.5, 0.35, 0.25)
def _resize(photo: Pixels, strength: float) -> Pixels:
    """Shrink, and enlarge again."""
    _between(strength, 0, 1, "resize")
    height, width = photo.shape[:2]
    small = max(1, round(width * strength)), max(1, round(height * strength))
    image = Image.fromarray(photo).resize(small, Image.Resampling.LANCZOS)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@_register("blur", "Gaussian sigma, % of the photo's shorter side", 0.2, 0.4, 0.8, 1.2)
def _blur(photo: Pixels, strength: float) -> Pixels:
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(_px(photo, strength))))


@_register("median", "median window, px", 3, 5, 7)
def _median(photo: Pixels, strength: float) -> Pixels:
    size = round(strength)
    if size < 1 or size % 2 == 0:
        raise UsageError(f"the window of a median must be odd, got {strength:g}")
    return np.asarray(Image.fromarray(photo).filter(ImageFilter.MedianFilter(size)))


@_register("bits", "bits per sample", 6, 5, 4, 3)
def _bits(photo: Pixels, strength: float) -> Pixels:
    """Keep the upper bits, spread over 0 to 255."""
    _between(strength, 0, 8, "bits")
    levels = 2 ** round(strength) - 1
    return _rounded(np.round(photo / 255 * levels) / levels * 255)


@_register("noise", "Gaussian noise sigma, grey levels", 2, 5, 10, 20)
def _noise(photo: Pixels, strength: float) -> Pixels:
    """Add the same noise to all photos of a size, so that methods are compared under equal luck."""
    noise = np.random.default_rng(0).standard_normal(photo.shape, dtype=np.float32)
    return _rounded(photo + strength * noise)


@_register("realign", "turn, degrees, after a crop of as many %", 2, 5, 10)
def _realign(photo: Pixels, strength: float) -> Pixels:
    """Turn, crop away a margin, and enlarge: the face must be found and aligned anew."""
    _between(strength, 0, 45, "realign")
    height, width = photo.shape[:2]
    turned = Image.fromarray(photo).rotate(strength, Image.Resampling.BICUBIC)
    x, y = width * strength / 200, height * strength / 200
    box = (x, y, width - x, height - y)
    return np.asarray(turned.resize((width, height), Image.Resampling.BICUBIC, box=box))


@_register("denoise", "non-local means, sigma removed, grey levels", 2, 5, 10)
def _denoise(photo: Pixels, strength: float) -> Pixels:
    """Average alike patches (A. Buades et al., CVPR 2005), as a purifier without a network does."""
    try:
        from skimage.restoration import denoise_nl_means
    except ImportError as error:
        raise MissingExtraError("the adversary denoise", "bench") from error
    _between(strength, 0, 255, "denoise")
    clean: NDArray[np.floating] = denoise_nl_means(
        photo.astype(np.float32) / 255, patch_size=5, patch_distance=6, fast_mode=True,
        h=0.8 * strength / 255, sigma=strength / 255, channel_axis=-1,
    )  # fmt: skip
    return _rounded(clean * 255)


@_register("smooth", "total variation, weight", 0.02, 0.05, 0.1)
def _smooth(photo: Pixels, strength: float) -> Pixels:
    """Take away what is neither edge nor surface (A. Chambolle, JMIV 2004)."""
    try:
        from skimage.restoration import denoise_tv_chambolle
    except ImportError as error:
        raise MissingExtraError("the adversary smooth", "bench") from error
    clean: NDArray[np.floating] = denoise_tv_chambolle(  # type: ignore[no-untyped-call]  # scikit-image has no types
        photo.astype(np.float32) / 255, strength, channel_axis=-1
    )
    return _rounded(clean * 255)


def _px(photo: Pixels, percent: float) -> float:
    shorter: int = min(photo.shape[:2])
    return percent / 100 * shorter


def _rounded(photo: NDArray[np.floating]) -> Pixels:
    return np.clip(np.round(photo), 0, 255).astype(np.uint8)


def _between(value: float, low: float, high: float, name: str) -> None:
    if not low < value <= high:
        raise UsageError(f"{name} must be above {low:g} and at most {high:g}, got {value:g}")
