"""ONNX operators that look at windows of an image, or resample it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.recognizers.networks.onnx_file import Node
from bauta.recognizers.networks.onnx_operators import check_size, operator, unsupported

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_MAXIMA = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGES = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@dataclass(frozen=True)
class Windows:
    """Where the windows of a convolution or pooling lie, per axis of the image.

    Attributes:
        kernel: length of a window.
        strides: distance from one to the next.
        dilations: distance of the numbers within one.
        before: rim in front.
        after: rim behind.
        beyond: further rim behind, which a last window reaches into when lengths are rounded up.

    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    beyond: tuple[int, ...]

    @classmethod
    def of(cls, node: Node, lengths: Sequence[int], kernel: Sequence[int]) -> Windows:
        """Windows of a node on an image of given lengths."""
        ones = [1] * len(kernel)
        strides, dilations = node.get("strides", ones), node.get("dilations", ones)
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        before, after = _rims(node, lengths, strides, reach)
        beyond = [0] * len(kernel)
        if node.get("ceil_mode", 0):
            beyond = [
                _beyond(n + b + a, n + b, s, r)
                for n, b, a, s, r in zip(lengths, before, after, strides, reach, strict=True)
            ]
        return cls(*(tuple(part) for part in (kernel, strides, dilations, before, after, beyond)))

    def pad(self, x: Tensor, value: float) -> Tensor:
        """Add the rims to an image."""
        behind = [a + b for a, b in zip(self.after, self.beyond, strict=True)]
        rims = (b + a for b, a in zip(self.before, behind, strict=True))
        check_size(*x.shape[:2], *(n + rim for n, rim in zip(x.shape[2:], rims, strict=True)))
        pairs = [n for pair in zip(self.before, behind, strict=True) for n in reversed(pair)]
        return F.pad(x, pairs[::-1], value=value) if any(pairs) else x


