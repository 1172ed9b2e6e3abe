"""Recognizers of the user's own: definitions, names, altered files, and what is cleaned up."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from bauta.errors import BautaError, MediaError, RegistryError, UsageError, WeightsError
from bauta.recognizers import adding, own, zoo
from bauta.recognizers.adding import add_recognizer, remove_recognizer
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.recognizers.own import OWN, OwnRecognizer
from bauta.recognizers.thresholds import Threshold, save_thresholds, thresholds_of, user_file
from bauta.weights.records import data_folder, records
from tests.faces.make import face_at
from tests.recognizers.onnx_files import Builder, save

RULE = Convention(size=16, mean=(0.0,) * 3, std=(255.0,) * 3)
FAR = Threshold(0.5, 0.01, 0.9, "a test", "none")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BAUTA_WEIGHTS", raising=False)
    monkeypatch.setattr(
        "platformdirs.user_data_path", lambda *_names, **_options: tmp_path / "home/bauta"
    )
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return network(tmp_path / "net.onnx")


def network(path: Path, factor: float = 2.0) -> Path:
    build = Builder()
    x = build.add("ReduceMean", "input", axes=[3], keepdims=0)
    x = build.add("Flatten", build.add("Mul", x, build.constant(factor)))
    return save(build.model([x], shape=(1, 3, 16, 16)), path)


def files() -> list[str]:
    """Everything under the user's data folder."""
    root = data_folder().parent
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_it_is_there_until_it_is_removed(file: Path):
    added = add_recognizer(file, "my-net", RULE, licence="MIT", commercial_use=True)
    assert files() == ["weights/own/my-net.json", "weights/own/my-net.onnx"]
    assert (added.dimensions, added.judge_only) == (48, "")
    assert added.agreement is not None
    assert added.agreement < 1e-5
    assert OWN["my-net"] == added
    assert "my-net" in zoo.recognizers.names()
    assert "my-net" in zoo.installed()
    judge = zoo.get_recognizer("my-net")
    assert isinstance(judge, OnnxJudge)
    assert zoo.get_recognizer("my-net") is judge
    assert zoo.get_surrogate("my-net").name == "my-net"
    row = added.record
    assert (row.licence, row.commercial_use, row.size_bytes) == ("MIT", True, file.stat().st_size)
    file.unlink()  # the copy counts
    assert "my-net" in zoo.installed()
    remove_recognizer("my-net")
    assert files() == []
    assert "my-net" not in zoo.recognizers.names()
    with pytest.raises(RegistryError, match="unknown recognizer 'my-net'"):
        zoo.get_recognizer("my-net")


def test_definitions_come_back_as_they_were(file: Path):
    points = (4.0, 5, 12, 5, 8, 8, 5, 12, 11, 12)
    rule = Convention(
        size=16, mean=(1.0, 2.0, 3.0), std=(4.0,) * 3, order="bgr", crop=points, unit_length=False
    )  # fmt: skip
    added = add_recognizer(file, "points", rule)
    assert OwnRecognizer.from_json(added.to_json()) == added == OWN["points"]
    assert hash(OWN["points"]) == hash(added)


def test_without_thresholds_it_does_not_judge_by_default(file: Path):
    before = zoo.default_judges()
    add_recognizer(file, "my-net", RULE)
    assert zoo.default_judges() == before
    with pytest.raises(UsageError, match="bauta recognizers evaluate my-net"):
        _ = zoo.get_recognizer("my-net").threshold
    save_thresholds(user_file(), "my-net", {"far-1%": FAR})
    assert "my-net" in zoo.default_judges()
    assert zoo.get_recognizer("my-net").threshold == 0.5


