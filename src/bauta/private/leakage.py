"""How much of faces is in pictures of them: to the eye, and to a recognizer that took no part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.audit.metrics import psnr, ssim
from bauta.errors import UsageError
from bauta.masking.masks import normalised
from bauta.private.defences import Publisher
from bauta.private.victims import Victims
from bauta.recognizers.base import Crop, Recognizer, similarity
from bauta.recognizers.evaluate import fold_accuracies
from bauta.recognizers.zoo import get_surrogate, installed

#: Asked first to last, if they are there: they were not trained on the photos of most folders.
_JUDGES = ("mobilefacenet-ms1m", "tight-judge")
_FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class Leak:
    """What pictures give away of the faces that they were made from.

    Attributes:
        ssim: mean structural similarity to the faces.
        psnr: mean peak signal-to-noise ratio, in dB.
        verification: how often a recognizer is right, told the person or another one by pictures;
            a half by chance.
        error: half the width of its 95 % interval, over ten folds of people.

    """

    ssim: float
    psnr: float
    verification: float
    error: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def judge_of(crop: Crop, name: str | None = None) -> Recognizer:
    """Return a recognizer that looks at the same crop.

    Raises:
        UsageError: there is none, or the one named looks at another.

    """
    names = [name] if name else [one for one in _JUDGES if one in installed()]
    for one in names:
        judge = get_surrogate(one)
        if judge.crop.size == crop.size and np.allclose(judge.crop.to_frame, crop.to_frame):
            return judge
    raise UsageError(
        f"{' and '.join(names) or 'no recognizer'} cannot judge what is drawn of crops of "
        f"{crop.size} pixels: name one that looks at the same crop, with --judge"
    )


def leak(victims: Victims, pictures: Tensor, judge: Recognizer) -> Leak:
    """Measure pictures of the victims, (N, 3, size, size) RGB 0-255."""
    known, drawn = (_plain(x) for x in (victims.crops, pictures))
    likeness = [ssim(a, b) for a, b in zip(known, drawn, strict=True)]
    # Of a picture without any error there is no ratio; nobody sees beyond 60 dB.
    noise = [min(60.0, psnr(a, b)) for a, b in zip(known, drawn, strict=True)]
    accuracy, error = verification(_embedded(judge, pictures), _embedded(judge, victims.others))
    return Leak(
        ssim=float(np.mean(likeness)), psnr=float(np.mean(noise)),
        verification=accuracy, error=error,
    )  # fmt: skip


def verification(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Accuracy of telling a person's pair (a_i, b_i) from two people's, and its 95 % interval."""
    count = len(a)
    scores = torch.cat([similarity(a, b), similarity(a, b.roll(1, 0))]).double().numpy()
    same = np.arange(2 * count) < count
    folds = np.tile(np.arange(count) * _FOLDS // count, 2)
    parts = fold_accuracies(scores, same, folds)
    return float(parts.mean()), float(1.96 * parts.std(ddof=1) / np.sqrt(len(parts)))


def glimpse(publisher: Publisher, published: Tensor, size: int) -> Tensor:
    """What is to be seen in published faces without learning anything.

    Args:
        publisher: the defence.
        published: (B, channels, H, W).
        size: side of the pictures.

    Returns:
        (B, 3, size, size) RGB 0-255: pixels as they are, or the first channels as colours.

    """
    seen = published
    if publisher.defence.domain != "pixels":
        seen = normalised(published[:, :3]) / 2
    if seen.shape[-1] != size:
        seen = torch.nn.functional.interpolate(seen, (size, size), mode="bilinear")
    return (127.5 + 128 * seen).clamp(0, 255)


def _plain(images: Tensor) -> NDArray[np.uint8]:
    whole = images.detach().cpu().round().clamp(0, 255).to(torch.uint8)
    return whole.permute(0, 2, 3, 1).numpy()


@torch.no_grad()
def _embedded(judge: Recognizer, images: Tensor) -> Tensor:
    return torch.cat([judge.embed_crops(part) for part in torch.split(images.cpu(), 64)])
