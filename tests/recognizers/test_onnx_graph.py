"""ONNX graphs as torch modules: whole networks, batches, memory, and files that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor

from bauta.errors import MissingExtraError, WeightsError
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet
from bauta.recognizers.networks.onnx_file import read_onnx
from bauta.recognizers.networks.onnx_graph import OnnxGraph
from tests.recognizers.onnx_files import (
    Builder,
    Transformer,
    mobilefacenet_model,
    random_mobilefacenet,
    run_reference,
    save,
    single,
    transformer_model,
)


@pytest.fixture(scope="module")
def mobilefacenet() -> MobileFaceNet:
    return random_mobilefacenet()


def original(network: MobileFaceNet, images: Tensor) -> Tensor:
    """MobileFaceNet on images that are normalised already, without the unit length."""
    x = images * network.std + network.mean
    seen: list[Tensor] = []
    hook = network.output.register_forward_hook(lambda _m, _i, out: seen.append(out.flatten(1)))
    network(x)
    hook.remove()
    return seen[0]


def images(count: int, size: int = 112, seed: int = 1) -> Tensor:
    return torch.randn((count, 3, size, size), generator=torch.Generator().manual_seed(seed))


def share_of(difference: Tensor | np.ndarray, whole: Tensor | np.ndarray) -> float:
    return float(abs(difference).max() / abs(whole).max())


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("batch", [1, "n"])
def test_our_network_comes_back(tmp_path: Path, mobilefacenet, batch, norms):
    path = save(mobilefacenet_model(mobilefacenet, batch=batch, norms=norms), tmp_path / "m.onnx")
    graph = OnnxGraph.load(path)
    assert graph.together
    x = images(3)
    ours = graph(x)[0]
    theirs = np.concatenate([run_reference(path, one.numpy())[0] for one in x.split(1)])
    # Measured: 1e-6 against onnxruntime, 5e-7 against the original.
    assert share_of(ours.numpy() - theirs, theirs) < 1e-5
    assert share_of(ours - original(mobilefacenet, x), theirs) < 1e-5
    for i, one in enumerate(x.split(1)):
        assert share_of(graph(one)[0] - ours[i], theirs) < 1e-5


def test_batch_norms_are_folded(tmp_path: Path, mobilefacenet):
    plain, normed = (
        OnnxGraph.load(
            save(mobilefacenet_model(mobilefacenet, norms=norms), tmp_path / f"{norms}.onnx")
        )
        for norms in (False, True)
    )
    assert len(normed._steps) == len(plain._steps)
    assert all(step.node.operator != "BatchNormalization" for step in normed._steps)


def test_a_shared_convolution_keeps_its_batch_norm(tmp_path: Path):
    build = Builder()
    x = build.add("Conv", "input", build.constant(np.ones((4, 3, 1, 1))))
    ones = [build.constant(np.linspace(0.5, 2, 4)) for _ in range(4)]
    y = build.add("BatchNormalization", x, *ones)
    path = save(build.model([build.add("Add", x, y)], shape=(1, 3, 5, 5)), tmp_path / "s.onnx")
    x = images(1, 5)
    (theirs,) = run_reference(path, x.numpy())
    np.testing.assert_allclose(OnnxGraph.load(path)(x)[0].numpy(), theirs, atol=1e-5)


def gradients(graph: OnnxGraph, network: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Gradients of a random sum of the outputs: the original's and the graph's."""
    weight = torch.randn(network(x).shape, generator=torch.Generator().manual_seed(2))
    out = []
    for run in (network, lambda value: graph(value)[0]):
        point = x.clone().requires_grad_(True)
        out.append(torch.autograd.grad((run(point) * weight).sum(), point)[0])
    return out


def test_gradients_are_the_original_networks(tmp_path: Path, mobilefacenet):
    path = save(mobilefacenet_model(mobilefacenet, norms=True), tmp_path / "m.onnx")
    graph = OnnxGraph.load(path)
    a, b = gradients(graph, lambda x: original(mobilefacenet, x), images(2))
    # Measured: 1 - 1e-7. Rounding may move a rectifier over its corner, so not number by number.
    assert float(torch.cosine_similarity(a.flatten(1), b.flatten(1)).min()) > 0.999


