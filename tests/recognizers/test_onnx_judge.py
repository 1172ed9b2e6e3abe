"""ONNX recognizers as judges and as surrogates: crops, conventions, files that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from bauta.errors import MissingExtraError, UsageError, WeightsError
from bauta.faces.face import TEMPLATES
from bauta.faces.geometry import apply, scale_of
from bauta.recognizers import onnx_judge, zoo
from bauta.recognizers.base import Recognizer
from bauta.recognizers.crops import ARCFACE_TEMPLATE, CROPS, crop_of
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.weights.records import records
from tests.recognizers.onnx_files import (
    MOBILEFACENET_MEAN,
    MOBILEFACENET_STD,
    Builder,
    mobilefacenet_model,
    random_mobilefacenet,
    save,
)

PLAIN = Convention(size=112, mean=(127.5,) * 3, std=(127.5,) * 3)
MOBILEFACENET = Convention(
    size=112, mean=tuple(MOBILEFACENET_MEAN), std=tuple(MOBILEFACENET_STD)
)  # fmt: skip


@pytest.fixture(scope="module")
def network():
    return random_mobilefacenet()


@pytest.fixture
def file(tmp_path: Path, network) -> Path:
    return save(mobilefacenet_model(network, norms=True), tmp_path / "own.onnx")


def small(tmp_path: Path, shape=(1, 3, 16, 16), outputs: int = 1, **model) -> Path:
    """A network that sums up channels, so that orders and scales show."""
    build = Builder()
    axes = [1, 2] if shape[-1] == 3 else [2, 3]
    x = build.add("ReduceMean", "input", axes=axes, keepdims=0)
    made = [x, *(build.add("Neg", x) for _ in range(outputs - 1))]
    return save(build.model(made, shape=shape, **model), tmp_path / "small.onnx")


def convention(**changes) -> Convention:
    values = {"size": 16, "mean": (0.0,) * 3, "std": (1.0,) * 3, "unit_length": False}
    return Convention(**(values | changes))


def test_our_network_as_a_judge_and_as_a_surrogate(
    file, network, collins, collins_face, hopper, hopper_face
):
    judge = OnnxJudge("own", file, MOBILEFACENET, "own-file")
    original = Recognizer("original", judge.crop, network, "original")
    photos, faces = [collins, hopper], [collins_face, hopper_face]
    truth = original.embed(photos, faces)
    assert judge.dimensions == 128
    assert judge.network_id == judge.surrogate().network_id == "own-file"
    # Measured: 7e-7, and 3e-7 for the agreement.
    assert judge.agreement < 1e-5
    for recognizer in (judge, judge.surrogate()):
        np.testing.assert_allclose(recognizer.embed(photos, faces), truth, rtol=0, atol=1e-4)
        np.testing.assert_allclose(
            recognizer.embed(photos[1:], faces[1:]), truth[1:], rtol=0, atol=1e-4
        )
    assert judge.embed([], []).shape == (0, 128)
    assert judge.surrogate() is judge.surrogate()


def test_the_surrogate_has_the_original_gradients(file, network):
    surrogate = OnnxJudge("own", file, MOBILEFACENET, "own").surrogate()
    crops = (torch.rand((2, 3, 112, 112), generator=torch.Generator().manual_seed(0)) * 255).round()
    gradients = []
    for run in (network, surrogate.embed_crops):
        point = crops.clone().requires_grad_(True)
        gradients.append(torch.autograd.grad(run(point)[:, :9].sum(), point)[0])
    assert same_direction(*gradients)


def same_direction(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal but for a few rectifiers that lie on their corner, where rounding decides the side."""
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1))
    return bool((cosine > 0.999).all())


def crops(count: int = 3, size: int = 16) -> torch.Tensor:
    return (torch.rand((count, 3, size, size), generator=torch.Generator().manual_seed(1))) * 255


