"""A mesh of 468 points on a face, by a network of Google's MediaPipe that comes with Bauta.

Source: Y. Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile
GPUs", CVPR workshops 2019, arXiv 1907.06724. The weights are those of ``face_landmark.tflite`` in
the wheel mediapipe 0.10.14 (Apache-2.0), converted by ``benchmarks/mediapipe_mesh.py``.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from bauta.faces.frame import Canvas
from bauta.faces.geometry import compose_maps, warp
from bauta.weights.records import locate

#: Points of the mesh.
POINTS = 468
#: Side of the network's input, in pixels.
_SIDE = 192
#: Centre and side of what it is shown, in the unit frame. Of eight crops, the one by which the mesh
#: agrees best with dlib's 68 points (30 photos of six people of LFW: 2 of 224 pixels).
_CENTRE, _SPAN = (0.5, 0.58), 1.1


class MeshNetwork(nn.Module):
    """Points of the mesh, and whether there is a face at all.

    The graph is that of the published file: residual blocks of a depthwise and a pointwise
    convolution, in seven stages that halve the image.
    """

    def __init__(self) -> None:
        """Without weights."""
        super().__init__()
        self.stem = _Halving(3, 16, groups=1)
        self.trunk = nn.Sequential(
            *_blocks(16, 2), _Down(16, 32), *_blocks(32, 2), _Down(32, 64), *_blocks(64, 2),
            _Down(64, 128), *_blocks(128, 2), _Down(128, 128), *_blocks(128, 2),
        )  # fmt: skip
        self.mesh = nn.Sequential(_Down(128, 128), *_blocks(128, 2), *_head(3 * POINTS))
        self.presence = nn.Sequential(_Down(128, 128), *_head(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Look at faces.

        Args:
            images: (B, 3, 192, 192) RGB, 0 to 1.

        Returns:
            (B, 468, 3) points x, y, z in pixels of the input, and (B,) probabilities that there
            is a face.

        """
        features = self.trunk(self.stem(images))
        points: Tensor = self.mesh(features).flatten(1).view(-1, POINTS, 3)
        return points, self.presence(features).flatten().sigmoid()


class _Halving(nn.Module):
    """A 3 x 3 convolution of every other pixel, and its PReLU if it has one."""

    def __init__(self, width: int, out: int, *, groups: int, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, stride=2, groups=groups)
        self.act = nn.PReLU(out) if active else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        # TensorFlow's "same" padding of even sizes is on the far sides alone.
        out: Tensor = self.act(self.conv(F.pad(images, (0, 1, 0, 1))))
        return out


class _Block(nn.Module):
    """A depthwise and a pointwise convolution beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)
        self.act = nn.PReLU(width)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.act(images + self.pointwise(self.depthwise(images)))
        return out


class _Down(nn.Module):
    """The same, at half the size; channels that the identity lacks are 0 there."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.depthwise = _Halving(width, width, groups=width, active=False)
        self.pointwise = nn.Conv2d(width, out, 1)
        self.act = nn.PReLU(out)
        self._more = out - width

    def forward(self, images: Tensor) -> Tensor:
        short = F.pad(F.max_pool2d(images, 2), (0, 0, 0, 0, 0, self._more))
        out: Tensor = self.act(short + self.pointwise(self.depthwise(images)))
        return out


def _blocks(width: int, count: int) -> list[nn.Module]:
    return [_Block(width) for _ in range(count)]


def _head(out: int) -> list[nn.Module]:
    """From (B, 128, 3, 3) to (B, out, 1, 1)."""
    return [nn.Conv2d(128, 32, 1), nn.PReLU(32), _Block(32), nn.Conv2d(32, out, 3)]


@cache
def _network() -> tuple[MeshNetwork, Tensor]:
    data = load_file(locate("mediapipe-mesh"))
    template = data.pop("template").float()
    network = MeshNetwork()
    network.load_state_dict({name: part.float() for name, part in data.items()})
    return network.requires_grad_(False).eval(), template


def mean_mesh() -> Tensor:
    """(468, 2) points of a mean face in the unit frame: of 600 people of LFW, in no benchmark."""
    return _network()[1]


@torch.no_grad()
def find_mesh(canvas: Canvas, network: MeshNetwork | None = None) -> tuple[Tensor, Tensor]:
    """Find the mesh of each face.

    Args:
        canvas: B faces.
        network: what finds it; None: the one that comes with Bauta.

    Returns:
        (B, 468, 2) points (x, y) in unit frame coordinates, and (B,) probabilities that these are
        faces.

    """
    left, top = (middle - _SPAN / 2 for middle in _CENTRE)
    step = _SPAN / _SIDE
    to_unit = canvas.frame_to_canvas.new_tensor(
        [[[step, 0, left + step / 2], [0, step, top + step / 2]]]
    )
    crops = warp(canvas.images, compose_maps(canvas.frame_to_canvas, to_unit), (_SIDE, _SIDE))
    network = network or _network()[0]
    points, presence = network.to(crops.device)(crops / 255)
    return points[..., :2] * step + points.new_tensor([left, top]), presence
