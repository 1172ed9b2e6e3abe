"""A whole run of groups on chips cut out of two portraits, named as UTKFace names its own."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from bauta.bench import run as bench_run
from bauta.bench.bench import Bench
from bauta.bench.chips import another, cell_of, groups_of, lay_out, padded, select
from bauta.bench.contestants import contestants
from bauta.bench.group_rows import MEAN
from bauta.bench.group_tables import group_tables, largest_gap
from bauta.bench.markdown import write_tables
from bauta.bench.people import load_split
from bauta.bench.plan import parse_plan, read_plan
from bauta.bench.run import results, run
from bauta.bench.store import Store
from bauta.bench.table import MEASURES, Row, to_csv
from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.media import read_photo
from bauta.recognizers.thresholds import thresholds_of

#: Hopper passes for two people: two of a cell.
SPLIT = {
    "strangers": ["44_1_2_c"],
    "chips": ["38_1_0_a", "79_1_0_b", "38_0_1_a", "79_0_1_b", "79_1_0_c"],
}
PLAN = parse_plan(
    {
        "name": "fair", "people": 1, "methods": ["none", "noise", "mi-fgsm"], "epsilon": [8],
        "split": "utkface-fairness", "surrogates": ["tight-ms1m"],
        "judges": ["tight-judge", "tight-ms1m"],
    },
    "fair",
)  # fmt: skip


@pytest.fixture(scope="module")
def chips(
    collins: np.ndarray, collins_face: Face, hopper: np.ndarray, hopper_face: Face,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """An archive of six chips of 160 pixels: women are Collins and Hopper, men their mirrors."""
    file = tmp_path_factory.mktemp("data") / "chips.zip"
    one, other = _chip(collins, collins_face), _chip(hopper, hopper_face)
    pictures = {
        "38_1_0_a": one, "79_1_0_b": other,
        "38_0_1_a": ImageOps.mirror(one), "79_0_1_b": ImageOps.mirror(other),
        "79_1_0_c": ImageEnhance.Brightness(other).enhance(0.8),
        "44_1_2_c": ImageEnhance.Brightness(one).enhance(0.8),
    }  # fmt: skip
    with zipfile.ZipFile(file, "w") as bundle:
        for name, image in pictures.items():
            content = BytesIO()
            image.save(content, "PNG")
            # As UTKFace's own names end.
            bundle.writestr(f"{name}.jpg.chip.png", content.getvalue())
    return file


def _chip(pixels: np.ndarray, face: Face) -> Image.Image:
    left, top, right, bottom = face.box
    more = 0.15 * (right - left)
    box = tuple(round(edge) for edge in (left - more, top - more, right + more, bottom + more))
    return Image.fromarray(pixels).crop(box).resize((160, 160))


@pytest.fixture(scope="module")
def finished(chips: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("runs")
    bench = Bench(plan=PLAN, data=chips, store=Store(folder / "fair"), cache=folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_run, "load_split", lambda name: SPLIT)
        run(bench, jobs=1)
    return bench


@pytest.fixture(scope="module")
def rows(finished: Bench) -> dict[tuple[str, str, str, str], Row]:
    return {(r.method, r.judge, r.measure, r.group): r for r in results(finished.store)[2]}


def test_groups_are_those_of_the_labels(rows: dict[tuple[str, str, str, str], Row]):
    counts = {group: row.people for (*_, group), row in rows.items()}
    assert counts == {
        "all": 4, "sex: male": 2, "sex: female": 2, "race: white": 2, "race: black": 2,
        "age: 35-59": 2, "age: 60+": 2,
    }  # fmt: skip
    assert {row.scenario for row in rows.values()} == {"F"}
    assert all(row.low <= row.percent <= row.high for row in rows.values())


def test_rows_are_what_the_judge_said(finished: Bench, rows: dict[tuple[str, str, str, str], Row]):
    """Each group has the numbers of its own chips, by the judge's own threshold."""
    none, _, made = (
        finished.store.read(finished.store.outcome(c, "tight-judge", "clean"))["F"]
        for c in contestants(PLAN)
    )
    assert made["chips"] == none["chips"] == ["38_1_0_a", "79_1_0_b", "38_0_1_a", "79_0_1_b"]
    similar, clean = np.array(made["similarity"]), np.array(none["similarity"])
    old = [1, 3]
    at = thresholds_of("tight-judge")["far-1%"].similarity
    for measure, value in (
        ("likeness", 100 * similar[old].mean()),
        ("drop", 100 * (clean - similar)[old].mean()),
        ("hidden_1", 100 * (similar[old] < at).mean()),
    ):
        row = rows["mi-fgsm", "tight-judge", measure, "age: 60+"]
        assert row.percent == pytest.approx(value, abs=0.01)
        assert row.role == "stranger"