def test_transformer(tmp_path: Path):
    network = Transformer()
    path = save(transformer_model(network), tmp_path / "t.onnx")
    graph = OnnxGraph.load(path)
    assert graph.together
    for count in (1, 3):
        x = images(count, 32)
        (theirs,) = run_reference(path, x.numpy())
        assert share_of(graph(x)[0].numpy() - theirs, theirs) < 1e-5
        assert share_of(graph(x)[0] - network(x), theirs) < 1e-5
    a, b = gradients(graph, network, images(2, 32))
    # Measured: 2e-6; nothing in it has corners.
    assert share_of(a - b, a) < 1e-4


def test_gradients_are_right(tmp_path: Path):
    """Against a central difference, in double precision."""
    graph = OnnxGraph.load(save(transformer_model(Transformer()), tmp_path / "t.onnx")).double()
    x = images(1, 32).double()
    along = images(1, 32, seed=3).double()
    point = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(graph(point)[0].square().sum(), point)
    ends = [graph(x + sign * 1e-5 * along)[0].square().sum() for sign in (1, -1)]
    slope = float((ends[0] - ends[1]) / 2e-5)
    assert float((gradient * along).sum()) == pytest.approx(slope, rel=1e-6)


def test_shapes_that_do_not_depend_on_the_batch_are_computed_once(tmp_path: Path):
    build = Builder()
    shape = build.add("Shape", "input")
    parts = [build.add("Gather", shape, build.integers(i), axis=0) for i in (0, 2)]
    rest = build.add("Mul", parts[1], build.integers(3 * 8))
    y = build.add("Reshape", "input", build.add("Concat", parts[0], rest, axis=0))
    graph = OnnxGraph.load(save(build.model([y], shape=("n", 3, 8, 8)), tmp_path / "s.onnx"))
    left = [step.node.operator for step in graph._steps]
    assert left == ["Shape", "Gather", "Concat", "Reshape"]
    assert graph(images(5, 8))[0].shape == (5, 192)


def test_a_graph_for_one_image_takes_many_one_by_one(tmp_path: Path):
    """A reshape that hides the batch within another axis."""
    build = Builder()
    x = build.add("Reshape", "input", build.integers(3, -1))
    x = build.add("MatMul", x, build.constant(np.random.default_rng(0).normal(size=(64, 5))))
    y = build.add("Reshape", x, build.integers(1, 15))
    path = save(build.model([y], shape=(1, 3, 8, 8)), tmp_path / "one.onnx")
    graph = OnnxGraph.load(path)
    assert not graph.together
    x = images(4, 8)
    theirs = np.concatenate([run_reference(path, one.numpy())[0] for one in x.split(1)])
    np.testing.assert_allclose(graph(x)[0].numpy(), theirs, atol=1e-5)


def test_images_that_are_mixed_in_a_batch_are_computed_one_by_one(tmp_path: Path):
    """A softmax over the batch runs for any batch, and is wrong for all but one."""
    build = Builder()
    y = build.add("Flatten", build.add("Softmax", "input", axis=0))
    y = build.add("Mul", y, build.add("Flatten", "input"))
    graph = OnnxGraph.load(save(build.model([y], shape=("n", 3, 8, 8)), tmp_path / "mixed.onnx"))
    assert not graph.together
    x = images(2, 8)
    torch.testing.assert_close(graph(x)[0], x.flatten(1))


def test_a_first_axis_that_is_no_batch_is_left_alone(tmp_path: Path):
    """A reshape to a length of 1 in front, of something that has more there."""
    build = Builder()
    x = build.add("Transpose", "input", perm=[1, 0, 2, 3])
    y = build.add("Reshape", x, build.integers(1, 192))
    graph = OnnxGraph.load(save(build.model([y], shape=(1, 3, 8, 8)), tmp_path / "axis.onnx"))
    x = images(2, 8)
    torch.testing.assert_close(graph(x)[0], x.flatten(1))


def test_values_are_given_up_when_they_are_done_with(tmp_path: Path):
    """A chain needs two values at a time, however long it is."""
    build = Builder()
    x = "input"
    for _ in range(6):
        x = build.add("Relu", x)
    graph = OnnxGraph.load(save(build.model([x], shape=(1, 3, 8, 8)), tmp_path / "chain.onnx"))
    assert [len(step.finished) for step in graph._steps] == [0, 1, 1, 1, 1, 1]


