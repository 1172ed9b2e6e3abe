"""Every operator against onnxruntime, with odd parameters; gradients where they are subtle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bauta.errors import WeightsError
from bauta.recognizers.networks.onnx_file import Node, read_onnx
from bauta.recognizers.networks.onnx_graph import OnnxGraph
from bauta.recognizers.networks.onnx_operators import OPERATORS
from tests.recognizers.onnx_files import Builder, run_reference, save, single

few = settings(max_examples=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("onnx")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_as_reference(folder, model, x: np.ndarray, tolerance: float = 2e-5) -> None:
    theirs = run_reference(model, x)
    ours = OnnxGraph(read_onnx(save(model, folder / "one.onnx")))(torch.from_numpy(x))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == b.shape
        np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


X = noise(1, 4, 6, 5)
#: Operator, constant inputs, attributes, opset.
PLAIN: list[tuple[str, list[Any], dict[str, Any], int]] = [
    *((name, [], {}, 17) for name in ("Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Erf")),
    *((name, [], {}, 17) for name in ("Identity", "Floor", "Ceil", "Sign", "HardSwish", "Sin")),
    *((name, [], {}, 17) for name in ("Cos", "Softplus", "Softsign", "Round", "Reciprocal")),
    *((name, [2.5], {}, 17) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum")),
    ("Mean", [noise(4, 1, 1)], {}, 17),
    ("Mish", [], {}, 18),
    ("Sqrt", [], {}, 17),
    ("Log", [], {}, 17),
    ("Pow", [2.0], {}, 17),
    ("Pow", [3], {}, 17),
    ("LeakyRelu", [], {}, 17),
    ("LeakyRelu", [], {"alpha": 0.3}, 9),
    ("Elu", [], {"alpha": 0.7}, 17),
    ("Selu", [], {}, 17),
    ("HardSigmoid", [], {}, 17),
    ("HardSigmoid", [], {"alpha": 1 / 6, "beta": 0.5}, 17),
    ("Gelu", [], {}, 20),
    ("Gelu", [], {"approximate": "tanh"}, 20),
    ("PRelu", [noise(4, 1, 1)], {}, 17),
    ("PRelu", [noise(1)], {}, 17),
    ("PRelu", [noise(4, 6, 5)], {}, 9),
    ("PRelu", [noise(5)], {}, 17),
    ("Clip", [0.0, 6.0], {}, 17),
    ("Clip", [None, 0.5], {}, 13),
    ("Clip", [-0.5], {}, 11),
    ("Clip", [], {"min": 0.0, "max": 6.0}, 9),
    ("Clip", [], {"max": 1.0}, 10),
    ("Dropout", [], {}, 13),
    ("Dropout", [], {"ratio": 0.4}, 10),
    ("Softmax", [], {}, 17),
    ("Softmax", [], {"axis": 1}, 13),
    ("Softmax", [], {}, 11),
    ("Softmax", [], {"axis": 2}, 9),
    ("LogSoftmax", [], {"axis": 1}, 13),
    ("MatMul", [noise(5, 3)], {}, 17),
    ("MatMul", [noise(4, 5, 2)], {}, 17),
    ("Flatten", [], {}, 17),
    ("Flatten", [], {"axis": 2}, 9),
    ("Flatten", [], {"axis": -1}, 13),
    ("Reshape", [[1, -1]], {}, 17),
    ("Reshape", [[0, 0, 30]], {}, 17),
    ("Reshape", [[2, -1, 3]], {}, 9),
    ("Transpose", [], {}, 17),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, 17),
    ("Squeeze", [[0]], {}, 17),
    ("Squeeze", [], {"axes": [0]}, 11),
    ("Squeeze", [], {}, 13),
    ("Unsqueeze", [[0, -1]], {}, 17),
    ("Unsqueeze", [], {"axes": [1, 3]}, 11),
    ("Slice", [[0, 1], [1, 3]], {}, 17),
    ("Slice", [[0, -1], [6, -9], [2, 3], [2, -1]], {}, 17),
    ("Slice", [], {"starts": [1, 0], "ends": [-1, 9999], "axes": [2, 3]}, 9),
    ("Slice", [[-2], [2**62], [-1]], {}, 10),
    ("Gather", [[0, -1, 2]], {"axis": 1}, 17),
    ("Gather", [1], {"axis": 2}, 17),
    ("Gather", [[[0, 1], [2, 3]]], {"axis": 3}, 17),
    ("Expand", [[3, 1, 6, 1]], {}, 17),
    ("Expand", [[2, 1, 4, 6, 5]], {}, 17),
    ("Tile", [[1, 2, 1, 3]], {}, 17),
    ("Pad", [[0, 0, 1, 2, 0, 0, 0, 3]], {}, 17),
    ("Pad", [[0, 1, 1, 0, 0, 0, 0, 3], 1.5], {"mode": "constant"}, 13),
    ("Pad", [[0, 0, 2, 1, 0, 0, 3, 4]], {"mode": "reflect"}, 13),
    ("Pad", [[0, 0, 2, 1, 0, 0, 3, 4]], {"mode": "edge"}, 11),
    ("Pad", [], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": -1.0}, 9),
    ("Pad", [[1, 2], 0.5, [2]], {}, 18),
    ("Pad", [[0, 0, -1, 0, 0, 0, 0, -2]], {}, 13),
    ("ReduceMean", [], {"axes": [2, 3]}, 17),
    ("ReduceMean", [], {"axes": [-1], "keepdims": 0}, 13),
    ("ReduceMean", [[2, 3]], {}, 18),
    ("ReduceSum", [[1]], {"keepdims": 0}, 13),
    ("ReduceSum", [], {"axes": [1, 2]}, 11),
    ("ReduceSum", [], {}, 13),
    ("ReduceSum", [], {"noop_with_empty_axes": 1}, 13),
    *((name, [], {"axes": [1]}, 13) for name in ("ReduceL1", "ReduceL2", "ReduceSumSquare")),
    *((name, [], {"axes": [2, 3]}, 13) for name in ("ReduceMax", "ReduceMin", "ReduceLogSumExp")),
    ("ReduceMax", [[1]], {}, 20),
    ("LpNormalization", [], {"axis": 1}, 17),
    ("LpNormalization", [], {"axis": -1, "p": 1}, 17),
    ("LayerNormalization", [noise(5), noise(5, seed=1)], {}, 17),
    ("LayerNormalization", [noise(6, 5)], {"axis": 2, "epsilon": 1e-3}, 17),
    ("InstanceNormalization", [noise(4), noise(4, seed=1)], {}, 17),
    (
        "BatchNormalization",
        [noise(4), noise(4, seed=1), noise(4, seed=2), np.abs(noise(4, seed=3)) + 0.1],
        {"epsilon": 1e-3},
        9,
    ),
    # Old and new operator sets, where only types or rare settings differ.
    *((name, [], {}, 7) for name in ("Relu", "Flatten", "Softmax", "Transpose", "GlobalMaxPool")),
    ("Upsample", [], {"scales": [1.0, 1.0, 2.0, 2.0], "mode": "nearest"}, 7),
    ("PRelu", [noise(4, 1, 1)], {}, 7),
    ("Reshape", [[1, -1]], {}, 21),
    ("Flatten", [], {}, 21),
    ("Squeeze", [[0]], {}, 21),
    ("Unsqueeze", [[0]], {}, 21),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, 21),
    ("Pad", [[0, 0, 1, 1, 0, 0, 2, 2]], {"mode": "edge"}, 21),
    ("ReduceMean", [[2, 3]], {"keepdims": 0}, 21),
    ("Clip", [0.0, 6.0], {}, 21),
    ("GlobalAveragePool", [], {}, 17),
    ("GlobalMaxPool", [], {}, 17),
    ("DepthToSpace", [], {"blocksize": 2}, 13),
    ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}, 13),
    ("Upsample", [[1.0, 1.0, 2.0, 3.0]], {"mode": "nearest"}, 9),
    ("Upsample", [[1.0, 1.0, 2.0, 2.0]], {"mode": "linear"}, 9),
    ("Resize", [[1.0, 1.0, 2.0, 2.0]], {"mode": "nearest"}, 10),
    ("Resize", [[1.0, 1.0, 0.5, 2.0]], {"mode": "linear"}, 10),
]  # fmt: skip
_POSITIVE = {"Sqrt", "Log"}


@pytest.mark.parametrize(
    ("name", "constants", "attributes", "opset"),
    PLAIN,
    ids=lambda value: str(value)[:30],
)
def test_operator(folder, name, constants, attributes, opset):
    x = np.abs(X) + 0.1 if name in _POSITIVE else X
    assert_as_reference(folder, single(name, x, *constants, opset=opset, **attributes), x)


def test_space_to_depth_einsum_and_comparisons(folder):
    x = noise(1, 4, 6, 6)
    assert_as_reference(folder, single("SpaceToDepth", x, blocksize=3), x)
    build = Builder()
    twice = build.add("Einsum", "input", build.constant(noise(6, 2)), equation="bchw,wk->bkhc")
    flags = [build.add(name, "input", build.constant(0.2)) for name in ("Greater", "Less")]
    flags += [build.add(n, "input", build.constant(0.2)) for n in ("GreaterOrEqual", "LessOrEqual")]
    joined = build.add("And", build.add("Not", flags[0]), build.add("Or", flags[1], flags[3]))
    joined = build.add("Or", joined, build.add("Equal", "input", "input"))
    chosen = build.add("Where", joined, "input", build.constant(7.0))
    chosen = build.add("Where", flags[2], chosen, build.constant(-7.0))
    number = build.add("Cast", flags[0], to=1)
    whole = build.add("Cast", build.add("Cast", "input", to=7), to=1)
    model = build.model([twice, chosen, number, whole], shape=x.shape)
    assert_as_reference(folder, model, x)


def test_arithmetic_of_shapes(folder):
    """Integers: ranges, whole division, sizes, what is made of a shape."""
    x = noise(1, 4, 6, 5)
    build = Builder()
    lengths = build.add("Shape", "input")
    height = build.add("Gather", lengths, build.constant(2, np.int64))
    half = build.add("Div", height, build.constant(4, np.int64))
    zero, one = build.constant(0, np.int64), build.constant(1, np.int64)
    steps = build.add("Cast", build.add("Range", zero, height, one), to=1)
    steps = build.add("Unsqueeze", steps, build.integers(1))
    zeros = build.add("ConstantOfShape", lengths)
    y = build.add("Add", build.add("Mul", "input", steps), zeros)
    y = build.add("Add", y, build.add("Cast", half, to=1))
    count = build.add("Cast", build.add("Size", "input"), to=1)
    y = build.add("Div", y, count)
    assert_as_reference(folder, build.model([y], shape=x.shape), x)
    part = build.add("Shape", "input", start=-3, end=-1)
    y = build.add("Reshape", "input", build.add("Concat", part, build.integers(-1), axis=0))
    assert_as_reference(folder, build.model([y], shape=x.shape, opset=17), x)


@pytest.mark.parametrize(("opset", "parts"), [(11, [1, 3]), (13, [1, 3]), (13, None), (18, None)])
def test_split(folder, opset, parts):
    constants = [parts] if parts and opset >= 13 else []
    attributes = {"split": parts} if parts and opset < 13 else {}
    if opset >= 18:
        attributes["num_outputs"] = 3  # of four channels: 2, 2 and nothing would be wrong
        x = noise(1, 7, 2, 2)
        model = single("Split", x, outputs=3, axis=1, opset=opset, **attributes)
        return assert_as_reference(folder, model, x)
    model = single("Split", X, *constants, outputs=2, axis=1, opset=opset, **attributes)
    return assert_as_reference(folder, model, X)


@pytest.mark.parametrize("turned", [{}, {"transA": 1}, {"transB": 1}, {"alpha": 0.5, "beta": 2.0}])
def test_gemm(folder, turned):
    build = Builder()
    b = noise(3, 4).T.copy() if "transB" in turned else noise(3, 4)
    left = build.add("Transpose", "input") if "transA" in turned else "input"
    y = build.add("Gemm", left, build.constant(b), build.constant(noise(4)), **turned)
    assert_as_reference(folder, build.model([y], shape=(1, 3)), noise(1, 3))


windows = st.fixed_dictionaries(
    {
        "kernel": st.lists(st.integers(1, 4), min_size=2, max_size=2),
        "strides": st.lists(st.integers(1, 3), min_size=2, max_size=2),
        "pads": st.lists(st.integers(0, 2), min_size=4, max_size=4),
        "lengths": st.lists(st.integers(5, 9), min_size=2, max_size=2),
        "auto": st.sampled_from([None, None, "SAME_UPPER", "SAME_LOWER", "VALID"]),
    }
)


@few
@given(
    windows,
    st.lists(st.integers(1, 2), min_size=2, max_size=2),
    st.sampled_from([(1, 1), (2, 2), (4, 1), (4, 2)]),
    st.booleans(),
)
def test_convolutions(folder, window, dilations, grouping, with_bias):
    groups, multiple = grouping
    if window["auto"]:  # the reference refuses both together
        dilations = [1, 1]
    reach = [(k - 1) * d + 1 for k, d in zip(window["kernel"], dilations, strict=True)]
    assume(all(r <= n for r, n in zip(reach, window["lengths"], strict=True)))
    x = noise(1, 4, *window["lengths"])
    constants = [noise(groups * multiple, 4 // groups, *window["kernel"], seed=1)]
    constants += [noise(groups * multiple, seed=2)] if with_bias else []
    pads = {"auto_pad": window["auto"]} if window["auto"] else {"pads": window["pads"]}
    model = single(
        "Conv", x, *constants, group=groups, strides=window["strides"], dilations=dilations, **pads
    )
    assert_as_reference(folder, model, x)


def pool(window, ceil: bool) -> dict[str, Any]:
    attributes = {"kernel_shape": window["kernel"], "strides": window["strides"]}
    if window["auto"]:
        # The reference takes what a large stride leaves over for a negative rim, and refuses.
        assume(all(s <= k for s, k in zip(window["strides"], window["kernel"], strict=True)))
        return attributes | {"auto_pad": window["auto"]}
    pads = window["pads"]
    # A window of nothing but rim has no mean.
    assume(all(max(pads[i], pads[i + 2]) < window["kernel"][i] for i in range(2)))
    return attributes | {"pads": pads, "ceil_mode": int(ceil)}


@few
@given(windows, st.booleans(), st.lists(st.integers(1, 2), min_size=2, max_size=2))
def test_max_pools(folder, window, ceil, dilations):
    attributes = pool(window, ceil)
    reach = [(k - 1) * d + 1 for k, d in zip(window["kernel"], dilations, strict=True)]
    assume(all(r <= n for r, n in zip(reach, window["lengths"], strict=True)))
    if not window["auto"]:
        attributes["dilations"] = dilations
    x = noise(1, 2, *window["lengths"])
    assert_as_reference(folder, single("MaxPool", x, opset=12, **attributes), x)


@few
@given(windows, st.booleans(), st.booleans(), st.sampled_from([11, 19]))
def test_average_pools(folder, window, ceil, include, opset):
    x = noise(1, 2, *window["lengths"])
    attributes = pool(window, ceil)
    model = single("AveragePool", x, opset=opset, count_include_pad=int(include), **attributes)
    assert_as_reference(folder, model, x)


@few
@given(
    st.sampled_from(["nearest", "linear"]),
    st.sampled_from(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]),
    st.sampled_from(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    st.booleans(),
)
def test_resize(folder, mode, coordinates, nearest, lengths, by_scale):
    x = noise(1, 2, 4, 4)
    # Quarters are exact in both float types; other factors differ at the last bit, and so at ties.
    assume(mode == "linear" or coordinates != "align_corners")
    assume(mode == "linear" or all(n in (1, 2, 4, 8) for n in lengths))
    given_size = [None, [1.0, 1.0, lengths[0] / 4, lengths[1] / 4]]
    if not by_scale:
        given_size = [None, None, [1, 2, *lengths]]
    model = single(
        "Resize", x, *given_size, mode=mode, nearest_mode=nearest,
        coordinate_transformation_mode=coordinates, opset=13,
    )  # fmt: skip
    assert_as_reference(folder, model, x)


def test_one_axis_convolution_and_pools(folder):
    x = noise(1, 3, 9)
    model = single("Conv", x, noise(2, 3, 3), strides=[2], pads=[1, 0])
    assert_as_reference(folder, model, x)
    assert_as_reference(folder, single("MaxPool", x, kernel_shape=[2], strides=[2]), x)
    assert_as_reference(folder, single("AveragePool", x, kernel_shape=[3], pads=[1, 1]), x)


def node(name: str, **attributes: Any) -> Node:
    return Node(name, ("x",), ("y",), attributes, 17)


SMOOTH = [
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 0, 2], "strides": [2, 1]}, []),
    ("MaxPool", {"kernel_shape": [2, 3], "ceil_mode": 1, "strides": [2, 2]}, []),
    ("Conv", {"pads": [0, 1, 2, 0], "strides": [2, 1], "group": 2}, [noise(4, 2, 3, 2)]),
    ("PRelu", {}, [noise(4, 1, 1)]),
    ("PRelu", {}, [noise(4, 6, 5)]),
    ("Pad", {"mode": "reflect"}, [np.array([0, 0, 2, 1, 0, 0, 3, 4])]),
    ("Resize", {"mode": "linear"}, [None, np.array([1, 1, 1.7, 0.6])]),
    ("LpNormalization", {"axis": 1}, []),
    ("ReduceL2", {"axes": [2, 3]}, []),
    ("HardSigmoid", {}, []),
    ("Softmax", {"axis": 1}, []),
    ("LayerNormalization", {}, [noise(5)]),
    ("Gather", {"axis": 1}, [np.array([0, -1, 0])]),
]


@pytest.mark.parametrize(("name", "attributes", "constants"), SMOOTH, ids=lambda v: str(v)[:20])
def test_gradients_are_right(name, attributes, constants):
    rest = [None if c is None else torch.from_numpy(c) for c in constants]
    rest = [c.double() if c is not None and c.is_floating_point() else c for c in rest]
    x = torch.from_numpy(X).double().requires_grad_(True)

    def run(value):
        return OPERATORS[name](node(name, **attributes), value, *rest)

    assert torch.autograd.gradcheck(run, (x,))


@pytest.mark.parametrize(
    ("name", "constants", "attributes", "opset"),
    [
        ("ThresholdedRelu", [], {}, 17),
        ("Cast", [], {"to": 3}, 17),
        ("Resize", [None, [1.0, 1.0, 2.0, 2.0]], {"mode": "cubic"}, 13),
        ("Resize", [None, [1.0, 1.0, 0.5, 0.5]], {"mode": "linear", "antialias": 1}, 18),
    ],
)
def test_what_is_not_supported_is_named(folder, name, constants, attributes, opset):
    model = single(name, X, *constants, opset=opset, **attributes)
    with pytest.raises(WeightsError, match=rf"{name}.*still be used as a judge"):
        OnnxGraph.load(save(model, folder / "one.onnx"))


def test_second_outputs_are_not_supported(folder):
    x = noise(1, 2, 4, 4)
    model = single("MaxPool", x, outputs=2, kernel_shape=[2, 2])
    with pytest.raises(WeightsError, match="MaxPool with 2 outputs"):
        OnnxGraph.load(save(model, folder / "one.onnx"))