def test_the_surrogate_is_fooled_and_counts_in_no_mean(
    rows: dict[tuple[str, str, str, str], Row],
):
    assert rows["none", "tight-ms1m", "likeness", "all"].percent > 60
    assert rows["none", MEAN, "hidden_1", "all"].percent == 0
    assert rows["none", MEAN, "drop", "all"].percent == 0
    assert rows["mi-fgsm", "tight-ms1m", "drop", "all"].percent > 20
    assert rows["mi-fgsm", "tight-ms1m", "drop", "all"].role == "kin"
    for measure in ("likeness", "drop", "hidden_1", "hidden_01"):
        mean = rows["mi-fgsm", MEAN, measure, "race: black"]
        only = rows["mi-fgsm", "tight-judge", measure, "race: black"]
        assert (mean.percent, mean.low, mean.high) == (only.percent, only.low, only.high)
        assert mean.role == "mean"


def test_visibility_is_of_the_written_files(
    finished: Bench, rows: dict[tuple[str, str, str, str], Row]
):
    assert rows["none", "", "psnr", "all"].percent == 100
    assert rows["none", "", "largest", "sex: male"].percent == 0
    kept = finished.store.read(finished.store.quality(contestants(PLAN)[2]))["face"]
    assert rows["mi-fgsm", "", "ssim", "sex: male"].percent == pytest.approx(
        100 * np.mean(kept["ssim"][2:]), abs=0.01
    )
    # JPEG adds some of its own.
    assert 4 <= rows["mi-fgsm", "", "largest", "all"].percent <= 8 + 24


def test_photos_are_padded_once_and_others_are_other_pictures(finished: Bench, chips: Path):
    root = next(finished.cache.glob("chips-v*"))
    photo, other = (read_photo(root / kind / "38_1_0_a.jpg").pixels for kind in ("photo", "other"))
    assert photo.shape == other.shape == (256, 256, 3)
    assert np.abs(photo.astype(int) - other).mean() > 10
    with zipfile.ZipFile(chips) as bundle:
        chip = np.asarray(Image.open(BytesIO(bundle.read("38_1_0_a.jpg.chip.png"))))
    assert np.abs(photo[48:-48, 48:-48].astype(int) - chip).mean() < 3
    assert np.array_equal(padded(chip)[0], padded(chip)[47])
    assert another(chip, "a") == another(chip, "a") != another(chip, "b")