def test_it_moves_and_changes_type_like_any_module(tmp_path: Path, mobilefacenet):
    graph = OnnxGraph.load(save(mobilefacenet_model(mobilefacenet), tmp_path / "m.onnx"))
    x = images(2)
    before = graph(x)[0]
    graph.to(memory_format=torch.channels_last)
    after = graph(x.contiguous(memory_format=torch.channels_last))[0]
    assert share_of(before - after, before) < 1e-5
    assert not list(graph.parameters())
    assert graph.double()(x.double())[0].dtype == torch.float64


def test_half_precision_weights_are_computed_in_single(tmp_path: Path):
    build = Builder()
    weight = build.add("Cast", build.constant(np.full((4, 3, 1, 1), 0.1), np.float16), to=1)
    y = build.add("Conv", "input", weight)
    path = save(build.model([y], shape=(1, 3, 4, 4)), tmp_path / "half.onnx")
    x = images(1, 4)
    graph = OnnxGraph.load(path)
    assert [step.node.operator for step in graph._steps] == ["Conv"]
    np.testing.assert_allclose(graph(x)[0].numpy(), run_reference(path, x.numpy())[0], atol=1e-6)


def test_old_files_list_their_weights_among_the_inputs(tmp_path: Path, mobilefacenet):
    model = mobilefacenet_model(mobilefacenet)
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(info)
    graph = OnnxGraph.load(save(model, tmp_path / "old.onnx"))
    assert graph(images(1))[0].shape == (1, 128)


@pytest.mark.shared
def test_yunet_as_onnxruntime_computes_it(shared: Path):
    """The real file: twelve outputs, resizes, pools, reshapes for one image."""
    path = shared / "weights/face_detection_yunet_2023mar.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}")
    graph = OnnxGraph.load(path)
    assert len(graph.outputs) == 12
    assert graph.together
    x = (torch.rand((2, 3, 640, 640), generator=torch.Generator().manual_seed(0)) * 255).round()
    with torch.no_grad():
        ours = graph(x)
    for i, one in enumerate(x.split(1)):
        for a, b in zip(ours, run_reference(path, one.numpy()), strict=True):
            # Measured: 6e-6 where the numbers go up to 7.
            np.testing.assert_allclose(a[i : i + 1].numpy(), b, rtol=0, atol=1e-4)
    x = x[:1].clone().requires_grad_(True)
    scores = torch.cat([out.flatten() for out in graph(x)[:6]])
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) > 0


# --- files that are refused ------------------------------------------------------------------


def external(tmp_path: Path) -> Path:
    build = Builder()
    model = build.model(
        [build.add("Conv", "input", build.constant(np.ones((4, 3, 32, 32))))], shape=(1, 3, 32, 32)
    )
    path = tmp_path / "outside.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin")
    return path


def test_weights_in_other_files_are_refused(tmp_path: Path):
    path = external(tmp_path)
    assert (tmp_path / "weights.bin").is_file()
    with pytest.raises(WeightsError, match="keeps weights in other files"):
        read_onnx(path)


@pytest.mark.parametrize("where", ["attribute", "branch"])
def test_weights_in_other_files_are_found_wherever_they_hide(tmp_path: Path, where: str):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    build = Builder()
    if where == "attribute":
        build.add("Constant", value=tensor)
    else:
        branch = helper.make_graph([], "branch", [], [], [tensor])
        build.add("If", "input", then_branch=branch, else_branch=branch)
    y = build.add("Relu", "input")
    with pytest.raises(WeightsError, match="keeps weights in other files"):
        read_onnx(save(build.model([y]), tmp_path / "hidden.onnx"))


