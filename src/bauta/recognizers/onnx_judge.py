"""Recognizers in ONNX files: judged by onnxruntime, with gradients through a torch module.

The judge does not share code with the surrogate, so what the one gets wrong the other notices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from bauta.errors import UsageError, WeightsError
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.memory import raise_if_short
from bauta.recognizers.base import Crop, Judge, Recognizer
from bauta.recognizers.crops import crop_of
from bauta.recognizers.networks.onnx_graph import OnnxGraph
from bauta.weights.session import open_session

#: Largest difference between onnxruntime and the torch module, as a share of the embedding's
#: length, that is put down to rounding. Our own networks differ by less than 1e-5.
AGREEMENT = 1e-3
_BATCH = 32
_SIDES = (16, 1024)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a network wants its faces, and what it makes of them.

    Attributes:
        size: side of its input in pixels, 16 to 1024.
        mean: taken from the grey levels (0-255) of each channel, in the network's own order.
        std: what the rest is divided by, likewise.
        order: "rgb" or "bgr".
        crop: name of a crop, or its five points as ten numbers; see
            :func:`bauta.recognizers.crops.crop_of`.
        unit_length: bring embeddings to length 1, so that their similarity is the cosine.
        output: name of the output that holds the embedding; "" where there is only one.

    Raises:
        UsageError: a value is outside what is said above.

    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    order: Literal["rgb", "bgr"] = "rgb"
    crop: str | tuple[float, ...] = "arcface"
    unit_length: bool = True
    output: str = ""

    def __post_init__(self) -> None:
        """Check the values."""
        if not _SIDES[0] <= self.size <= _SIDES[1]:
            raise UsageError(f"size must be {_SIDES[0]} to {_SIDES[1]} pixels, got {self.size}")
        if not all(len(part) == 3 and np.isfinite(part).all() for part in (self.mean, self.std)):
            raise UsageError("mean and std must be one number or three")
        if not all(value > 0 for value in self.std):
            raise UsageError(f"std must be above 0, got {self.std}")
        if self.order not in ("rgb", "bgr"):
            raise UsageError(f"order must be rgb or bgr, got {self.order!r}")
        crop_of(self.crop, self.size)

    def face_crop(self) -> Crop:
        """Return the crop that the network looks at."""
        return crop_of(self.crop, self.size)

    def prepare(self, crops: Tensor) -> Tensor:
        """Bring (B, 3, size, size) RGB 0-255 to the network's own scale and channel order."""
        if self.order == "bgr":
            crops = crops.flip(1)
        mean, std = (crops.new_tensor(part).view(1, 3, 1, 1) for part in (self.mean, self.std))
        return (crops - mean) / std

    def finish(self, output: Tensor) -> Tensor:
        """Make (B, D) embeddings of the network's output (B, D, 1, ...)."""
        embedding = output.flatten(1).float()
        return F.normalize(embedding) if self.unit_length else embedding


class OnnxEmbedding(nn.Module):
    """Map (B, 3, size, size) RGB 0-255 to (B, D) embeddings, with gradients."""

    def __init__(
        self, graph: OnnxGraph, convention: Convention, output: str, *, channels_last: bool
    ) -> None:
        """Wrap a graph.

        Args:
            graph: the network.
            convention: how it wants its faces.
            output: name of the output that holds the embedding.
            channels_last: whether it takes (B, size, size, 3).

        """
        super().__init__()
        self.graph = graph
        self._convention = convention
        self._output = graph.outputs.index(output)
        self._channels_last = channels_last

    def forward(self, crops: Tensor) -> Tensor:
        """Embed crops; see the class."""
        images = self._convention.prepare(crops)
        if self._channels_last:
            images = images.permute(0, 2, 3, 1)
        return self._convention.finish(self.graph(images)[self._output])