def _beyond(padded: int, start_limit: int, stride: int, reach: int) -> int:
    """Rim that the last window needs; it must begin before the rim behind does."""
    count = -(-(padded - reach) // stride) + 1
    if (count - 1) * stride >= start_limit:
        count -= 1
    return max((count - 1) * stride + reach - padded, 0)


def _rims(
    node: Node, lengths: Sequence[int], strides: Sequence[int], reach: Sequence[int]
) -> tuple[list[int], list[int]]:
    mode = node.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.get("pads", [0] * 2 * len(lengths))
        return pads[: len(lengths)], pads[len(lengths) :]
    if mode == "VALID":
        return [0] * len(lengths), [0] * len(lengths)
    totals = [
        max((-(-n // s) - 1) * s + r - n, 0)
        for n, s, r in zip(lengths, strides, reach, strict=True)
    ]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


@operator("Conv")
def conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolution in one to three axes."""
    windows = Windows.of(node, x.shape[2:], weight.shape[2:])
    rims = zip(x.shape[2:], windows.before, windows.after, windows.strides, strict=True)
    check_size(len(x), len(weight), *((n + b + a) // s + 1 for n, b, a, s in rims))
    padding = windows.before
    if windows.before != windows.after:
        x, padding = windows.pad(x, 0.0), (0,) * len(padding)
    return _CONVOLUTIONS[x.dim() - 2](
        x, weight, bias, windows.strides, padding, windows.dilations, node.get("group", 1)
    )


@operator("MaxPool")
def max_pool(node: Node, x: Tensor) -> Tensor:
    """Largest number of each window."""
    windows = Windows.of(node, x.shape[2:], node.get("kernel_shape"))
    return _MAXIMA[x.dim() - 2](
        windows.pad(x, -math.inf),
        windows.kernel,
        windows.strides,
        dilation=windows.dilations,
    )


@operator("AveragePool")
def average_pool(node: Node, x: Tensor) -> Tensor:
    """Mean of each window, by the numbers in it that count."""
    windows = Windows.of(node, x.shape[2:], node.get("kernel_shape"))
    if any(d != 1 for d in windows.dilations):
        raise unsupported("the operator AveragePool with dilations")
    average = _AVERAGES[x.dim() - 2]
    means = average(windows.pad(x, 0.0), windows.kernel, windows.strides)
    if not any((*windows.before, *windows.after, *windows.beyond)):
        return means
    counted = windows.pad(torch.ones_like(x[:1, :1]), 0.0)
    if node.get("count_include_pad", 0):  # the rims count, but not what rounding up adds to them
        counted = torch.ones_like(counted)
        for axis, extra in enumerate(windows.beyond, start=2):
            counted.narrow(axis, counted.shape[axis] - extra, extra).zero_()
    return means / average(counted, windows.kernel, windows.strides)


@operator("GlobalAveragePool")
def global_average_pool(node: Node, x: Tensor) -> Tensor:
    """Mean of each channel."""
    return x.mean(dim=list(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(node: Node, x: Tensor) -> Tensor:
    """Largest number of each channel."""
    return x.amax(dim=list(range(2, x.dim())), keepdim=True)


@operator("Upsample")
def upsample(node: Node, x: Tensor, scales: Tensor | None = None) -> Tensor:
    """Enlarge; what Resize was called before opset 10."""
    factors = node.get("scales") if scales is None else scales.tolist()
    for axis, factor in enumerate(factors):
        x = _resample(node, x, axis, math.floor(x.shape[axis] * factor), factor, "asymmetric")
    return x


@operator("Resize")
def resize(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """Resample along axes, to lengths or by factors."""
    if node.opset < 11:
        return upsample(node, x, *given)  # type: ignore[return-value]  # it has one output
    if node.get("antialias", 0) or node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise unsupported("the operator Resize with antialias or keep_aspect_ratio_policy")
    _, scales, sizes = (*given, None, None)[:3] if given else (None, None, None)
    axes = node.get("axes") or list(range(x.dim()))
    coordinates = node.get("coordinate_transformation_mode", "half_pixel")
    if scales is not None and scales.numel():
        factors = scales.tolist()
        lengths = [math.floor(x.shape[a] * f) for a, f in zip(axes, factors, strict=True)]
    else:
        assert sizes is not None
        lengths = sizes.tolist()
        factors = [n / x.shape[a] for a, n in zip(axes, lengths, strict=True)]
    for axis, length, factor in zip(axes, lengths, factors, strict=True):
        x = _resample(node, x, axis, length, factor, coordinates)
    return x


def _resample(
    node: Node, x: Tensor, axis: int, length: int, factor: float, coordinates: str
) -> Tensor:
    """Resample one axis; the axes are independent of each other."""
    if length == x.shape[axis] and factor == 1:
        return x
    check_size(x.numel() // max(x.shape[axis], 1), length)
    places = _places(x.shape[axis], length, factor, coordinates)
    last = x.shape[axis] - 1
    if node.get("mode", "nearest") == "nearest":
        nearest = _round(places, node.get("nearest_mode", _first_nearest_mode(node)))
        return x.index_select(axis, nearest.clamp(0, last).long().to(x.device))
    if node.get("mode") != "linear":
        raise unsupported(f"the operator {node.operator} in the mode {node.get('mode')}")
    places = places.clamp(0, last)
    low = places.floor().long()
    share = (places - low).to(x).reshape([-1 if i == axis else 1 for i in range(x.dim())])
    left = x.index_select(axis, low.to(x.device))
    right = x.index_select(axis, (low + 1).clamp(max=last).to(x.device))
    return left * (1 - share) + right * share


def _first_nearest_mode(node: Node) -> str:
    return "floor" if node.opset < 11 else "round_prefer_floor"


def _places(before: int, after: int, factor: float, mode: str) -> Tensor:
    """Where each number of the result lies in the original."""
    i = torch.arange(after, dtype=torch.float64)
    if mode == "asymmetric":
        return i / factor
    if mode == "align_corners":
        return i * ((before - 1) / (after - 1)) if after > 1 else i
    if mode == "pytorch_half_pixel" and after == 1:
        return i
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (i + 0.5) / factor - 0.5
    raise unsupported(f"the operator Resize with the coordinates {mode}")


def _round(places: Tensor, mode: str) -> Tensor:
    if mode == "floor":
        return places.floor()
    if mode == "ceil":
        return places.ceil()
    if mode == "round_prefer_floor":
        return (places - 0.5).ceil()
    return (places + 0.5).floor()
