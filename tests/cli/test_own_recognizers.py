"""``bauta recognizers add | remove``: from a file to a protected photo, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import Result

from bauta.recognizers import zoo
from bauta.recognizers.networks.dlib_resnet import MEAN, DlibResNet
from bauta.recognizers.thresholds import Threshold, save_thresholds, thresholds_of, user_file
from bauta.recognizers.zoo import get_surrogate
from bauta.weights.records import locate
from tests.recognizers.onnx_files import (
    MOBILEFACENET_MEAN,
    MOBILEFACENET_STD,
    Builder,
    dlib_model,
    mobilefacenet_model,
    random_mobilefacenet,
    save,
)

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
#: How MobileFaceNet wants its faces.
RULE = [
    "--size", 112, "--mean", ",".join(map(str, MOBILEFACENET_MEAN)),
    "--std", ",".join(map(str, MOBILEFACENET_STD)),
]  # fmt: skip


@pytest.fixture
def file(folder: Path) -> Path:
    """``net.onnx`` in the working directory: MobileFaceNet with weights that know nobody."""
    return save(mobilefacenet_model(random_mobilefacenet(), norms=True), folder / "net.onnx")


def black_box(path: Path) -> Path:
    build = Builder()
    x = build.add("ReduceMean", "input", axes=[2, 3], keepdims=0)
    return save(build.model([build.add("ThresholdedRelu", x)], shape=(1, 3, 32, 32)), path)


def test_add_list_show_remove(bauta: Run, parsed: Parse, file: Path) -> None:
    words = ["--licence", "CC0 [x]", "--commercial-use"]
    result = bauta("recognizers", "add", file, "--name", "my-net", *RULE, *words)
    assert result.exit_code == 0, result.stderr
    assert "128 numbers per face" in result.stdout
    assert "agrees with onnxruntime to" in result.stdout
    assert "bauta recognizers evaluate my-net" in result.stdout
    rows = {row["name"]: row for row in parsed(bauta("recognizers", "list", "--json"))}
    assert rows["my-net"]["installed"] is True
    assert rows["my-net"]["source"] == "user"
    lines = bauta("recognizers", "list").stdout.splitlines()
    (line,) = [line for line in lines if line.split()[:1] == ["my-net"]]
    assert " yes " in line
    assert "CC0 [x]" in line
    shown = parsed(bauta("recognizers", "show", "my-net", "--json"))
    assert shown["convention"]["mean"] == pytest.approx(MOBILEFACENET_MEAN)
    assert shown["gradients"] is True
    assert shown["agreement"] < 1e-5
    assert shown["sha256"] in bauta("recognizers", "show", "my-net").stdout
    assert "my-net: removed" in bauta("recognizers", "remove", "my-net").stdout
    assert bauta("recognizers", "show", "my-net").exit_code == 2
    assert bauta("recognizers", "remove", "my-net").exit_code == 2


def test_it_protects_a_photo_and_judges_it(bauta: Run, parsed: Parse, portrait: Path) -> None:
    """dlib's own network, by way of a file: the one recognizer whose weights are always there."""
    file = save(dlib_model(DlibResNet.load(locate("dlib-resnet"))), Path("dlib.onnx"))
    rule = ["--size", 150, "--mean", ",".join(map(str, MEAN)), "--std", 256, "--crop", "dlib"]
    assert (
        bauta("recognizers", "add", file, "--name", "mine", *rule, "--no-unit-length").exit_code
        == 0
    )
    assert (
        get_surrogate("mine")
        .embed_crops(noise())
        .allclose(get_surrogate("dlib").embed_crops(noise()), atol=1e-4)
    )
    command = ["protect", portrait, "--preset", "fast", "--surrogate", "mine", "--overwrite"]
    early = bauta(*command)
    assert early.exit_code == 2
    assert "bauta recognizers evaluate mine" in early.stderr
    # Before it has thresholds it does not stand in anybody's way either.
    assert bauta("verify", portrait, portrait).exit_code == 1
    save_thresholds(user_file(), "mine", dict(thresholds_of("dlib")))
    (photo,) = parsed(bauta(*command, "--judge", "mine", "--judge", "dlib-native", "--json"))[
        "photos"
    ]
    scores = {score["judge"]: score for score in photo["faces"][0]["scores"]}
    assert photo["settings"]["surrogates"] == ["mine"]
    assert scores["mine"]["before"] == pytest.approx(1)
    assert scores["mine"]["independent"] is False
    # onnxruntime and dlib's own library see in the file what the torch module led to.
    for score in scores.values():
        assert score["after"] < score["threshold"] - 0.1
    judged = parsed(bauta("verify", portrait, "me-protected.jpg", "--judge", "mine", "--json"))
    (again,) = judged["faces"][0]["scores"]
    assert again["after"] == pytest.approx(scores["mine"]["after"])
    assert again["independent"] is True


