"""dlib's face descriptor network in PyTorch, read straight from dlib's own ``.dat`` file.

Architecture: the 29-convolution residual network of dlib's ``dnn_face_recognition_ex.cpp``
(D. King, 2017). Batch norms are stored as affine layers, which are folded into the convolutions.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.errors import WeightsError

#: Channels of the levels that follow the first convolution, and residual units in each.
#: All but the first level begin with a unit that halves the resolution.
_LEVELS = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
_TENSOR_VERSION = 2
#: dlib subtracts these from RGB (0-255) and divides by 256.
MEAN = (122.782, 117.001, 104.298)
SCALE = 256.0


class _Unit(nn.Module):
    """Residual unit; with ``down`` it halves the resolution and pools its shortcut."""

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        self.down = down
        if down:
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2, padding=0)
        else:
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2, 2)
        return F.relu(_add_padded(x, y))


def _add_padded(a: Tensor, b: Tensor) -> Tensor:
    """Sum of two maps of which the smaller is padded with zeros at the end of each dimension."""
    if a.shape == b.shape:
        return a + b
    size = [max(m, n) for m, n in zip(a.shape[1:], b.shape[1:], strict=True)]
    return _pad_to(a, size) + _pad_to(b, size)


def _pad_to(x: Tensor, size: list[int]) -> Tensor:
    pad = [size[2] - x.shape[3], size[1] - x.shape[2], size[0] - x.shape[1]]
    return F.pad(x, [0, pad[0], 0, pad[1], 0, pad[2]])


class DlibResNet(nn.Module):
    """Map (B, 3, 150, 150) RGB 0-255 to (B, 128) descriptors, not normalised, threshold 0.6."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        units: list[nn.Module] = []
        channels = 32
        for level, (width, count) in enumerate(_LEVELS):
            for index in range(count):
                units.append(_Unit(channels, width, down=level > 0 and index == 0))
                channels = width
        self.units = nn.Sequential(*units)
        self.output = nn.Linear(256, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Embed crops; see the class."""
        embedding: Tensor = self.output(self.features(x))
        return embedding

    def features(self, x: Tensor) -> Tensor:
        """Map crops to the (B, 256) that the last layer turns into the descriptor."""
        x = (x - self.mean) / SCALE
        x = F.relu(self.stem(x))
        x = F.max_pool2d(x, 3, 2)
        x = self.units(x)
        return x.mean(dim=(2, 3))

    @classmethod
    def load(cls, path: Path) -> DlibResNet:
        """Build the network from dlib's ``dlib_face_recognition_resnet_model_v1.dat``.

        Raises:
            WeightsError: the file does not hold this network.

        """
        network = cls()
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        sizes = [n for m in convs for n in (m.weight.numel() + m.out_channels, 2 * m.out_channels)]
        tensors = _tensors(path.read_bytes(), [*sizes, network.output.weight.numel()])
        for conv, packed, affine in zip(convs, tensors[0:-1:2], tensors[1:-1:2], strict=True):
            _fill(conv, packed, affine)
        with torch.no_grad():
            network.output.weight.copy_(torch.from_numpy(tensors[-1].reshape(256, 128).T.copy()))
        return network.eval().requires_grad_(False)


def _fill(conv: nn.Conv2d, packed: np.ndarray, affine: np.ndarray) -> None:
    """Put dlib's convolution (weights, then biases) and affine (scales, then shifts) into conv."""
    count = conv.weight.numel()
    weight = torch.from_numpy(packed[:count].copy()).view_as(conv.weight)
    bias = torch.from_numpy(packed[count:].copy())
    scale, shift = torch.from_numpy(affine.reshape(2, -1).copy())
    assert conv.bias is not None
    with torch.no_grad():
        conv.weight.copy_(weight * scale.view(-1, 1, 1, 1))
        conv.bias.copy_(bias * scale + shift)


def _integer(data: bytes, at: int) -> tuple[int, int] | None:
    """Dlib's packed integer at ``at`` as (value, next position), or None if there is none."""
    if at >= len(data):
        return None
    head = data[at]
    size = head & 0x0F
    if head & 0x70 or not 1 <= size <= 8 or at + 1 + size > len(data):
        return None
    value = int.from_bytes(data[at + 1 : at + 1 + size], "little")
    return (-value if head & 0x80 else value), at + 1 + size


def _tensor_at(data: bytes, at: int, size: int) -> int | None:
    """Where the values of a tensor of ``size`` numbers start, if its header begins at ``at``."""
    numbers = []
    for _ in range(5):
        item = _integer(data, at)
        if item is None:
            return None
        numbers.append(item[0])
        at = item[1]
    fits = numbers[0] == _TENSOR_VERSION and math.prod(numbers[1:]) == size
    return at if fits and at + 4 * size <= len(data) else None


def _tensors(data: bytes, sizes: list[int]) -> list[np.ndarray]:
    """The parameter tensors with the given sizes, in the file's order (input side first).

    Between them the file holds settings of its layers and solver, which this skips by looking for
    the next header that announces a tensor of the wanted size.
    """
    found = []
    at = 0
    for size in sizes:
        start = None
        while start is None:
            # A header begins with the one-byte integer 2.
            at = data.find(bytes([1, _TENSOR_VERSION]), at)
            if at < 0:
                raise WeightsError("the file does not hold dlib's face descriptor network")
            start = _tensor_at(data, at, size)
            at += 1
        found.append(np.frombuffer(data, "<f4", size, start))
        at = start + 4 * size
    return found