class OnnxJudge(Judge):
    """A recognizer by onnxruntime: a black box, unless :meth:`surrogate` can open it.

    Attributes:
        name: public name.
        convention: how it wants its faces.
        crop: what it looks at.
        dimensions: length of an embedding.

    """

    def __init__(self, name: str, path: Path, convention: Convention, weights: str) -> None:
        """Open the file.

        Args:
            name: public name.
            path: the ONNX file; its hash is the caller's to check.
            convention: how the network wants its faces.
            weights: identity of the file.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            UsageError: the convention does not fit the file; the message says what does.
            WeightsError: the file is no network that makes an embedding of a photo.

        """
        self.name = name
        self.crop = convention.face_crop()
        self.convention = convention
        self._path, self._weights = path, weights
        self._session: Any = open_session(path, torch.get_num_threads(), what=name)
        self._input, self._channels_last, single = _input_of(self._session, path, convention.size)
        self._output = _output_of(self._session, path, convention.output)
        self._together = False
        alone = np.concatenate([self._run(crop) for crop in torch.split(self._trial(), 1)])
        self.dimensions = _dimensions(alone, path)
        self._together = not single and self._batches_work(alone)

    @property
    def network_id(self) -> str:
        """Identity of the weights behind it."""
        return self._weights

    def embed(
        self, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]
    ) -> NDArray[np.float32]:
        """Embeddings of faces in photos; see :meth:`Judge.embed`."""
        parts = [np.zeros((0, self.dimensions), dtype=np.float32)]
        for start in range(0, len(faces), _BATCH):
            some = slice(start, start + _BATCH)
            canvas = cut_canvas(photos[some], faces[some])
            # Photos hold whole grey levels; so does the crop that other software cuts from them.
            parts.append(self.embed_crops(self.crop.take(canvas, canvas.images).round()))
        return np.concatenate(parts)

    def embed_crops(self, crops: Tensor) -> NDArray[np.float32]:
        """Map (B, 3, size, size) RGB 0-255 to (B, D) embeddings."""
        groups = [crops] if self._together else torch.split(crops, 1)
        output = torch.from_numpy(np.concatenate([self._run(group) for group in groups]))
        embeddings: NDArray[np.float32] = self.convention.finish(output).numpy()
        return embeddings

    def surrogate(self) -> Recognizer:
        """Return the same network with gradients, compared with onnxruntime once.

        Raises:
            MissingExtraError: the package onnx is not installed.
            WeightsError: the file uses what Bauta has no gradients for, or both ways of computing
                it differ.

        """
        opened, difference = self._opened
        if not difference <= AGREEMENT:
            raise WeightsError(
                f"{self.name}: its gradients are not to be trusted, as torch and onnxruntime "
                f"differ by {difference:.1g} of an embedding. It can still be used as a judge"
            )
        return opened

    @property
    def agreement(self) -> float:
        """Largest difference to :meth:`surrogate`, as a share of the embeddings' length."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[Recognizer, float]:
        crops = self._trial()
        network = OnnxEmbedding(
            OnnxGraph.load(self._path, tuple(self._shaped(crops).shape[1:])),
            self.convention,
            self._output,
            channels_last=self._channels_last,
        )
        opened = Recognizer(self.name, self.crop, network, self._weights)
        with torch.no_grad():
            ours = opened.embed_crops(crops).numpy()
        theirs = self.embed_crops(crops)
        if ours.shape != theirs.shape:
            return opened, float("inf")
        length = float(np.linalg.norm(theirs, axis=1).max())
        return opened, float(np.abs(ours - theirs).max()) / max(length, 1e-12)

    def _trial(self) -> Tensor:
        """Two crops of noise to try the network on."""
        side = self.convention.size
        generator = torch.Generator().manual_seed(0)
        return (torch.rand((2, 3, side, side), generator=generator) * 255).round()

    def _batches_work(self, alone: NDArray[np.float32]) -> bool:
        """Whether two crops at once come out as they do one by one."""
        try:
            both = self._run(self._trial())
        except WeightsError:
            return False
        close = AGREEMENT * float(np.abs(alone).max())
        return both.shape == alone.shape and bool(np.abs(both - alone).max() <= close)

    def _shaped(self, crops: Tensor) -> Tensor:
        images = self.convention.prepare(crops)
        return images.permute(0, 2, 3, 1) if self._channels_last else images

    def _run(self, crops: Tensor) -> NDArray[np.float32]:
        images = self._shaped(crops).contiguous().numpy()
        try:
            # The runtime reports a network that does not work by types of its own.
            (output,) = self._session.run([self._output], {self._input: images})
        except Exception as error:
            raise_if_short(error)
            raise WeightsError(f"{self._path} cannot be computed: {error}") from error
        return np.asarray(output, dtype=np.float32)


def _input_of(session: Any, path: Path, size: int) -> tuple[str, bool, bool]:
    """Name of the input, whether its channels come last, and whether it takes one image only."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(put.name for put in inputs) or "none"
        raise WeightsError(f"{path} has {len(inputs)} inputs ({names}); a recognizer has one")
    kind, axes = inputs[0].type, inputs[0].shape
    fixed = [axis if isinstance(axis, int) and axis > 0 else None for axis in axes]
    if kind != "tensor(float)" or len(fixed) != 4 or fixed[0] not in (None, 1):
        raise WeightsError(f"the input of {path} is no batch of float images: {kind} {axes}")
    channels_last = fixed[3] == 3 and fixed[1] != 3
    channels, *sides = (fixed[3], *fixed[1:3]) if channels_last else fixed[1:]
    if channels not in (None, 3):
        raise WeightsError(f"{path} takes images of {channels} channels; photos have 3")
    if any(side not in (None, size) for side in sides):
        raise UsageError(f"{path} takes {sides[1]}x{sides[0]} pixels, not {size}x{size}")
    return inputs[0].name, channels_last, fixed[0] == 1


def _output_of(session: Any, path: Path, wanted: str) -> str:
    names = [put.name for put in session.get_outputs()]
    if not wanted and len(names) == 1:
        return str(names[0])
    if wanted not in names:
        said = f"no output {wanted!r}" if wanted else f"{len(names)} outputs"
        raise UsageError(f"{path} has {said}: choose the embedding's out of {', '.join(names)}")
    return wanted


def _dimensions(outputs: NDArray[np.float32], path: Path) -> int:
    """Length of an embedding, out of the outputs for two images."""
    shape = outputs.shape
    if len(shape) < 2 or shape[0] != 2 or shape[1] < 2 or any(n != 1 for n in shape[2:]):
        raise WeightsError(
            f"{path} does not make one embedding of a photo: its output is (1, {str(shape[1:])[1:]}"
        )
    if not np.isfinite(outputs).all():
        raise WeightsError(f"{path} makes numbers that are infinite or none at all")
    return int(shape[1])