@pytest.mark.parametrize(
    "shape", [(1, 3, 16, 16), ("n", 3, 16, 16), (1, 16, 16, 3), (1, 3, "h", "w")]
)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_orders_and_scales(tmp_path: Path, shape, order):
    rule = convention(order=order, mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 4.0))
    judge = OnnxJudge("s", small(tmp_path, shape), rule, "s")
    means = crops().mean(dim=(2, 3)).numpy()
    means = means[:, ::-1] if order == "bgr" else means
    expected = (means - [10, 20, 30]) / [1, 2, 4]
    np.testing.assert_allclose(judge.embed_crops(crops()), expected, rtol=1e-4)
    ours = judge.surrogate().embed_crops(crops()).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_unit_length(tmp_path: Path):
    judge = OnnxJudge("s", small(tmp_path), convention(unit_length=True), "s")
    for rows in (judge.embed_crops(crops()), judge.surrogate().embed_crops(crops()).numpy()):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)


def test_one_output_of_several(tmp_path: Path):
    file = small(tmp_path, outputs=3)
    with pytest.raises(UsageError, match=r"has 3 outputs: choose the embedding's out of Reduce"):
        OnnxJudge("s", file, convention(), "s")
    with pytest.raises(UsageError, match="has no output 'fc1'"):
        OnnxJudge("s", file, convention(output="fc1"), "s")
    first, second = [put.name for put in onnx.load(file).graph.output][:2]
    rows = [OnnxJudge("s", file, convention(output=name), "s") for name in (first, second)]
    a, b = (judge.embed_crops(crops()) for judge in rows)
    np.testing.assert_array_equal(a, -b)
    np.testing.assert_allclose(rows[1].surrogate().embed_crops(crops()).numpy(), b, rtol=1e-4)


def test_a_batch_that_the_graph_mixes_is_judged_one_by_one(tmp_path: Path):
    build = Builder()
    y = build.add("Flatten", build.add("Softmax", "input", axis=0))
    y = build.add("Add", y, build.add("Flatten", "input"))
    file = save(build.model([y], shape=("n", 3, 16, 16)), tmp_path / "mixed.onnx")
    judge = OnnxJudge("s", file, convention(), "s")
    np.testing.assert_allclose(judge.embed_crops(crops()), crops().flatten(1).numpy() + 1)


def test_judging_goes_on_without_gradients(tmp_path: Path):
    build = Builder()
    x = build.add("ThresholdedRelu", build.add("ReduceMean", "input", axes=[2, 3], keepdims=0))
    file = save(build.model([x], shape=(1, 3, 16, 16)), tmp_path / "black.onnx")
    judge = OnnxJudge("black", file, convention(), "s")
    assert judge.embed_crops(crops()).shape == (3, 3)
    with pytest.raises(WeightsError, match=r"ThresholdedRelu.*still be used as a judge"):
        judge.surrogate()


def test_gradients_of_another_network_are_not_trusted(tmp_path: Path, monkeypatch):
    judge = OnnxJudge("s", small(tmp_path), convention(), "s")
    finish = Convention.finish
    monkeypatch.setattr(judge, "embed_crops", lambda x: finish(PLAIN, x[:, :, 0, :1]).numpy() + 1)
    with pytest.raises(WeightsError, match="gradients are not to be trusted"):
        judge.surrogate()


def feature_map() -> onnx.ModelProto:
    build = Builder()
    return build.model([build.add("Relu", "input")], shape=(1, 3, 16, 16))


def infinite() -> onnx.ModelProto:
    build = Builder()
    x = build.add("ReduceMean", "input", axes=[2, 3], keepdims=0)
    return build.model([build.add("Div", x, build.constant(0.0))], shape=(1, 3, 16, 16))


def grey() -> onnx.ModelProto:
    build = Builder()
    return build.model([build.add("Flatten", "input")], shape=(1, 1, 16, 16))


def two_inputs() -> onnx.ModelProto:
    build = Builder()
    kinds = {"a": TensorProto.FLOAT, "b": TensorProto.FLOAT}
    return build.model([build.add("Add", "a", "b")], shape=(1, 3, 16, 16), inputs=kinds)


def several_at_once() -> onnx.ModelProto:
    build = Builder()
    return build.model([build.add("Flatten", "input")], shape=(4, 3, 16, 16))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (feature_map, r"output is \(1, 3, 16, 16\)"),
        (infinite, "infinite"),
        (grey, "1 channels; photos have 3"),
        (two_inputs, r"2 inputs \(a, b\)"),
        (several_at_once, "no batch of float images"),
    ],
)
def test_what_is_no_recognizer_is_refused(tmp_path: Path, model, message):
    with pytest.raises(WeightsError, match=message):
        OnnxJudge("bad", save(model(), tmp_path / "bad.onnx"), convention(), "bad")


