"""ONNX files as plain data: nodes, constants, input and outputs. Nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bauta.errors import MissingExtraError, WeightsError

#: Broadcasting and most operators mean the same from here on; earlier files need a converter.
LEAST_OPSET = 7
_STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of a graph.

    Attributes:
        operator: name of the operator, with its domain in front where that is not ONNX's own.
        inputs: names of the values it takes; "" for an optional one that is left out.
        outputs: names of the values it makes.
        attributes: its settings.
        opset: version of the operators' definitions that the file counts on.

    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting, or the default where the file leaves it out."""
        return self.attributes.get(name, default)


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """What a file holds.

    Attributes:
        nodes: the operations, in an order in which they can be computed.
        constants: the weights and other fixed values, by name; floats are float32, integers int64.
        input: name of the only input.
        shape: its axes; None for one of any length.
        outputs: names of the outputs.

    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    input: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]

    def with_graph(self, nodes: Sequence[Node], constants: Mapping[str, Tensor]) -> OnnxFile:
        """Return the same file with other operations and constants."""
        return replace(self, nodes=tuple(nodes), constants=dict(constants))


def read_onnx(path: Path) -> OnnxFile:
    """Read a file.

    Raises:
        MissingExtraError: the package onnx is not installed.
        WeightsError: the file cannot be read, is no ONNX file, keeps weights in other files, or
            is not a network of one float input.

    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtraError("reading ONNX files", "onnx") from error
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except DecodeError as error:
        raise WeightsError(f"{path} is not an ONNX file, or is cut off") from error
    # Almost any bytes are a message of some kind; a network has these.
    if not (model.graph.node and model.graph.output and model.opset_import):
        raise WeightsError(f"{path} is not an ONNX file: it holds no network")
    _refuse_other_files(path, model)
    try:
        return _from_model(path, model)
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{path} is damaged: {error}") from error


def _refuse_other_files(path: Path, model: Any) -> None:
    """A path in a file could name any file of this machine, and its hash covers none of them."""
    from onnx import TensorProto

    for tensor in _messages(model, TensorProto):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise WeightsError(
                f"{path} keeps weights in other files, which Bauta does not follow. Save it as one "
                "file: onnx.save(onnx.load(FILE), NEW, save_as_external_data=False)"
            )


def _messages(message: Any, kind: type) -> Iterator[Any]:
    """Every message of a kind within a message, however deep."""
    if isinstance(message, kind):
        yield message
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        # Repeated fields are sequences of messages, single ones messages.
        for inner in [value] if hasattr(value, "ListFields") else value:
            yield from _messages(inner, kind)


def _from_model(path: Path, model: Any) -> OnnxFile:
    graph = model.graph
    if graph.sparse_initializer:
        raise WeightsError(f"{path} has sparse weights, which Bauta does not read")
    opset = max((s.version for s in model.opset_import if s.domain in _STANDARD_DOMAINS), default=0)
    if opset < LEAST_OPSET:
        raise WeightsError(
            f"{path} uses operator set {opset}; at least {LEAST_OPSET} is needed. Convert it with "
            "onnx.version_converter.convert_version"
        )
    constants = {_text(tensor.name): _tensor(tensor) for tensor in graph.initializer}
    # Old files list their weights among the inputs.
    name, shape = _only_input(path, [put for put in graph.input if put.name not in constants])
    return OnnxFile(
        nodes=tuple(_node(node, opset) for node in graph.node),
        constants=constants,
        input=name,
        shape=shape,
        outputs=tuple(_text(put.name) for put in graph.output),
    )


def _only_input(path: Path, inputs: Sequence[Any]) -> tuple[str, tuple[int | None, ...]]:
    from onnx import TensorProto

    if len(inputs) != 1:
        names = ", ".join(put.name for put in inputs) or "none"
        raise WeightsError(f"{path} has {len(inputs)} inputs ({names}); a recognizer has one")
    kind = inputs[0].type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        raise WeightsError(f"the input of {path} is not of 32-bit floating point numbers")
    axes = kind.shape.dim
    shape = tuple(axis.dim_value if axis.dim_value > 0 else None for axis in axes)
    return _text(inputs[0].name), shape


def _node(node: Any, opset: int) -> Node:
    from onnx import AttributeProto, helper

    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type == AttributeProto.TENSOR:
            attributes[attribute.name] = _tensor(attribute.t)
        elif attribute.type in (AttributeProto.STRING, AttributeProto.STRINGS):
            value = helper.get_attribute_value(attribute)
            many = attribute.type == AttributeProto.STRINGS
            attributes[attribute.name] = [v.decode() for v in value] if many else value.decode()
        elif attribute.type in (
            AttributeProto.INT,
            AttributeProto.INTS,
            AttributeProto.FLOAT,
            AttributeProto.FLOATS,
        ):
            value = helper.get_attribute_value(attribute)
            attributes[attribute.name] = value if isinstance(value, int | float) else list(value)
        # What is left are graphs within nodes, which belong to operators that are not supported.
    own = node.domain in _STANDARD_DOMAINS
    operator = _text(node.op_type) if own else f"{node.domain}.{node.op_type}"
    inputs, outputs = (tuple(map(_text, names)) for names in (node.input, node.output))
    return Node(operator, inputs, outputs, attributes, opset)


def _text(name: Any) -> str:
    """Name as text; protobuf hands over bytes where they are no UTF-8."""
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is no name")
    return name


def _tensor(tensor: Any) -> Tensor:
    """Tensor of a file; all floats as float32, so that one type is computed with throughout."""
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    if np.iscomplexobj(array):
        raise ValueError("its weights are complex numbers")
    if array.dtype == np.bool_:
        kind: Any = np.bool_
    elif np.issubdtype(array.dtype, np.integer):
        kind = np.int64
    else:
        kind = np.float32
    return torch.from_numpy(np.array(array, dtype=kind))
