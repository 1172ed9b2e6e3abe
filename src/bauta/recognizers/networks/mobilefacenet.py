"""MobileFaceNet, read from a PyTorch state dict, batch norms folded into the convolutions.

Architecture: S. Chen et al., "MobileFaceNets", CCBR 2018, arXiv 1804.07573, in the variant of the
foamliu/MobileFaceNet weights (ReLU6 inside the bottlenecks, a global depthwise convolution at the
end).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.errors import WeightsError
from bauta.memory import raise_if_short
from bauta.weights.states import load_state

#: Bottlenecks as (expansion, channels, repeats, first stride).
_BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
#: Numbers before the last layer.
FEATURES = 512
#: Input normalisation after division by 255 (ImageNet's).
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class _Bottleneck(nn.Module):
    """Inverted residual: widen, depthwise, narrow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.widen = nn.Conv2d(inputs, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden)
        self.narrow = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.narrow(F.relu6(self.depthwise(F.relu6(self.widen(x)))))
        return x + y if self.residual else y


class MobileFaceNet(nn.Module):
    """Map (B, 3, 112, 112) RGB 0-255 to (B, 128) embeddings of unit length."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, 2, 1)
        self.stem_depthwise = nn.Conv2d(64, 64, 3, 1, 1, groups=64)
        self.stem_pointwise = nn.Conv2d(64, 64, 1)
        blocks: list[nn.Module] = []
        channels = 64
        for expansion, width, repeats, stride in _BOTTLENECKS:
            for index in range(repeats):
                first = stride if index == 0 else 1
                blocks.append(_Bottleneck(channels, width, expansion, first))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(128, FEATURES, 1)
        self.pool = nn.Conv2d(FEATURES, FEATURES, 7, groups=FEATURES)
        self.output = nn.Linear(FEATURES, 128)
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Embed crops; see the class."""
        return F.normalize(self.output(self.features(x)).float())

    def features(self, x: Tensor) -> Tensor:
        """Map (B, 3, 112, 112) RGB 0-255 to the (B, 512) numbers before the last layer."""
        x = (x - self.mean) / self.std
        x = F.relu6(self.stem(x))
        x = F.relu(self.stem_depthwise(x))
        x = F.relu(self.stem_pointwise(x))
        x = self.blocks(x)
        x = F.relu6(self.head(x))
        out: Tensor = self.pool(x).flatten(1)
        return out

    @classmethod
    def load(cls, path: Path) -> MobileFaceNet:
        """Build the network from the state dict of foamliu/MobileFaceNet.

        Raises:
            WeightsError: the file does not hold this network.

        """
        network = cls()
        layers = {
            name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)
        }
        try:
            state = load_state(path)
            for name, (weight, norm) in _layer_names().items():
                _fill(layers[name], state, weight, norm)
        except (KeyError, RuntimeError, TypeError, AttributeError) as error:
            raise_if_short(error)
            raise WeightsError(f"{path} does not hold a MobileFaceNet: {error}") from error
        return network.eval().requires_grad_(False)


def _layer_names() -> dict[str, tuple[str, str]]:
    """For each of our layers, the file's names of the layer and of its batch norm."""
    names = {
        "stem": ("conv1.0", "conv1.1"),
        "stem_depthwise": ("dw_conv.depthwise", "dw_conv.bn1"),
        "stem_pointwise": ("dw_conv.pointwise", "dw_conv.bn2"),
        "head": ("conv2.0", "conv2.1"),
        "pool": ("gdconv.depthwise", "gdconv.bn"),
        "output": ("conv3", "bn"),
    }
    for index in range(sum(repeats for _, _, repeats, _ in _BOTTLENECKS)):
        prefix = f"features.{index}.conv"
        names[f"blocks.{index}.widen"] = (f"{prefix}.0.0", f"{prefix}.0.1")
        names[f"blocks.{index}.depthwise"] = (f"{prefix}.1.0", f"{prefix}.1.1")
        names[f"blocks.{index}.narrow"] = (f"{prefix}.2", f"{prefix}.3")
    return names


def _fill(
    layer: nn.Conv2d | nn.Linear, state: Mapping[str, Tensor], weight: str, norm: str
) -> None:
    """Fold the batch norm that follows a layer into its weights."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + 1e-5)
    bias = state.get(f"{weight}.bias", torch.zeros_like(scale)) - state[f"{norm}.running_mean"]
    assert layer.bias is not None
    with torch.no_grad():
        kernel = state[f"{weight}.weight"] * scale.view(-1, 1, 1, 1)
        layer.weight.copy_(kernel.view_as(layer.weight))
        layer.bias.copy_(bias * scale + state[f"{norm}.bias"])
