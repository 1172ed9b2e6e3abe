"""Thresholds: shipped, measured by the user, kept in a file that may be broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bauta.errors import WeightsError
from bauta.recognizers import thresholds
from bauta.recognizers.thresholds import Threshold, _parse, save_thresholds, thresholds_of, to_json


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "sub" / "thresholds.json"
    monkeypatch.setattr(thresholds, "user_file", lambda: file)
    return file


def row(similarity: float) -> Threshold:
    return Threshold(similarity, 0.01, 0.97, "my photos", "bauta recognizers evaluate x")


@pytest.mark.parametrize("name", ["dlib", "dlib-native", "mobilefacenet-ms1m"])
def test_shipped_thresholds_are_plausible_and_say_where_they_come_from(own: Path, name: str):
    table = thresholds_of(name)
    assert set(table) == {"far-1%", "far-0.1%", "equal-error"}
    loose, strict, equal = table["far-1%"], table["far-0.1%"], table["equal-error"]
    # Pairs come in thirtieths of a percent.
    assert abs(equal.far - (1 - equal.tar)) < 0.001
    assert 0 < loose.similarity < strict.similarity < 1
    assert (loose.far, strict.far) == (0.01, 0.001)
    assert 0.8 < strict.tar < loose.tar <= 1
    for threshold in table.values():
        assert "lfw" in threshold.data
        assert threshold.command.startswith(f"bauta recognizers evaluate {name}")


def test_own_measurements_replace_the_shipped_one_by_one(own: Path):
    shipped = thresholds_of("dlib")
    save_thresholds(own, "dlib", {"far-1%": row(0.5)})
    table = thresholds_of("dlib")
    assert table["far-1%"] == row(0.5)
    assert table["far-0.1%"] == shipped["far-0.1%"]
    assert "far-1%" in thresholds_of("dlib-native")
    assert thresholds_of("nobody") == {}


def test_saving_keeps_the_others(own: Path):
    save_thresholds(own, "b", {"x": row(0.1), "y": row(0.2)})
    save_thresholds(own, "a", {"x": row(0.3)})
    save_thresholds(own, "b", {"x": row(0.4)})
    assert _parse(own.read_text("utf-8")) == {"a": {"x": row(0.3)}, "b": {"x": row(0.4)}}
    # Beside it lies nothing but the lock of whoever changes it.
    assert {path.name for path in own.parent.iterdir()} == {own.name, f".{own.name}.lock"}


def test_text_and_tables_are_each_others_inverse():
    tables = {"b": {"x": row(0.25)}, "a": {}}
    assert _parse(to_json(tables)) == tables
    assert to_json(_parse(to_json(tables))) == to_json(tables)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"dlib": 3}', '{"dlib": {"far-1%": {"similarity": 1}}}',
             '{"dlib": {"far-1%": 0.5}}', "3"],
)  # fmt: skip
def test_a_broken_file_is_named_with_what_to_do(own: Path, text: str):
    own.parent.mkdir()
    own.write_text(text, "utf-8")
    for use in (lambda: thresholds_of("dlib"), lambda: save_thresholds(own, "a", {"x": row(1)})):
        with pytest.raises(WeightsError, match="not a table of thresholds") as error:
            use()
        assert str(own) in str(error.value)
    assert own.read_text("utf-8") == text


def test_tables_cannot_be_changed_by_accident(own: Path):
    with pytest.raises(TypeError):
        thresholds_of("dlib")["far-1%"] = row(0)  # type: ignore[index]  # read-only is the point


@pytest.mark.parametrize("name", ["dlib-native", "loose-dlib", "mobilefacenet-ms1m"])
def test_fewer_other_photos_match_the_less_alike_a_copy_is(own: Path, name: str):
    limit = thresholds_of(name)["far-1%"]
    assert list(limit.genuine) == sorted(limit.genuine)
    # An unchanged copy is matched as genuine pairs are, within the coarse lowest step.
    assert limit.other_photos(1.0) == pytest.approx(limit.tar, abs=0.05)
    shares = [limit.other_photos(s) for s in np.linspace(limit.similarity, 1, 9)]
    assert np.diff(shares).min() > -0.01
    assert shares[0] < 0.3
    assert limit.other_photos(limit.similarity - 0.2) < 0.05


def test_without_genuine_pairs_it_is_all_or_nothing():
    limit = row(0.5)
    assert [limit.other_photos(s) for s in (0.49, 0.5, 1.0)] == [0, 1, 1]
    assert limit.other_photos(float("nan")) == 1