def test_a_run_that_was_killed_goes_on(finished: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    store, (_, noise, _) = finished.store, contestants(PLAN)
    outcome = store.outcome(noise, "tight-judge", "clean")
    before = {file: file.read_bytes() for file in (outcome, store.quality(noise))}
    kept = store.photo(noise, 0).stat().st_mtime_ns
    for file in before:
        file.unlink()
    run(finished, jobs=1)
    assert {file: file.read_bytes() for file in before} == before
    assert store.photo(noise, 0).stat().st_mtime_ns == kept


def test_tables(finished: Bench):
    plan, made, rows = results(finished.store)
    text = write_tables(rows, plan, made, {})
    assert "4 chips of utkface-fairness, seed 0" in text
    assert "with 95 % intervals over chips" in text
    table = text.split("## Scenario F, similarity")[1].splitlines()
    # The surrogate is not in the mean.
    assert table[2] == "Judges: tight-judge."
    assert table[4] == "| group | chips | none | noise, ε 8 | mi-fgsm, ε 8 |"
    assert [line.split(" | ")[0] for line in table[6:9]] == [
        "| all",
        "| sex: male",
        "| sex: female",
    ]
    # Not of what cannot differ: none's own drop, and how visible nothing is.
    assert ["- none: " in part for part in text.split("## Scenario F")[2:4]] == [True, False]
    assert all("- mi-fgsm, ε 8: largest gap" in p for p in text.split("## Scenario F")[2:4])
    written = list(csv.DictReader(StringIO(to_csv(rows))))
    assert {row["group"] for row in written} >= {"all", "race: black", "age: 60+"}
    assert len(written) == len(rows)


def _row(group: str, percent: float, wide: float, measure: str = "hidden_1") -> Row:
    return Row(
        method="m", epsilon=8, judge=MEAN, role="mean", scenario="F", change="clean",
        measure=measure, percent=percent, low=percent - wide, high=percent + wide, people=9,
        group=group,
    )  # fmt: skip


def test_gaps_are_within_an_attribute():
    some = [_row("all", 0, 2), _row("sex: male", 50, 2), _row("sex: female", 40, 2),
            _row("age: 60+", 90, 2), _row("age: 0-17", 87, 2)]  # fmt: skip
    gap = largest_gap(some)
    assert gap is not None
    assert [row.group for row in gap] == ["sex: female", "sex: male"]
    words = group_tables(some, MEASURES)
    assert "largest gap 10.0, between sex: female (40.0) and sex: male (50.0)" in words
    assert "the intervals do not overlap" in words
    assert "the intervals overlap" in group_tables([replace(r, high=60) for r in some], MEASURES)
    assert largest_gap(some[:2]) is None


def test_labels():
    assert cell_of("17_0_4_x") == ("male", "other", "0-17")
    assert cell_of("18_1_2_x.jpg.chip") == ("female", "asian", "18-34")
    assert cell_of("116_1_3_x")[2] == "60+"
    assert groups_of(["59_0_3_x", "60_0_3_y"])["age: 35-59"].tolist() == [True, False]
    assert select(["1_0_0_a", "1_0_0_b", "1_1_0_c", "2_0_0_d"], 2) == [
        "1_0_0_a",
        "1_0_0_b",
        "1_1_0_c",
    ]


def test_the_split_of_the_package_is_balanced():
    split, plan = load_split("utkface-fairness"), read_plan("fairness")
    assert plan.split == "utkface-fairness"
    chosen = select(split["chips"], plan.people)
    sizes = {group: inside.sum() for group, inside in groups_of(chosen).items()}
    assert sizes["sex: male"] == sizes["sex: female"] == 20 * plan.people
    assert {sizes[f"race: {word}"] for word in ("white", "black", "asian", "indian", "other")} == {
        8 * plan.people
    }
    assert len(set(split["chips"])) == len(split["chips"])
    assert not set(split["chips"]) & set(split["strangers"])
    assert split["found"]["all"] == [23534, 23705]


def _refused(data: Path, cache: Path, split: dict[str, Any] = SPLIT, people: int = 1) -> str:
    with pytest.raises(UsageError) as caught:
        lay_out(data, split, people=people, cache=cache)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_without_the_chips(chips: Path, tmp_path: Path):
    nothing = tmp_path / "nothing.zip"
    with zipfile.ZipFile(nothing, "w") as bundle:
        bundle.writestr("readme.txt", "no chips")
    portraits = tmp_path / "portraits"
    portraits.mkdir()
    Image.new("RGB", (160, 160)).save(portraits / "portrait.jpg")
    for data, count in ((nothing, 0), (portraits, 1)):
        words = _refused(data, tmp_path / "cache")
        assert f"{data} holds {count} photos, but not the chip 38_1_0_a: give UTKFace's" in words
    assert "neither a folder nor a file" in _refused(tmp_path / "missing", tmp_path)
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    assert "not a sound zip" in _refused(tmp_path / "broken.zip", tmp_path)


def test_splits_that_cannot_be(chips: Path, tmp_path: Path):
    nameless = {**SPLIT, "chips": ["portrait"]}
    assert "portrait has no labels" in _refused(chips, tmp_path, nameless)
    assert "at most 2 chips of a kind, not 3" in _refused(chips, tmp_path, people=3)
    assert "at most 0 chips" in _refused(chips, tmp_path, {**SPLIT, "chips": []})


def test_plans_that_cannot_be(finished: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    for change, words in (
        ({"adversaries": ("jpeg",)}, "utkface-fairness is a split without the adversary jpeg"),
        ({"skip": 1}, "only the protocol of identification can skip people"),
    ):
        plan = replace(PLAN, **change)
        with pytest.raises(UsageError, match=words):
            run(replace(finished, plan=plan, store=Store(tmp_path / "no")))
    assert not list(tmp_path.iterdir())