def bytes_of(name: str, tmp_path: Path, network: MobileFaceNet) -> bytes:
    whole = mobilefacenet_model(network).SerializeToString()
    return {
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "zeros": bytes(100),
        "cut": whole[: len(whole) // 2],
        "cut at the end": whole[:-20],
        "jpeg": b"\xff\xd8\xff\xe0 and so on",
    }[name]


@pytest.mark.parametrize("name", ["empty", "text", "zeros", "cut", "cut at the end", "jpeg"])
def test_other_bytes_are_refused(tmp_path: Path, mobilefacenet, name: str):
    path = tmp_path / "bytes.onnx"
    path.write_bytes(bytes_of(name, tmp_path, mobilefacenet))
    with pytest.raises(WeightsError, match=r"bytes\.onnx"):
        OnnxGraph.load(path)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(WeightsError, match="cannot read"):
        OnnxGraph.load(tmp_path / "none.onnx")


def test_without_the_package_the_command_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bauta\[onnx\]'"):
        OnnxGraph.load(tmp_path / "any.onnx")


def two_inputs() -> onnx.ModelProto:
    build = Builder()
    kinds = {"input": TensorProto.FLOAT, "mask": TensorProto.FLOAT}
    return build.model([build.add("Add", "input", "mask")], inputs=kinds)


def of_bytes() -> onnx.ModelProto:
    build = Builder()
    y = build.add("Cast", "input", to=1)
    return build.model([y], inputs={"input": TensorProto.UINT8})


def without_a_value() -> onnx.ModelProto:
    build = Builder()
    return build.model([build.add("Add", "input", "nowhere")])


def wrong_lengths() -> onnx.ModelProto:
    build = Builder()
    return build.model([build.add("Conv", "input", build.constant(np.ones((2, 5, 3, 3))))])


def old() -> onnx.ModelProto:
    return single("Relu", np.zeros((1, 3, 4, 4), np.float32), opset=6)


def foreign() -> onnx.ModelProto:
    build = Builder()
    build.nodes.append(
        helper.make_node("FusedConv", ["input"], ["y"], domain="com.microsoft")
    )  # fmt: skip
    return build.model(["y"])


def no_text() -> onnx.ModelProto:
    data = single("Relu", np.zeros((1, 3, 4, 4), np.float32)).SerializeToString()
    return onnx.load_model_from_string(data.replace(b"Relu", b"R\xfflu"))


def gather_of_a_number() -> onnx.ModelProto:
    build = Builder()
    number = build.add("ReduceSum", "input", keepdims=0)
    return build.model([build.add("Gather", number, build.integers(0))])


def two_kinds() -> onnx.ModelProto:
    build = Builder()
    x = build.add("Hardmax", build.add("Det", "input"))
    return build.model([x])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (two_inputs, r"has 2 inputs \(input, mask\)"),
        (of_bytes, "not of 32-bit floating"),
        (without_a_value, "nothing makes the value 'nowhere'"),
        (wrong_lengths, "operator Conv cannot be computed"),
        (old, "operator set 6; at least 7"),
        (foreign, r"operator com\.microsoft\.FusedConv.*still be used as a judge"),
        (two_kinds, "operators Det, Hardmax"),
        (no_text, "is damaged.*is no name"),
        (gather_of_a_number, "operator Gather cannot be computed"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, model, message: str):
    path = save(model(), tmp_path / "wrong.onnx")
    with pytest.raises(WeightsError, match=message) as caught:
        OnnxGraph.load(path)
    assert "wrong.onnx" in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "wanted", "message"),
    [
        ((1, 3, 112, 112), (3, 160, 160), "images of 3x112x112, not 3x160x160"),
        ((1, 3, "h", "w"), None, r"3x\?x\?, so their size must be given"),
        ((4, 3, 8, 8), None, r"no batch of images: its axes are \[4, 3, 8, 8\]"),
        ((1, 3, 8, 8), (3, 8), "not 3x8"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path: Path, shape, wanted, message):
    build = Builder()
    path = save(build.model([build.add("Relu", "input")], shape=shape), tmp_path / "size.onnx")
    with pytest.raises(WeightsError, match=message):
        OnnxGraph.load(path, wanted)


def test_sizes_that_the_file_leaves_open(tmp_path: Path):
    build = Builder()
    y = build.add("GlobalAveragePool", "input")
    path = save(build.model([y], shape=("n", 3, "h", "w")), tmp_path / "open.onnx")
    assert OnnxGraph.load(path, (3, 16, 16))(images(2, 16))[0].shape == (2, 3, 1, 1)