def test_another_size_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match="takes 16x16 pixels, not 112x112"):
        OnnxJudge("s", small(tmp_path), PLAIN, "s")


def test_without_onnxruntime_the_command_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bauta\[onnx\]'"):
        OnnxJudge("s", small(tmp_path), convention(), "s")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 4}, "size must be 16 to 1024"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be above 0"),
        ({"mean": (1.0, 2.0)}, "one number or three"),
        ({"mean": (float("nan"),) * 3}, "one number or three"),
        ({"order": "grb"}, "rgb or bgr"),
        ({"crop": "tight"}, "unknown crop 'tight': use arcface, dlib, loose"),
        ({"crop": (1.0,) * 9}, "needs ten numbers, got 9"),
        ({"crop": (float("nan"),) * 10}, "no face"),
        ({"crop": (8.0,) * 10}, "no face"),
        ({"crop": (12.0, 5, 4, 5, 8, 8, 12, 12, 4, 12)}, "left eye, right eye"),
        ({"crop": (4.0, 12, 12, 12, 8, 8, 4, 5, 12, 5)}, "left eye, right eye"),
    ],
)
def test_conventions_are_checked(changes, message):
    with pytest.raises(UsageError, match=message):
        convention(**changes)


def test_crops():
    points = TEMPLATES["yunet5"]
    arcface = crop_of("arcface", 112)
    by_points = crop_of(tuple(ARCFACE_TEMPLATE.ravel()), 112)
    np.testing.assert_allclose(by_points.to_frame, arcface.to_frame)
    large = apply(crop_of("arcface", 224).from_frame, points)
    np.testing.assert_allclose(large, 2 * apply(arcface.from_frame, points), atol=1e-9)
    # How much of the frame each shows.
    sides = {name: scale_of(crop_of(name, 100).to_frame) * 100 for name in CROPS}
    assert sides["dlib"] < sides["arcface"] < sides["loose"] == pytest.approx(1)


@pytest.mark.parametrize("name", zoo.ONNX_CONVENTIONS)
def test_published_recognizers_are_there_once_their_file_is(
    name: str, tmp_path: Path, file: Path, monkeypatch, collins, collins_face
):
    """With one of our own networks in the place of the file that nobody may fetch for a test."""
    assert name in zoo.recognizers.names()
    assert "RGB" in records()[name].architecture
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("bauta.weights.records.data_folder", lambda: tmp_path)
    assert name not in zoo.installed()
    with pytest.raises(WeightsError, match=f"bauta recognizers fetch {name}"):
        zoo.recognizers[name]()
    monkeypatch.setattr(zoo, "locate", lambda asked: {name: file}[asked])
    judge = zoo.recognizers[name]()
    assert (judge.name, judge.network_id) == (name, name)
    (row,) = judge.embed([collins], [collins_face])
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UsageError, match=f"bauta recognizers evaluate {name}"):
        _ = judge.threshold


def test_what_the_published_recognizers_are_fed():
    white = torch.full((1, 3, 112, 112), 255.0)
    assert float(zoo.ONNX_CONVENTIONS["sphere20"].prepare(white).max()) == 1
    assert float(zoo.ONNX_CONVENTIONS["sface-2021dec"].prepare(white).max()) == 255
    onnx_records = {n for n, row in records().items() if "ONNX" in row.architecture}
    assert set(zoo.ONNX_CONVENTIONS) == onnx_records - {"yunet-2023mar"}


def test_threads_are_torchs(tmp_path: Path, monkeypatch):
    asked = []
    opened = onnx_judge.open_session
    monkeypatch.setattr(
        onnx_judge,
        "open_session",
        lambda path, threads, **rest: asked.append(threads) or opened(path, threads, **rest),
    )
    OnnxJudge("s", small(tmp_path), convention(), "s")
    assert asked == [torch.get_num_threads()]
