"""LPIPS: how different two photos look, by what a network trained on objects sees in them.

Source: R. Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
CVPR 2018, version 0.1 with AlexNet. The linear heads come with torchmetrics; the backbone is
fetched by the user (``bauta recognizers fetch alexnet-imagenet --from ...``). Without it there is
no value, and none is put in its place.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bauta.audit.metrics import reduced
from bauta.errors import MissingExtraError, WeightsError
from bauta.weights.records import locate

BACKBONE = "alexnet-imagenet"
_HEADS = "functional/image/lpips_models/alex.pth"
_HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
#: ImageNet's mean and deviation for values from -1 to 1, as the paper's code has them.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
#: Convolutions: channels, kernel, stride, padding, and whether the result is then pooled.
_LAYERS = ((64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False),
           (256, 3, 1, 1, False), (256, 3, 1, 1, False))  # fmt: skip
#: Below this AlexNet's last convolution has nothing to look at.
_SMALLEST = 35


class Lpips(nn.Module):
    """The metric as a network.

    Args:
        backbone: AlexNet's weights, under torchvision's names ("features.0.weight", ...).
        heads: "linN.model.1.weight", (1, C, 1, 1) each.

    """

    def __init__(self, backbone: dict[str, Tensor], heads: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = alexnet_features()
        known = {name: value for name, value in backbone.items() if name.startswith("features.")}
        self.load_state_dict(known)
        self._weights = [heads[f"lin{at}.model.1.weight"] for at in range(len(_LAYERS))]
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Distance of two batches of photos.

        Args:
            a: (N, 3, H, W) RGB from 0 to 255, at least 35 pixels on a side.
            b: the same shape.

        Returns:
            (N,) distances, 0 for equal photos.

        """
        total = a.new_zeros(len(a))
        for x, y, weight in zip(self._levels(a), self._levels(b), self._weights, strict=True):
            apart = nn.functional.conv2d((x - y).square(), weight)
            total += apart.mean((1, 2, 3))
        return total

    def _levels(self, photos: Tensor) -> list[Tensor]:
        """Of each convolution, what it sees, of unit length at every place."""
        shift, scale = (photos.new_tensor(v).view(3, 1, 1) for v in (_SHIFT, _SCALE))
        x = (photos / 127.5 - 1 - shift) / scale
        out = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                out.append(x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return out


def alexnet_features() -> nn.Sequential:
    """AlexNet's convolutions (A. Krizhevsky, arXiv 1404.5997), up to the last one's ReLU."""
    layers: list[nn.Module] = []
    before = 3
    for channels, kernel, stride, padding, pooled in _LAYERS:
        layers += [nn.Conv2d(before, channels, kernel, stride, padding), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2)] if pooled else []
        before = channels
    return nn.Sequential(*layers)


def lpips(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """LPIPS of two photos, large ones first averaged down as for SSIM.

    Args:
        a: (H, W, 3) uint8 RGB.
        b: the same shape.

    Returns:
        At least 0; 0 for equal photos. Photos under 35 pixels on a side give NaN.

    Raises:
        WeightsError: the backbone is not on this machine, or not what it should be.
        MissingExtraError: torchmetrics is not installed.

    """
    if min(a.shape[:2]) < _SMALLEST:
        return float("nan")
    x, y = (torch.from_numpy(reduced(p).astype(np.float32)).permute(2, 0, 1)[None] for p in (a, b))
    with torch.no_grad():
        return float(_network()(x, y))


def can_lpips() -> bool:
    """Whether the backbone is here."""
    try:
        _network()
    except (WeightsError, MissingExtraError):
        return False
    return True


@cache
def _network() -> Lpips:
    backbone = torch.load(locate(BACKBONE), map_location="cpu", weights_only=True)
    return Lpips(backbone, lpips_heads())


def lpips_heads() -> dict[str, Tensor]:
    """The five linear heads out of torchmetrics.

    Raises:
        MissingExtraError: torchmetrics is not installed.
        WeightsError: its file is not the one that was published.

    """
    spec = importlib.util.find_spec("torchmetrics")
    if spec is None or spec.origin is None:
        raise MissingExtraError("LPIPS", "bench")
    file = Path(spec.origin).parent / _HEADS
    if hashlib.sha256(file.read_bytes()).hexdigest() != _HEADS_SHA256:
        raise WeightsError(f"{file} is not the published file: reinstall torchmetrics")
    heads: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return heads
