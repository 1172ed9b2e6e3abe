"""ONNX files for tests: single operators, and our own networks written out node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from bauta.recognizers.networks.blocks import ConvNorm
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobile import TrainableMobileFaceNet
from bauta.recognizers.networks.mobilefacenet import MEAN, STD, MobileFaceNet

#: Understood by every onnxruntime that Bauta allows.
IR_VERSION = 8


class Builder:
    """Writes a graph line by line; every method returns the name of the value it makes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._count = 0

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        if isinstance(value, Tensor):
            value = value.detach().numpy()
        self._count += 1
        name = f"constant{self._count}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype=kind), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        self._count += 1
        names = [f"{operator}{self._count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x: str, layer: nn.Conv2d) -> str:
        inputs = [self.constant(layer.weight)]
        if layer.bias is not None:
            inputs.append(self.constant(layer.bias))
        return str(
            self.add(
                "Conv", x, *inputs,
                strides=list(layer.stride), pads=list(layer.padding) * 2, group=layer.groups,
            )
        )  # fmt: skip

    def model(
        self,
        outputs: Sequence[str],
        *,
        shape: Sequence[int | str | None] = (1, 3, 112, 112),
        inputs: Mapping[str, int] | None = None,
        opset: int = 17,
    ) -> onnx.ModelProto:
        puts = [
            helper.make_tensor_value_info(name, kind, list(shape))
            for name, kind in (inputs or {"input": TensorProto.FLOAT}).items()
        ]
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "test", puts, ends, self.constants)
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets)


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def single(
    operator: str,
    x: NDArray[np.float32],
    *constants: Any,
    opset: int = 17,
    outputs: int = 1,
    **attributes: Any,
) -> onnx.ModelProto:
    """A graph of one operator on x and constants; float lists are floats, integer ones int64."""
    build = Builder()
    names = []
    for value in constants:
        array = np.array(value)
        whole = np.issubdtype(array.dtype, np.integer)
        kind = np.int64 if whole else array.dtype if array.dtype == np.bool_ else np.float32
        names.append("" if value is None else build.constant(array, kind))
    made = build.add(operator, "input", *names, outputs=outputs, **attributes)
    return build.model([made] if outputs == 1 else made, shape=x.shape, opset=opset)


def run_reference(model: onnx.ModelProto | Path, x: NDArray[np.float32]) -> list[Any]:
    """What onnxruntime makes of it."""
    import onnxruntime

    data = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: x}))


# --- networks --------------------------------------------------------------------------------


def as_conv(layer: nn.Linear) -> nn.Conv2d:
    """The same as a convolution of single pixels, as such networks are often saved."""
    conv = nn.Conv2d(layer.in_features, layer.out_features, 1)
    conv.weight = nn.Parameter(layer.weight[:, :, None, None], requires_grad=False)
    conv.bias = layer.bias
    return conv


def paper_mobilefacenet_model(network: TrainableMobileFaceNet, size: int) -> onnx.ModelProto:
    """The paper's MobileFaceNet, norms folded, on images that are normalised already."""
    build = Builder()

    def layer(x: str, part: ConvNorm) -> str:
        y = build.conv(x, part.conv)
        if isinstance(part.act, nn.PReLU):
            y = str(build.add("PRelu", y, build.constant(part.act.weight.view(-1, 1, 1))))
        return y

    x = "input"
    for part in network.layers:
        if isinstance(part, ConvNorm):
            x = layer(x, part)
            continue
        y = layer(layer(layer(x, part.widen), part.depthwise), part.narrow)
        x = str(build.add("Add", x, y)) if part.residual else y
    x = build.conv(layer(x, network.head.pool), as_conv(network.head.output))
    flat = build.add("Reshape", x, build.integers(1, -1))
    return build.model([flat], shape=(1, 3, size, size))


def random_mobilefacenet(seed: int = 0) -> MobileFaceNet:
    """MobileFaceNet with random weights that keep the signal's size."""
    torch.manual_seed(seed)
    network = MobileFaceNet()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return network.eval().requires_grad_(False)


def mobilefacenet_model(
    network: MobileFaceNet, *, batch: int | str = 1, norms: bool = False, opset: int = 11
) -> onnx.ModelProto:
    """MobileFaceNet without its input normalisation and its unit length.

    Args:
        network: the network.
        batch: first axis of the input, a name for any.
        norms: put batch norms that do nothing much behind every convolution.
        opset: operator set, 11 or later.

    """
    build = Builder()

    def conv(x: str, layer: nn.Conv2d) -> str:
        if not norms:
            return build.conv(x, layer)
        # A batch norm that undoes a change of the convolution: together they are the layer.
        scale = torch.linspace(0.5, 2.0, layer.out_channels)
        bare = nn.Conv2d(1, 1, 1)
        bare.__dict__.update(
            stride=layer.stride, padding=layer.padding, groups=layer.groups,
        )  # fmt: skip
        bare.weight = nn.Parameter(layer.weight / scale.view(-1, 1, 1, 1))
        bare.bias = None
        ones = torch.ones(layer.out_channels)
        inputs = [scale, layer.bias + 0.25 * scale, 0.25 * ones, ones - 1e-5]
        y = build.conv(x, bare)
        return str(build.add("BatchNormalization", y, *map(build.constant, inputs)))

    def relu6(x: str) -> str:
        return str(build.add("Clip", x, build.constant(0.0), build.constant(6.0)))

    x = relu6(conv("input", network.stem))
    x = build.add("Relu", conv(x, network.stem_depthwise))
    x = build.add("Relu", conv(x, network.stem_pointwise))
    for block in network.blocks:
        y = relu6(conv(relu6(conv(x, block.widen)), block.depthwise))
        y = conv(y, block.narrow)
        x = build.add("Add", x, y) if block.residual else y
    x = conv(conv(relu6(conv(x, network.head)), network.pool), as_conv(network.output))
    x = build.add("Reshape", x, build.integers(1 if batch == 1 else -1, 128))
    return build.model([x], shape=(batch, 3, 112, 112), opset=opset)


