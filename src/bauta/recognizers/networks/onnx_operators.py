"""ONNX operators as torch operations: the table, and all that work number by number or by axis.

An operator is a function of its node and of its input tensors, in the order of the ONNX
specification (https://onnx.ai/onnx/operators/). Inputs that a file leaves out are None or missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.errors import WeightsError
from bauta.recognizers.networks.onnx_file import Node

Operator = Callable[..., Tensor | Sequence[Tensor]]
#: Every operator that there is.
OPERATORS: dict[str, Operator] = {}
#: Most numbers in one value while a file is opened, which is half a gigabyte.
MOST_NUMBERS = 1 << 27
_most: ContextVar[float] = ContextVar("_most", default=math.inf)


@contextmanager
def sizes_limited() -> Iterator[None]:
    """Refuse values of more than ``MOST_NUMBERS`` in the block, before they are made.

    A few bytes of a file can ask for any size. What it makes of two images it makes of more in
    proportion, so opening is when to look.
    """
    token = _most.set(MOST_NUMBERS)
    try:
        yield
    finally:
        _most.reset(token)


def check_size(*lengths: float) -> None:
    """Check the size of a value that is about to be made.

    Raises:
        WeightsError: it is too large.

    """
    if math.prod(lengths) > _most.get():
        raise WeightsError(
            f"it makes a value of {math.prod(lengths):.3g} numbers out of an image or two, more "
            f"than the limit of {MOST_NUMBERS}"
        )


def _check_together(*inputs: Tensor | None) -> None:
    """Check the size of what is computed number by number of values that are repeated to fit."""
    shapes = [x.shape[::-1] for x in inputs if x is not None]
    check_size(*(max(lengths) for lengths in zip_longest(*shapes, fillvalue=1)))


def operator(*names: str) -> Callable[[Operator], Operator]:
    """Return a decorator that enters a function under the names of operators."""

    def enter(function: Operator) -> Operator:
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return enter


def unsupported(what: str) -> WeightsError:
    """Return the error for what a file uses and Bauta has no gradients for."""
    return WeightsError(
        f"it uses {what}, through which Bauta has no gradients. The file can still be used as a "
        "judge, by onnxruntime"
    )


def integers(node: Node, name: str, given: Tensor | None, default: Any = None) -> Any:
    """List of integers that older files have as a setting and newer ones as an input."""
    return node.get(name, default) if given is None else given.reshape(-1).tolist()


def _plain(function: Callable[..., Tensor]) -> Operator:
    """Operator without settings, number by number."""

    def compute(node: Node, *inputs: Tensor) -> Tensor:
        _check_together(*inputs)
        return function(*inputs)

    return compute


def _divide(a: Tensor, b: Tensor) -> Tensor:
    whole = not (a.is_floating_point() or b.is_floating_point())
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def over_all(first: Tensor, *rest: Tensor) -> Tensor:
        for other in rest:
            first = function(first, other)
        return first

    return over_all


def _average(*inputs: Tensor) -> Tensor:
    return _fold(torch.add)(*inputs) / len(inputs)


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "And": torch.logical_and,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Div": _divide,
    "Equal": torch.eq,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "HardSwish": F.hardswish,
    "Identity": lambda x: x,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Log": torch.log,
    "Max": _fold(torch.maximum),
    "Mean": _average,
    "Min": _fold(torch.minimum),
    "Mish": F.mish,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Or": torch.logical_or,
    "Reciprocal": torch.reciprocal,
    "Relu": F.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Sub": torch.sub,
    "Sum": _fold(torch.add),
    "Tanh": torch.tanh,
    "Where": torch.where,
}
OPERATORS.update({name: _plain(function) for name, function in _PLAIN.items()})


@operator("MatMul")
def matmul(node: Node, a: Tensor, b: Tensor) -> Tensor:
    """Matrix product, of many matrices at once."""
    batches = zip_longest(a.shape[-3::-1], b.shape[-3::-1], fillvalue=1)
    check_size(*(max(pair) for pair in batches), *a.shape[-2:-1], *b.shape[-1:])
    return torch.matmul(a, b)


@operator("Dropout")
def dropout(node: Node, x: Tensor, *_settings: Tensor | None) -> Tensor:
    """Do nothing: the network is used, not trained."""
    return x


@operator("Pow")
def power(node: Node, x: Tensor, exponent: Tensor) -> Tensor:
    """Power; the type is the base's, as ONNX has it."""
    _check_together(x, exponent)
    return torch.pow(x, exponent).to(x.dtype)


@operator("LeakyRelu")
def leaky_relu(node: Node, x: Tensor) -> Tensor:
    """Rectifier with a slope below 0."""
    return F.leaky_relu(x, node.get("alpha", 0.01))


@operator("Elu")
def elu(node: Node, x: Tensor) -> Tensor:
    """Exponential linear unit."""
    return F.elu(x, node.get("alpha", 1.0))


@operator("Selu")
def selu(node: Node, x: Tensor) -> Tensor:
    """Scaled exponential linear unit; the defaults are ONNX's."""
    scale = float(node.get("gamma", 1.05070102214813232421875))
    return scale * F.elu(x, node.get("alpha", 1.67326319217681884765625))


