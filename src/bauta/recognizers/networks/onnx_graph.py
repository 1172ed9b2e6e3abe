"""An ONNX graph as a torch module, so that gradients go through any recognizer of that format.

At loading, what does not depend on the image is computed once: constants, and all arithmetic on
shapes that comes out the same for one image and for two. The rest is interpreted node by node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from bauta.errors import WeightsError
from bauta.memory import raise_if_short
from bauta.recognizers.networks import onnx_shapes, onnx_windows
from bauta.recognizers.networks.onnx_file import Node, OnnxFile, read_onnx
from bauta.recognizers.networks.onnx_fuse import fuse_batch_norms
from bauta.recognizers.networks.onnx_operators import OPERATORS, sizes_limited, unsupported

#: These two enter their operators into the table.
assert onnx_shapes
assert onnx_windows
#: Share of the largest number by which an image alone may differ from the same within a batch.
_SAME = 1e-3
#: What operators raise for arguments that do not fit: the file's fault, not the caller's.
_MISFITS = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    AssertionError, MemoryError,
)  # fmt: skip
_SHAPE_OPERATORS = ("Shape", "Size")


@dataclass(frozen=True, eq=False)
class _Step:
    """A node, and the values that nothing needs after it."""

    node: Node
    finished: tuple[str, ...]


class OnnxGraph(nn.Module):
    """Map (B, ...) float images in the file's own scale to a tuple of its outputs.

    Batches work for files that were saved for one image, too: together where the graph allows,
    else image by image.

    Attributes:
        shape: axes of one image, without the batch.
        outputs: names of the outputs.
        together: whether the images of a batch are computed together.

    """

    def __init__(self, file: OnnxFile, shape: Sequence[int] | None = None) -> None:
        """Build the network.

        Args:
            file: what was read.
            shape: axes of one image; None: as the file says.

        Raises:
            WeightsError: the file uses something that is not supported, does not take images of
                this shape, or is damaged.

        """
        super().__init__()
        _check_operators(file)
        self.shape = _image_shape(file, shape)
        self.outputs = file.outputs
        self.together = True
        self._input = file.input
        self._slots: dict[str, str] = {}
        self._steps: list[_Step] = []
        with torch.no_grad(), sizes_limited():
            self._settle(fuse_batch_norms(_fold_constants(file)))

    @classmethod
    def load(cls, path: Path, shape: Sequence[int] | None = None) -> OnnxGraph:
        """Build the network out of a file.

        Args:
            path: the file.
            shape: axes of one image; None: as the file says.

        Raises:
            MissingExtraError: the package onnx is not installed.
            WeightsError: the file cannot be read or not be used; see :meth:`__init__`.

        """
        file = read_onnx(path)
        try:
            return cls(file, shape).eval()
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from error

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs of (B, ...) images. Differentiable."""
        if self.together or len(images) == 1:
            return self._compute(images)
        rows = [self._compute(image) for image in torch.split(images, 1)]
        return tuple(torch.cat(column) for column in zip(*rows, strict=True))

    def weights(self, operators: Sequence[str]) -> list[tuple[Tensor, ...]]:
        """Constants of these operators' nodes, node by node in the order of computation."""
        nodes = [step.node for step in self._steps if step.node.operator in operators]
        return [
            tuple(getattr(self, self._slots[name]) for name in node.inputs if name in self._slots)
            for node in nodes
        ]

    def _settle(self, file: OnnxFile) -> None:
        """Find out about batches, and fix all shapes that do not depend on them."""
        pair = torch.rand((2, *self.shape), generator=torch.Generator().manual_seed(0)) * 2 - 1
        self._install(file)
        shapes = _shape_values(file)
        first, second = (self._watch(image, shapes) for image in torch.split(pair, 1))
        for candidate in (_keep_batch(file), file):
            self._install(candidate)
            fixed = first.shapes
            try:
                both = self._watch(pair, shapes)
                self.together = _agree([first.outputs, second.outputs], both.outputs)
            except WeightsError:
                self.together = False
            if self.together:
                fixed = {n: v for n, v in fixed.items() if torch.equal(v, both.shapes[n])}
                break
        self._install(candidate.with_graph(candidate.nodes, {**candidate.constants, **fixed}))

    def _install(self, file: OnnxFile) -> None:
        """Put a graph into the module: what its outputs need, and nothing else."""
        nodes, constants = _needed(file)
        self._steps = _with_ends(nodes, file.outputs)
        for slot in self._slots.values():
            delattr(self, slot)
        self._slots = {name: f"constant_{i}" for i, name in enumerate(constants)}
        for name, slot in self._slots.items():
            # Contiguous and its own: folded values may be views of something large.
            self.register_buffer(slot, constants[name].detach().clone(), persistent=False)

    def _watch(self, images: Tensor, names: frozenset[str]) -> _Run:
        """Compute, and keep the values of these names."""
        kept: dict[str, Tensor] = {}
        return _Run(self._compute(images, names, kept), kept)

    def _compute(
        self,
        images: Tensor,
        names: frozenset[str] = frozenset(),
        kept: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, ...]:
        values: dict[str, Tensor] = {self._input: images}
        for step in self._steps:
            made = _run(step.node, [self._value(name, values) for name in step.node.inputs])
            if kept is not None:
                kept.update((name, made[name]) for name in names & made.keys())
            values.update(made)
            for name in step.finished:
                del values[name]
        return tuple(self._found(name, values) for name in self.outputs)

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
        return self._found(name, values) if name else None

    def _found(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        if name in values:
            return values[name]
        if name not in self._slots:
            raise WeightsError(f"it is damaged: nothing makes the value {name!r}")
        value: Tensor = getattr(self, self._slots[name])
        return value


@dataclass(frozen=True)
class _Run:
    outputs: tuple[Tensor, ...]
    shapes: dict[str, Tensor]


def _run(node: Node, inputs: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """Compute one node: its outputs by name."""
    try:
        made = OPERATORS[node.operator](node, *inputs)
    except _MISFITS as error:
        raise_if_short(error)
        raise WeightsError(f"its operator {node.operator} cannot be computed: {error}") from error
    parts = [made] if isinstance(made, Tensor) else list(made)
    if len(parts) < sum(name != "" for name in node.outputs):
        raise unsupported(f"the operator {node.operator} with {len(node.outputs)} outputs")
    return {name: part for name, part in zip(node.outputs, parts, strict=False) if name}


def _check_operators(file: OnnxFile) -> None:
    missing = sorted({node.operator for node in file.nodes} - OPERATORS.keys())
    if missing:
        raise unsupported(f"the operator{'s' * (len(missing) > 1)} {', '.join(missing)}")


def _image_shape(file: OnnxFile, wanted: Sequence[int] | None) -> tuple[int, ...]:
    if file.shape[:1] not in ((1,), (None,)):
        raise WeightsError(f"its input is no batch of images: its axes are {list(file.shape)}")
    own = file.shape[1:]
    said = "x".join("?" if n is None else str(n) for n in own) or "no axes"
    shape = tuple(n for n in wanted or own if n is not None)
    if wanted is None and len(shape) < len(own):
        raise WeightsError(f"it takes images of {said}, so their size must be given")
    if len(own) != len(shape) or any(o not in (None, n) for o, n in zip(own, shape, strict=True)):
        raise WeightsError(f"it takes images of {said}, not {'x'.join(map(str, shape))}")
    return shape


def _fold_constants(file: OnnxFile) -> OnnxFile:
    """Compute every node that depends on constants alone."""
    constants = dict(file.constants)
    nodes = []
    for node in file.nodes:
        if all(name in constants for name in node.inputs if name):
            constants.update(_run(node, [constants.get(name) for name in node.inputs]))
        else:
            nodes.append(node)
    return file.with_graph(nodes, constants)


def _keep_batch(file: OnnxFile) -> OnnxFile:
    """Let every reshape to a fixed first length of 1 keep the length that there is.

    Files saved for one image have such reshapes. Whether that is right is found out by trying.
    """
    constants = dict(file.constants)
    nodes = []
    for node in file.nodes:
        target = constants.get(node.inputs[1]) if node.operator == "Reshape" else None
        if target is not None and target[:1].tolist() == [1] and not node.get("allowzero", 0):
            name = f"{node.inputs[1]}/any batch"
            constants[name] = torch.cat([torch.zeros_like(target[:1]), target[1:]])
            node = replace(node, inputs=(node.inputs[0], name))
        nodes.append(node)
    return file.with_graph(nodes, constants)


def _shape_values(file: OnnxFile) -> frozenset[str]:
    """Names of the values that depend on shapes and constants alone."""
    names: set[str] = set()
    for node in file.nodes:
        known = all(name in file.constants or name in names for name in node.inputs if name)
        if node.operator in _SHAPE_OPERATORS or known:
            names.update(name for name in node.outputs if name)
    return frozenset(names)


def _needed(file: OnnxFile) -> tuple[list[Node], dict[str, Tensor]]:
    """Nodes and constants that the outputs depend on; what is constant needs no node."""
    wanted = set(file.outputs)
    nodes = []
    for node in reversed(file.nodes):
        if any(name in wanted and name not in file.constants for name in node.outputs):
            wanted.update(name for name in node.inputs if name)
            nodes.append(node)
    return nodes[::-1], {n: value for n, value in file.constants.items() if n in wanted}


def _with_ends(nodes: Sequence[Node], outputs: Sequence[str]) -> list[_Step]:
    """Steps that say which values are finished, so that their memory is free again."""
    made = {name for node in nodes for name in node.outputs if name}
    seen = set(outputs)
    steps = []
    for node in reversed(nodes):
        last = {name for name in (*node.inputs, *node.outputs) if name in made} - seen
        seen |= last
        steps.append(_Step(node, tuple(last)))
    return steps[::-1]


def _agree(singles: Sequence[tuple[Tensor, ...]], both: tuple[Tensor, ...]) -> bool:
    """Whether two images in one batch come out as they do one by one."""
    for one, two, joined in zip(*singles, both, strict=True):
        if joined.shape[:1] != (2,) or one.shape[:1] != (1,) or joined[:1].shape != one.shape:
            return False
        apart = (joined - torch.cat([one, two])).abs().max()
        if not apart <= _SAME * max(float(one.abs().max()), 1e-12):
            return False
    return True