def noise() -> Tensor:
    return torch.rand((1, 3, 150, 150), generator=torch.Generator().manual_seed(0)) * 255


def test_a_black_box_judges_only(bauta: Run, parsed: Parse, folder: Path, portrait: Path) -> None:
    rule = ["--size", 32, "--mean", 0, "--std", 255, "--no-unit-length", "--crop", "loose"]
    result = bauta("recognizers", "add", black_box(folder / "b.onnx"), "--name", "black", *rule)
    assert result.exit_code == 0
    assert "ThresholdedRelu" in result.stdout
    save_thresholds(user_file(), "black", {"far-1%": Threshold(0.9, 0.01, 0.9, "a test", "")})
    judged = bauta("verify", portrait, portrait, "--judge", "black", "--json")
    assert parsed(judged)["faces"][0]["scores"][0]["judge"] == "black"
    refused = bauta("protect", portrait, "--preset", "fast", "--surrogate", "black")
    assert refused.exit_code == 1
    assert "ThresholdedRelu" in refused.stderr
    assert not Path("me-protected.jpg").exists()


def test_altered_files_are_told(
    bauta: Run, parsed: Parse, file: Path, portrait: Path, tmp_path: Path
) -> None:
    assert bauta("recognizers", "add", file, "--name", "my-net", *RULE).exit_code == 0
    (copy,) = tmp_path.rglob("own/my-net.onnx")
    copy.write_bytes(copy.read_bytes() + b" ")
    rows = {row["name"]: row for row in parsed(bauta("recognizers", "list", "--json"))}
    assert rows["my-net"]["installed"] is False
    assert "altered" in bauta("recognizers", "list").stdout
    zoo._build.cache_clear()  # another test may have opened it
    refused = bauta("verify", portrait, portrait, "--judge", "my-net")
    assert refused.exit_code == 1
    assert "bauta recognizers remove my-net" in refused.stderr
    copy.with_suffix(".json").write_text("{}")
    listed = bauta("recognizers", "list")
    assert listed.exit_code == 0
    assert "no definition of a recognizer" in listed.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--name", "dlib"], 2, "called dlib already"),
        (["--name", "../x"], 2, "cannot be a name"),
        (["--name", "n", "--mean", "1,2"], 2, "--mean takes one number or three, not 2"),
        (["--name", "n", "--std", "many"], 2, "--std takes numbers with commas"),
        (["--name", "n", "--std", "0"], 2, "std must be above 0"),
        (["--name", "n", "--order", "gbr"], 2, "rgb or bgr"),
        (["--name", "n", "--crop", "tight"], 2, "use arcface, dlib, loose"),
        (["--name", "n", "--crop", "1,2,3"], 2, "needs ten numbers, got 3"),
        (["--name", "n", "--size", "160"], 2, "takes 112x112 pixels, not 160x160"),
        (["--name", "n", "--output", "fc1"], 2, "has no output 'fc1'"),
    ],
)
def test_bad_usage(bauta: Run, file: Path, words: list[str], code: int, message: str) -> None:
    rule = ["--size", "112", "--mean", "127.5", "--std", "127.5"]
    result = bauta("recognizers", "add", file, *rule, *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_files_that_are_none(bauta: Run, portrait: Path) -> None:
    rule = ["--name", "n", "--size", 112, "--mean", 0, "--std", 1]
    for file in (portrait, "gone.onnx"):
        result = bauta("recognizers", "add", file, *rule)
        assert result.exit_code == 1
        assert str(file) in result.stderr


def test_help_shows_how(bauta: Run) -> None:
    text = bauta("recognizers", "add", "--help").stdout
    assert "bauta recognizers add r50.onnx --name my-r50" in text
    assert "bauta recognizers remove my-r50" in bauta("recognizers", "remove", "--help").stdout