@operator("HardSigmoid")
def hard_sigmoid(node: Node, x: Tensor) -> Tensor:
    """Piecewise linear sigmoid; its slope is not torch's unless the file says so."""
    return (float(node.get("alpha", 0.2)) * x + float(node.get("beta", 0.5))).clamp(0, 1)


@operator("Gelu")
def gelu(node: Node, x: Tensor) -> Tensor:
    """Gaussian error linear unit, exact or by tanh."""
    return F.gelu(x, approximate=node.get("approximate", "none"))


@operator("PRelu")
def prelu(node: Node, x: Tensor, slope: Tensor) -> Tensor:
    """Rectifier with learnt slopes below 0."""
    shape = (1,) * (x.dim() - slope.dim()) + tuple(slope.shape)
    if slope.numel() == 1 or (x.dim() > 1 and shape[1] == slope.numel() == x.shape[1]):
        return F.prelu(x, slope.reshape(-1))  # saves a good part of the memory
    _check_together(x, slope)
    return torch.where(x < 0, slope * x, x)


@operator("Clip")
def clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Limit to a range, given by settings before opset 11."""
    least = node.get("min") if low is None else low.item()
    most = node.get("max") if high is None else high.item()
    if least is None and most is None:
        return x
    if x.is_floating_point() and least is not None and most is not None and least < most:
        return F.hardtanh(x, least, most)  # there and back in a tenth of clamp's time
    return x.clamp(least, most)


@operator("Cast")
def cast(node: Node, x: Tensor) -> Tensor:
    """Change the type; floats stay of the one type that the network is computed in."""
    kinds = {6: torch.int64, 7: torch.int64, 9: torch.bool}
    kinds |= dict.fromkeys((1, 10, 11, 16), torch.float32)
    if node.get("to") not in kinds:
        raise unsupported(f"the operator Cast to the type number {node.get('to')}")
    kind = kinds[node.get("to")]
    return x if kind.is_floating_point and x.is_floating_point() else x.to(kind)


@operator("Softmax", "LogSoftmax")
def softmax(node: Node, x: Tensor) -> Tensor:
    """Softmax over one axis, or before opset 13 over all axes from one on."""
    function = F.log_softmax if node.operator == "LogSoftmax" else F.softmax
    if node.opset >= 13:
        return function(x, dim=node.get("axis", -1))
    return function(x.flatten(node.get("axis", 1)), dim=-1).reshape(x.shape)


@operator("Gemm")
def gemm(node: Node, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Matrix product, with factors, transposes and something to add."""
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    check_size(len(a), b.shape[-1])
    out = float(node.get("alpha", 1.0)) * (a @ b)
    _check_together(out, c)
    return out if c is None else out + float(node.get("beta", 1.0)) * c


@operator("Einsum")
def einsum(node: Node, *inputs: Tensor) -> Tensor:
    """Sums of products by an equation."""
    equation = node.get("equation")
    shapes = (torch.empty_like(x, device="meta") for x in inputs)
    check_size(*torch.einsum(equation, *shapes).shape)
    return torch.einsum(equation, *inputs)


def _l2(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, 2, dim, keepdim)
    return length


def _l1(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    return x.abs().sum(dim, keepdim)


def _squares(x: Tensor, dim: list[int], keepdim: bool) -> Tensor:
    return x.square().sum(dim, keepdim)


_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceL1": _l1,
    "ReduceL2": _l2,
    "ReduceLogSumExp": torch.logsumexp,
    "ReduceMax": torch.amax,
    "ReduceMean": torch.mean,
    "ReduceMin": torch.amin,
    "ReduceSum": torch.sum,
    "ReduceSumSquare": _squares,
}


@operator(*_REDUCTIONS)
def reduce(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Put together the numbers along axes; all of them where none are named."""
    dims = integers(node, "axes", axes) or []
    if not dims and node.get("noop_with_empty_axes", 0):
        return x
    return _REDUCTIONS[node.operator](
        x, dims or list(range(x.dim())), keepdim=bool(node.get("keepdims", 1))
    )


@operator("LpNormalization")
def lp_normalization(node: Node, x: Tensor) -> Tensor:
    """Bring to length 1 along an axis."""
    return F.normalize(x, p=float(node.get("p", 2)), dim=node.get("axis", -1))


@operator("LayerNormalization")
def layer_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Normalise over all axes from one on."""
    axis = int(node.get("axis", -1)) % x.dim()
    _check_together(x, scale, bias)
    out = F.layer_norm(x, x.shape[axis:], eps=node.get("epsilon", 1e-5)) * scale
    return out if bias is None else out + bias


@operator("BatchNormalization")
def batch_normalization(
    node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """Normalise by the statistics of the training."""
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        raise unsupported("the operator BatchNormalization in training mode")
    return F.batch_norm(x, mean, variance, scale, bias, eps=node.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def instance_normalization(node: Node, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalise each channel of each sample by itself."""
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))
