"""What a recognizer is: an adapter that owns crop, size, colour order, normalisation, thresholds.

All recognizers share one similarity, 1 - ||a - b||^2 / 2. For embeddings of unit length it is the
cosine; for dlib's it is its Euclidean distance turned round (0.6 becomes 0.82).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from bauta.devices import present_device
from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.frame import Canvas, cut_canvas
from bauta.faces.geometry import Affine, about_centre, compose_maps, fit_similarity, invert, warp
from bauta.recognizers.thresholds import Threshold, thresholds_of


def similarity(a: Tensor, b: Tensor) -> Tensor:
    """Similarity of embeddings (..., D) and (..., D): 1 - squared distance / 2, at most 1."""
    return 1 - (a - b).square().sum(dim=-1) / 2


def similarity_matrix(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, M) similarities of embeddings (N, D) and (M, D)."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    table: NDArray[np.float64] = 1 - np.maximum(squares, 0) / 2
    return table


@dataclass(frozen=True)
class Crop:
    """The aligned square that a recognizer looks at.

    Attributes:
        size: side in pixels.
        to_frame: (2, 3) similarity from crop pixels to unit frame coordinates.

    """

    size: int
    to_frame: Affine

    @cached_property
    def from_frame(self) -> Affine:
        """(2, 3) similarity from unit frame coordinates to crop pixels."""
        return invert(self.to_frame)

    def take(self, canvas: Canvas, images: Tensor, jitter: Tensor | None = None) -> Tensor:
        """Cut the crops out of (changed) canvas images. Differentiable in ``images``.

        Args:
            canvas: the faces' canvas.
            images: (B * V, 3, C, C) RGB 0-255: V variants of each face, the faces' variants
                together.
            jitter: (B * V, 2, 3) affine maps of unit crop coordinates about the crop's centre,
                or None.

        Returns:
            (B * V, 3, size, size) RGB 0-255.

        """
        variants = images.shape[0] // len(canvas)
        to_frame = torch.from_numpy(self.to_frame).to(images)
        maps = compose_maps(canvas.frame_to_canvas.to(images), to_frame)
        maps = maps.repeat_interleave(variants, dim=0)
        if jitter is not None:
            maps = compose_maps(maps, about_centre(jitter.to(images), self.size))
        return warp(images, maps, (self.size, self.size))


def crop_from_template(
    size: int, template: NDArray[np.float64], in_frame: NDArray[np.float64]
) -> Crop:
    """Crop that puts landmarks at ``template`` (N, 2) crop pixels.

    ``in_frame`` is where the same landmarks of a mean face lie in the unit frame.
    """
    return Crop(size, invert(fit_similarity(in_frame, template)))


class Judge(ABC):
    """Anything that turns a face in a photo into an embedding."""

    #: Public name.
    name: str

    @property
    def thresholds(self) -> Mapping[str, Threshold]:
        """Decision thresholds by name, such as "far-1%"; empty when none were measured."""
        return thresholds_of(self.name)

    @property
    def threshold(self) -> float:
        """Similarity at and above which two faces count as one person, at FAR 1 %.

        Raises:
            UsageError: no threshold was measured for this recognizer.

        """
        if "far-1%" not in self.thresholds:
            raise UsageError(
                f"{self.name} has no threshold yet: run `bauta recognizers evaluate {self.name}`"
            )
        return self.thresholds["far-1%"].similarity

    @property
    def network_id(self) -> str:
        """Identity of the weights behind it."""
        return self.name

    @property
    def lineage(self) -> frozenset[str]:
        """Identities of all weights that made it: its own, and those of whom it learnt from.

        A judge that shares any of them with a surrogate is not independent of it.
        """
        return frozenset({self.network_id})

    def surrogate(self) -> Recognizer:
        """Return the same recognizer with gradients.

        Raises:
            UsageError: it has none, so it can only judge.
            WeightsError: it has none, because of what its file uses.

        """
        raise UsageError(f"{self.name} has no gradients: it can judge, but not be a surrogate")

    @abstractmethod
    def embed(
        self, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]
    ) -> NDArray[np.float32]:
        """Embeddings of faces in photos.

        Args:
            photos: per face, the (H, W, 3) uint8 RGB photo it is in.
            faces: N faces.

        Returns:
            (N, D) float32.

        """


@dataclass(eq=False)
class Recognizer(Judge):
    """A recognizer with gradients: a network on aligned crops.

    Attributes:
        name: public name.
        crop: what it looks at.
        network: maps (B, 3, size, size) RGB 0-255 to (B, D) embeddings.
        weights: name of the weight record behind it.
        ancestors: identities of the weights that it was copied from or started with.
        gains_from_bf16: whether bfloat16 makes it faster where the processor has it; depthwise
            convolutions lose (benchmarks/networks.py).

    """

    name: str
    crop: Crop
    network: nn.Module
    weights: str
    gains_from_bf16: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batch: int = 32
    ancestors: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Put the network into inference shape."""
        self.network.eval().requires_grad_(False)
        # The stubs of torch know no call with both.
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # see above

    @property
    def network_id(self) -> str:
        """Identity of the weights behind it."""
        return self.weights

    @property
    def lineage(self) -> frozenset[str]:
        """Its own weights and its ancestors'."""
        return self.ancestors | {self.weights}

    def surrogate(self) -> Recognizer:
        """Return this recognizer itself."""
        return self

    def to(self, device: torch.device | str) -> Recognizer:
        """Move the network to a device and return this recognizer.

        Raises:
            UsageError: there is no such device here.

        """
        self.device = present_device(str(device))
        self.network.to(self.device)
        return self

    def embed_crops(
        self,
        crops: Tensor,
        *,
        bf16: bool = False,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Map (B, 3, size, size) RGB 0-255 to (B, D) embeddings. Differentiable.

        Args:
            crops: the crops.
            bf16: compute convolutions in bfloat16, where the processor does so natively.
            weights: to use instead of the network's own, by the names of its parameters.

        """
        crops = crops.contiguous(memory_format=torch.channels_last)
        with torch.autocast(crops.device.type, dtype=torch.bfloat16, enabled=bf16):
            embedding: Tensor = functional_call(self.network, dict(weights or {}), (crops,))
        return embedding.float()

    @torch.no_grad()
    def embed(
        self, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]
    ) -> NDArray[np.float32]:
        """Embeddings of faces in photos; see :meth:`Judge.embed`."""
        parts = [np.zeros((0, 0), dtype=np.float32)]
        for start in range(0, len(faces), self.batch):
            some = slice(start, start + self.batch)
            canvas = cut_canvas(photos[some], faces[some]).to(self.device)
            crops = self.crop.take(canvas, canvas.images)
            # Photos hold whole grey levels; so does the crop that other software cuts from them.
            parts.append(self.embed_crops(crops.round()).cpu().numpy())
        return np.concatenate(parts[1:]) if len(parts) > 1 else parts[0]


def affine_crop(size: int, origin: tuple[float, float], side: float) -> Crop:
    """Crop that covers a square of the unit frame: its upper left corner and its side."""
    step = side / size
    return Crop(size, np.array([[step, 0.0, origin[0]], [0.0, step, origin[1]]]))