def test_what_another_environment_runs_stops_nobody_else(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    before = zoo.default_judges()
    add_recognizer(file, "my-net", RULE)
    save_thresholds(user_file(), "my-net", {"far-1%": FAR})
    assert zoo.default_judges() == sorted([*before, "my-net"], key=zoo.installed().index)
    assert zoo.judges_left_out() == []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    assert zoo.default_judges() == before
    assert zoo.judges_left_out() == ["my-net"]


def test_another_network_does_not_inherit_thresholds(file: Path, tmp_path: Path):
    save_thresholds(user_file(), "other", {"far-1%": FAR})
    add_recognizer(file, "my-net", RULE)
    save_thresholds(user_file(), "my-net", {"far-1%": FAR})
    remove_recognizer("my-net")
    assert thresholds_of("my-net") == {}
    # Files deleted by hand leave thresholds behind.
    save_thresholds(user_file(), "my-net", {"far-1%": FAR})
    add_recognizer(network(tmp_path / "second.onnx", 3.0), "my-net", RULE)
    assert thresholds_of("my-net") == {}
    assert thresholds_of("other") == {"far-1%": FAR}


def test_a_new_definition_is_a_new_recognizer(file: Path):
    add_recognizer(file, "my-net", RULE)
    first = zoo.get_recognizer("my-net")
    remove_recognizer("my-net")
    add_recognizer(file, "my-net", Convention(size=16, mean=(5.0,) * 3, std=(1.0,) * 3))
    assert zoo.get_recognizer("my-net") is not first


def test_one_file_under_two_names_is_one_network(file: Path, tmp_path: Path):
    rules = [RULE, Convention(size=16, mean=(0.0,) * 3, std=(1.0,) * 3)]
    one, two = (add_recognizer(file, f"net{i}", rule) for i, rule in enumerate(rules))
    other = add_recognizer(network(tmp_path / "other.onnx", 3.0), "other", RULE)
    assert one.network_id == two.network_id != other.network_id


def test_a_known_file_keeps_its_identity():
    row = records()["sface-2021dec"]
    again = OwnRecognizer(
        name="again", sha256=row.sha256, size_bytes=1, convention=RULE, dimensions=128
    )
    assert again.network_id == "sface-2021dec"


def test_altered_files_are_refused(file: Path):
    add_recognizer(file, "my-net", RULE)
    copy = data_folder() / "own/my-net.onnx"
    network(copy, 3.0)
    assert "my-net" not in zoo.installed()
    with pytest.raises(WeightsError, match="bauta recognizers remove my-net"):
        OWN["my-net"]()
    copy.unlink()
    with pytest.raises(WeightsError, match="my-net not found"):
        OWN["my-net"]()
    remove_recognizer("my-net")
    assert files() == []


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(name="other"),
        lambda d: d.update(name="../up"),
        lambda d: d.update(sha256="abc"),
        lambda d: d.update(extra=1),
        lambda d: d.pop("sha256"),
        lambda d: d.pop("convention"),
        lambda d: d["convention"].update(size="large"),
        lambda d: d["convention"].update(std=[0, 0, 0]),
        lambda d: d["convention"].update(crop="tight"),
        lambda d: d.update(convention=[]),
    ],
)
def test_damaged_definitions_are_refused_and_can_be_removed(
    file: Path, change: Callable[[dict[str, Any]], object]
):
    add_recognizer(file, "my-net", RULE)
    path = data_folder() / "own/my-net.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(WeightsError, match=r"no definition.*bauta recognizers remove my-net"):
        _ = OWN["my-net"]
    assert "my-net" not in zoo.installed()
    assert "dlib" in zoo.installed()
    remove_recognizer("my-net")
    assert files() == []


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", "null", "\x00"])
def test_other_texts_are_refused(file: Path, text: str):
    add_recognizer(file, "my-net", RULE)
    (data_folder() / "own/my-net.json").write_text(text)
    with pytest.raises(WeightsError, match="no definition of a recognizer"):
        _ = OWN["my-net"]


ELSEWHERE = ("", ".", "..", "../up", "a/b", "a\\b", "/etc/x", "~", "con:1", "a\x00b")


@pytest.mark.parametrize("name", [*ELSEWHERE, "A", "é", "a b", "-a", "a.", "a..b", "a\n", "a" * 65])
def test_names_that_lead_elsewhere_are_refused(file: Path, name: str):
    for act in (lambda: add_recognizer(file, name, RULE), lambda: remove_recognizer(name)):
        with pytest.raises(UsageError, match="cannot be a name"):
            act()
    assert files() == []


@pytest.mark.parametrize(
    "name", ["dlib", "dlib-native", "dlib-resnet", "sface-2021dec", "sphere20"]
)
def test_built_in_names_are_taken_and_stay(file: Path, name: str):
    with pytest.raises(UsageError, match=f"called {name} already: choose another"):
        add_recognizer(file, name, RULE)
    with pytest.raises(UsageError, match="you have added none"):
        remove_recognizer(name)


def test_a_name_is_given_once(file: Path):
    add_recognizer(file, "my-net", RULE)
    with pytest.raises(UsageError, match="bauta recognizers remove my-net"):
        add_recognizer(file, "my-net", RULE)
    with pytest.raises(UsageError, match="cannot remove your-net: you have added none"):
        remove_recognizer("your-net")


