"""ONNX operators that move, choose or count numbers without changing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.recognizers.networks.onnx_file import Node
from bauta.recognizers.networks.onnx_operators import check_size, integers, operator, unsupported


def _last(given: Sequence[Tensor | None], at: int) -> Tensor | None:
    return given[at] if at < len(given) else None


@operator("Constant")
def constant(node: Node) -> Tensor:
    """Fixed value."""
    if "value" in node.attributes:
        value: Tensor = node.attributes["value"]
        return value
    for name, kind in (
        ("value_float", torch.float32),
        ("value_floats", torch.float32),
        ("value_int", torch.int64),
        ("value_ints", torch.int64),
    ):
        if name in node.attributes:
            return torch.tensor(node.attributes[name], dtype=kind)
    raise unsupported("the operator Constant with text or a sparse tensor")


@operator("Shape")
def shape(node: Node, x: Tensor) -> Tensor:
    """Lengths of the axes."""
    lengths = list(x.shape)[node.get("start", 0) : node.get("end", x.dim())]
    return torch.tensor(lengths, dtype=torch.int64, device=x.device)


@operator("Size")
def size(node: Node, x: Tensor) -> Tensor:
    """Count of numbers."""
    return torch.tensor(x.numel(), device=x.device)


@operator("ConstantOfShape")
def constant_of_shape(node: Node, lengths: Tensor) -> Tensor:
    """One number, repeated."""
    value: Tensor = node.get("value", torch.zeros(1))
    check_size(*lengths.tolist())
    return value.to(lengths.device).expand(lengths.tolist())


@operator("Range")
def arange(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Numbers at equal steps."""
    check_size(abs(limit.item() - start.item()) / abs(delta.item()))
    return torch.arange(start.item(), limit.item(), delta.item(), device=start.device)


@operator("Flatten")
def flatten(node: Node, x: Tensor) -> Tensor:
    """Make a matrix out of the axes before and from one on."""
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1)


@operator("Reshape")
def reshape(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """Give other axes; 0 keeps the length of an axis, -1 is what is left."""
    target = lengths.tolist()
    if not node.get("allowzero", 0):
        target = [x.shape[i] if n == 0 else n for i, n in enumerate(target)]
    return x.reshape(target)


@operator("Transpose")
def transpose(node: Node, x: Tensor) -> Tensor:
    """Put the axes into another order, by default the reverse one."""
    return x.permute(node.get("perm") or list(range(x.dim()))[::-1])


@operator("Squeeze")
def squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Drop axes of length 1."""
    dims = integers(node, "axes", axes)
    return x.squeeze() if dims is None else x.squeeze(tuple(dims))


@operator("Unsqueeze")
def unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Add axes of length 1, counted in the result."""
    dims = integers(node, "axes", axes)
    for dim in sorted(dim % (x.dim() + len(dims)) for dim in dims):
        x = x.unsqueeze(dim)
    return x


@operator("Concat")
def concat(node: Node, *inputs: Tensor) -> Tensor:
    """Join along an axis."""
    check_size(sum(x.numel() for x in inputs))
    return torch.cat(inputs, dim=node.get("axis", 1))


@operator("Split")
def split(node: Node, x: Tensor, lengths: Tensor | None = None) -> Sequence[Tensor]:
    """Cut along an axis, into equal parts unless the lengths are given."""
    axis = node.get("axis", 0)
    parts = integers(node, "split", lengths)
    if parts is None:
        count = node.get("num_outputs", len(node.outputs))
        parts = -(-x.shape[axis] // count)
        if -(-x.shape[axis] // max(parts, 1)) > len(node.outputs):
            raise unsupported(f"the operator Split into more than its {len(node.outputs)} outputs")
    return torch.split(x, parts, dim=axis)


@operator("Slice")
def cut(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """Take every so many of an axis, from one place to another."""
    starts = integers(node, "starts", _last(given, 0))
    ends = integers(node, "ends", _last(given, 1))
    axes = integers(node, "axes", _last(given, 2)) or list(range(len(starts)))
    steps = integers(node, "steps", _last(given, 3)) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # Ends as large as a number can be mean the end of the axis.
        places = range(*slice(start, end, step).indices(x.shape[axis]))
        if step > 0:
            wanted = slice(places.start, places.stop, step)
            x = x[(slice(None),) * (axis % x.dim()) + (wanted,)]
        else:  # torch has no negative steps
            first, end = places.start, places.start + places.step * len(places)
            x = x.index_select(axis, torch.arange(first, end, places.step, device=x.device))
    return x


@operator("Gather")
def gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    """Choose along an axis; the axes of the indices take its place."""
    axis = node.get("axis", 0) % x.dim()
    length = x.shape[axis]
    places = torch.where(indices < 0, indices + length, indices).reshape(-1)
    lengths = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    check_size(*lengths)
    return x.index_select(axis, places).reshape(lengths)


@operator("Expand")
def expand(node: Node, x: Tensor, lengths: Tensor) -> Tensor:
    """Repeat axes of length 1; either side may have more axes."""
    target = [1] * (x.dim() - lengths.numel()) + lengths.tolist()
    own = [1] * (len(target) - x.dim()) + list(x.shape)
    sides = [o if t == 1 else t for o, t in zip(own, target, strict=True)]
    check_size(*sides)
    return x.expand(sides)


@operator("Tile")
def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    """Repeat along every axis."""
    check_size(x.numel(), *repeats.tolist())
    return x.repeat(repeats.tolist())


@operator("DepthToSpace")
def depth_to_space(node: Node, x: Tensor) -> Tensor:
    """Turn channels into pixels."""
    side = node.get("blocksize")
    batch, channels, height, width = x.shape
    depth = channels // side**2
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, side)
    x = x.reshape(batch, side, side, depth, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, depth, height * side, width * side)


@operator("SpaceToDepth")
def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """Turn pixels into channels."""
    side = node.get("blocksize")
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // side, side, width // side, side)
    x = x.permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, channels * side**2, height // side, width // side)


@operator("Pad")
def pad(node: Node, x: Tensor, *given: Tensor | None) -> Tensor:
    """Add a rim: a constant, a mirror image, the edge, or the other side's."""
    amounts = integers(node, "pads", _last(given, 0))
    axes = integers(node, "axes", _last(given, 2)) or list(range(x.dim()))
    before, after = amounts[: len(axes)], amounts[len(axes) :]
    rims = {axis % x.dim(): a + b for axis, a, b in zip(axes, before, after, strict=True)}
    check_size(*(length + rims.get(axis, 0) for axis, length in enumerate(x.shape)))
    mode = node.get("mode", "constant")
    if mode == "constant":
        return _pad_constant(x, axes, before, after, _fill(node, _last(given, 1)))
    for axis, low, high in zip(axes, before, after, strict=True):
        places = np.pad(np.arange(x.shape[axis]), (low, high), mode=mode)
        x = x.index_select(axis, torch.from_numpy(places).to(x.device))
    return x


def _fill(node: Node, given: Tensor | None) -> Any:
    return node.get("value", 0.0) if given is None else given.item()


def _pad_constant(
    x: Tensor, axes: Sequence[int], before: Sequence[int], after: Sequence[int], value: float
) -> Tensor:
    pairs = [[0, 0] for _ in x.shape]
    for axis, low, high in zip(axes, before, after, strict=True):
        pairs[axis] = [low, high]
    # torch counts axes from the last one.
    return F.pad(x, [n for pair in reversed(pairs) for n in pair], value=value)