#: mean and standard deviation of MobileFaceNet's input, in grey levels.
MOBILEFACENET_MEAN = [255 * value for value in MEAN]
MOBILEFACENET_STD = [255 * value for value in STD]


def dlib_model(network: DlibResNet) -> onnx.ModelProto:
    """dlib's descriptor without its input normalisation."""
    build = Builder()

    def padded(x: str, own: Tensor, like: Tensor) -> str:
        missing = [max(m - n, 0) for m, n in zip(like.shape, own.shape, strict=True)]
        return str(build.add("Pad", x, build.integers(0, 0, 0, 0, 0, *missing[1:])))

    def unit(x: str, block: nn.Module, sample: Tensor) -> str:
        y = build.conv(build.add("Relu", build.conv(x, block.conv1)), block.conv2)
        if block.down:
            x = build.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            short = nn.functional.avg_pool2d(sample, 2, 2)
            long = block.conv2(block.conv1(sample))
            x, y = padded(x, short, long), padded(y, long, short)
        return str(build.add("Relu", build.add("Add", x, y)))

    x = build.add("Relu", build.conv("input", network.stem))
    x = build.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
    sample = nn.functional.max_pool2d(network.stem(torch.zeros(1, 3, 150, 150)), 3, 2)
    for block in network.units:
        x = unit(x, block, sample)
        sample = block(sample)
    x = build.add("Flatten", build.add("GlobalAveragePool", x))
    x = build.add("Gemm", x, build.constant(network.output.weight), transB=1)
    return build.model([x], shape=(1, 3, 150, 150), opset=13)


class Transformer(nn.Module):
    """A small vision transformer: patches, one block of attention, a mean, an embedding."""

    width, heads, size = 32, 4, 32

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        w = self.width
        self.patches = nn.Conv2d(3, w, 8, 8)
        self.places = nn.Parameter(torch.randn(1, 16, w))
        self.norms = nn.ModuleList([nn.LayerNorm(w) for _ in range(2)])
        self.qkv, self.out = nn.Linear(w, 3 * w), nn.Linear(w, w)
        self.widen, self.narrow = nn.Linear(w, 2 * w), nn.Linear(2 * w, w)
        self.head = nn.Linear(w, 24)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2) + self.places
        q, k, v = self.qkv(self.norms[0](x)).view(-1, 16, 3, self.heads, 8).permute(2, 0, 3, 1, 4)
        share = (q @ k.transpose(-1, -2) / 8**0.5).softmax(-1)
        x = x + self.out((share @ v).transpose(1, 2).reshape(-1, 16, self.width))
        x = x + self.narrow(nn.functional.gelu(self.widen(self.norms[1](x))))
        return self.head(x.mean(1))


def transformer_model(network: Transformer) -> onnx.ModelProto:
    """The transformer the way torch's exporter writes one: shapes computed, gelu by erf."""
    build = Builder()

    def linear(x: str, layer: nn.Linear) -> str:
        y = build.add("MatMul", x, build.constant(layer.weight.T))
        return str(build.add("Add", build.constant(layer.bias), y))

    def norm(x: str, layer: nn.LayerNorm) -> str:
        names = (build.constant(layer.weight), build.constant(layer.bias))
        return str(build.add("LayerNormalization", x, *names, axis=-1, epsilon=layer.eps))

    def shaped(x: str, like: str, *rest: int) -> str:
        """Reshape to the batch of ``like`` and fixed lengths."""
        batch = build.add("Gather", build.add("Shape", like), build.integers(0), axis=0)
        target = build.add("Concat", batch, build.integers(*rest), axis=0)
        return str(build.add("Reshape", x, target))

    def gelu(x: str) -> str:
        inner = build.add("Erf", build.add("Div", x, build.constant(2**0.5)))
        inner = build.add("Add", inner, build.constant(1.0))
        return str(build.add("Mul", build.add("Mul", x, inner), build.constant(0.5)))

    x = shaped(build.conv("input", network.patches), "input", 32, 16)
    x = build.add("Transpose", x, perm=[0, 2, 1])
    x = build.add("Add", x, build.constant(network.places))
    qkv = shaped(linear(norm(x, network.norms[0]), network.qkv), "input", 16, 3, 4, 8)
    qkv = build.add("Transpose", qkv, perm=[2, 0, 3, 1, 4])
    parts = build.add("Split", qkv, build.integers(1, 1, 1), outputs=3, axis=0)
    q, k, v = (build.add("Squeeze", part, build.integers(0)) for part in parts)
    share = build.add("MatMul", q, build.add("Transpose", k, perm=[0, 1, 3, 2]))
    share = build.add("Softmax", build.add("Div", share, build.constant(8**0.5)), axis=-1)
    y = build.add("Transpose", build.add("MatMul", share, v), perm=[0, 2, 1, 3])
    x = build.add("Add", x, linear(shaped(y, "input", 16, 32), network.out))
    y = linear(gelu(linear(norm(x, network.norms[1]), network.widen)), network.narrow)
    x = build.add("ReduceMean", build.add("Add", x, y), axes=[1], keepdims=0)
    weight, bias = build.constant(network.head.weight), build.constant(network.head.bias)
    x = build.add("Gemm", x, weight, bias, transB=1)
    return build.model([x], shape=("batch", 3, 32, 32), opset=17)