def test_a_definition_put_there_by_hand_does_not_replace_a_built_in(file: Path):
    add_recognizer(file, "my-net", RULE)
    folder = data_folder() / "own"
    text = (folder / "my-net.json").read_text().replace('"my-net"', '"dlib-native"')
    (folder / "dlib-native.json").write_text(text)
    assert not isinstance(zoo.get_recognizer("dlib-native"), OnnxJudge)


def test_shared_folders_are_looked_into_and_left_alone(file: Path, tmp_path: Path, monkeypatch):
    add_recognizer(file, "ours", RULE)
    elsewhere = tmp_path / "shared"
    data_folder().rename(elsewhere)
    assert "ours" not in OWN
    monkeypatch.setenv("BAUTA_WEIGHTS", str(elsewhere))
    assert "ours" in zoo.installed()
    assert OWN["ours"]().dimensions == 48
    with pytest.raises(UsageError, match=r"it lies in .*shared"):
        remove_recognizer("ours")


def test_kept_embeddings_are_of_one_convention(file: Path, tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (64, 64), (200, 100, 0)).save(photos / "a.png")
    rows = []
    for order in ("rgb", "bgr", "rgb"):
        add_recognizer(file, "my-net", replace(RULE, order=order))
        judge = zoo.get_recognizer("my-net")
        found = {"a.png": face_at(32, 32, 40)}
        rows.append(embed_photos(judge, photos, found, tmp_path / "cache")["a.png"])
        remove_recognizer("my-net")
    np.testing.assert_array_equal(rows[0], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 0.1


def not_onnx(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0 a photo")


def cut(path: Path) -> None:
    network(path)
    path.write_bytes(path.read_bytes()[:-30])


def outside(path: Path) -> None:
    build = Builder()
    y = build.add("Flatten", build.add("Mul", "input", build.constant([[[[1.0] * 16] * 16] * 3])))
    model = build.model([y], shape=(1, 3, 16, 16))
    onnx.save(model, str(path), save_as_external_data=True, location="w.bin", size_threshold=0)


def two_inputs(path: Path) -> None:
    build = Builder()
    kinds = {"a": 1, "b": 1}
    save(build.model([build.add("Add", "a", "b")], shape=(1, 3, 16, 16), inputs=kinds), path)


def other_size(path: Path) -> None:
    build = Builder()
    save(build.model([build.add("Flatten", "input")], shape=(1, 3, 20, 20)), path)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda path: None, WeightsError, "cannot read"),
        (not_onnx, WeightsError, "not an ONNX file"),
        (cut, WeightsError, "not an ONNX file, or is cut off"),
        (outside, WeightsError, "keeps weights in other files"),
        (two_inputs, WeightsError, "2 inputs"),
        (other_size, UsageError, "takes 20x20 pixels, not 16x16"),
    ],
)
def test_bad_files_leave_nothing_behind(tmp_path: Path, make, kind, message):
    make(tmp_path / "bad.onnx")
    with pytest.raises(kind, match=message):
        add_recognizer(tmp_path / "bad.onnx", "bad", RULE)
    assert files() == []
    assert "bad" not in zoo.recognizers.names()


def test_files_that_are_too_large_are_refused(file: Path, monkeypatch):
    monkeypatch.setattr(adding, "_MOST_BYTES", 100)
    with pytest.raises(WeightsError, match="larger than"):
        add_recognizer(file, "large", RULE)


def test_an_interrupted_write_leaves_nothing_behind(file: Path, monkeypatch):
    def full(path: Path, data: bytes, **options: Any) -> None:
        if path.suffix == ".json":
            raise MediaError("the disk is full")
        path.write_bytes(data)

    monkeypatch.setattr(adding, "atomic_write", full)
    with pytest.raises(BautaError, match="disk is full"):
        add_recognizer(file, "my-net", RULE)
    assert files() == []


def test_what_can_only_judge_is_told_apart(tmp_path: Path):
    build = Builder()
    x = build.add("ReduceMean", "input", axes=[3], keepdims=0)
    x = build.add("ThresholdedRelu", build.add("Flatten", x), alpha=0.1)
    path = save(build.model([x], shape=(1, 3, 16, 16)), tmp_path / "black.onnx")
    added = add_recognizer(path, "black", RULE)
    assert "ThresholdedRelu" in added.judge_only
    assert added.agreement is None
    assert added.judge_only in added.record.notes
    assert OWN["black"] == added
    assert zoo.get_recognizer("black").network_id.startswith("sha256:")
    with pytest.raises(WeightsError, match="ThresholdedRelu"):
        zoo.get_surrogate("black")
    assert own.plain(added)["gradients"] is False
