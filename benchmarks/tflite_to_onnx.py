"""A TensorFlow Lite face recognizer as an ONNX file, so that it can judge.

Phone apps carry face recognizers that no one here trained, copied or tuned anything on. Only what
MobileFaceNet-like networks are made of is known. Needs `pip install tflite flatbuffers`.

npm pack capacitor-face-recognition@0.1.4 && tar xzf capacitor-face-recognition-0.1.4.tgz
python benchmarks/tflite_to_onnx.py package/android/src/main/assets/mobilefacenet.tflite tf.onnx
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_KINDS = {0: np.float32, 1: np.float16, 2: np.int32}
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
#: Operators that take no constants, by ONNX's name.
_PLAIN = {"RELU": "Relu", "ABS": "Abs", "RESHAPE": "Flatten"}
_ARITHMETIC = {
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
}
_CONVOLUTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
}
_RELU = 1


def main() -> None:
    """Convert the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    model = _Converter(tflite.Model.GetRootAsModel(args.model.read_bytes(), 0)).convert()
    onnx.checker.check_model(model)
    onnx.save(model, args.out)


class _Converter:
    """One graph; images become (N, channels, height, width), weights follow."""

    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def convert(self) -> onnx.ModelProto:
        for index in range(self.graph.OperatorsLength()):
            self._operator(self.graph.Operators(index))
        put, end = self.graph.Inputs(0), self.graph.Outputs(0)
        _, height, width, channels = self.graph.Tensors(put).ShapeAsNumpy().tolist()
        length = int(self.graph.Tensors(end).ShapeAsNumpy()[-1])
        inputs = [_value(put, ["N", channels, height, width])]
        graph = helper.make_graph(
            self.nodes, "tflite", inputs, [_value(end, ["N", length])], self.constants
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _operator(self, operator: Any) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        kind = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
        end = operator.Outputs(0)
        if kind in _CONVOLUTIONS:
            options = _options(_CONVOLUTIONS[kind], operator)
            self._convolution(inputs, end, options, depthwise=kind.startswith("DEPTH"))
        elif kind in _ARITHMETIC:
            names = [self._operand(i) for i in inputs]
            options = _options(_ARITHMETIC[kind], operator)
            self._add(kind.capitalize(), names, end, options.FusedActivationFunction())
        elif kind in _PLAIN:
            self._add(_PLAIN[kind], [f"t{inputs[0]}"], end)
        elif kind == "L2_NORMALIZATION":
            self._add("LpNormalization", [f"t{inputs[0]}"], end, axis=-1, p=2)
        else:
            raise SystemExit(f"operator {kind} is not known")

    def _convolution(self, inputs: list[int], end: int, options: Any, *, depthwise: bool) -> None:
        kernel = self._constant(inputs[1])
        assert kernel is not None
        groups = kernel.shape[3] if depthwise else 1
        kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        names = [f"t{inputs[0]}", self._store(kernel)]
        bias = self._constant(inputs[2]) if len(inputs) > 2 else None
        if bias is not None:
            names.append(self._store(bias))
        self._add(
            "Conv",
            names,
            end,
            options.FusedActivationFunction(),
            strides=[options.StrideH(), options.StrideW()],
            group=groups,
            auto_pad="VALID" if options.Padding() else "SAME_UPPER",
        )

    def _add(
        self, operator: str, inputs: list[str], end: int, act: int = 0, **attributes: Any
    ) -> None:
        if act not in (0, _RELU):
            raise SystemExit(f"activation {act} is not known")
        out = f"t{end}"
        first = f"{out}-before" if act else out
        self.nodes.append(helper.make_node(operator, inputs, [first], **attributes))
        if act:
            self.nodes.append(helper.make_node("Relu", [first], [out]))

    def _operand(self, index: int) -> str:
        value = self._constant(index)
        if value is None:
            return f"t{index}"
        # Per channel, which is the last axis there and the second here.
        return self._store(value.reshape(-1, 1, 1) if value.size > 1 else value)

    def _constant(self, index: int) -> NDArray[np.float32] | None:
        tensor = self.graph.Tensors(index)
        buffer = self.model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        flat = buffer.DataAsNumpy().view(_KINDS[tensor.Type()])
        value: NDArray[np.float32] = flat.reshape(shape).astype(np.float32)
        return value

    def _store(self, value: NDArray[np.float32]) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def _value(index: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(f"t{index}", TensorProto.FLOAT, shape)


def _options(kind: Any, operator: Any) -> Any:
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


if __name__ == "__main__":
    main()
