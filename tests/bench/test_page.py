"""The page of a run: what it says, of whom, and that it asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bauta.bench import run as bench_run
from bauta.bench.bench import Bench
from bauta.bench.contestants import contestants
from bauta.bench.failures import failures_of
from bauta.bench.grids import grid_of, stranger_mean
from bauta.bench.page import page
from bauta.bench.plan import Plan, parse_plan
from bauta.bench.plots import Curve, Point, robustness, trade_off
from bauta.bench.run import results, run
from bauta.bench.sheets import chosen, faces_of
from bauta.bench.store import Store
from bauta.bench.table import Row
from bauta.cli.app import app
from tests.bench.test_run import PLAN, SPLIT, album
from tests.pages import Page

__all__ = ["album"]

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> ${script} &amp;"
JUDGES = {"one": "stranger", "two": "stranger", "relative": "kin"}
#: What each judge says of six people in scenario A; ranks of 1 are failures.
RANKS = {
    "one": [1, 4, 1, 9, 1, 5],
    "two": [1, 4, 1, 1, 7, 5],
    "relative": [9, 1, 9, 1, 9, 1],
}


class Tables(Page):
    """A page, and its tables by their labels: lines of cells, each its text and attributes."""

    def __init__(self, text: str) -> None:
        self.tables: dict[str, list[list[tuple[str, dict[str, str | None]]]]] = {}
        self.rows: list[list[tuple[str, dict[str, str | None]]]] = []
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag == "table":
            self.rows = self.tables.setdefault(str(dict(attrs).get("aria-label")), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append(("", dict(attrs)))

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if {"td", "th"} & set(self.stack):
            words, attrs = self.rows[-1][-1]
            self.rows[-1][-1] = (words + data, attrs)


def write(store: Store, plan: Plan, rows: dict[str, dict[str, list[int]]], size: int = 48) -> Store:
    """A run by hand: photos of one colour per method and person, and what judges said."""
    made = {
        "command": "bauta bench run small", "versions": {"bauta": "0"}, "machine": "toy",
        "surrogates": ["s"], "judges": JUDGES, "teams": {},
        "device": "cpu", "weights": {"one": "0" * 64},
    }  # fmt: skip
    store.folder.mkdir(parents=True, exist_ok=True)
    store.write(store.folder / "plan.json", {"digest": "", "plan": plan.to_json(), "made": made})
    for shade, contestant in enumerate(contestants(plan)):
        said = rows.get(contestant.entry.title, {})
        for number in range(6):
            file = store.photo(contestant, number)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (size, size), (40 * shade, 40 * number, 90)).save(file, quality=95)
        for judge, ranks in said.items():
            similar = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
            outcome = {
                "A": {"own_rank": ranks, "target_rank": [9] * 6},
                "D": {"own_similarity": similar, "target_similarity": [0.0] * 6},
            }
            store.write(store.outcome(contestant, judge, "clean"), outcome)
    return store


def crafted(folder: Path, label: str = "", about: str = "") -> Store:
    entries = ["none", "mi-fgsm", {"name": "tip-im", "label": label}]
    plan = parse_plan({"name": "small", "about": about, "people": 6, "methods": entries}, "small")
    title = label or "tip-im"
    nobody = {judge: [1] * 6 for judge in JUDGES}
    return write(Store(folder), plan, {"none": nobody, title: RANKS})


def page_of(store: Store) -> Tables:
    text = page(store, *results(store), datetime(2026, 1, 2, tzinfo=UTC), lambda *_: None)
    return Tables(text)


@pytest.fixture(scope="module")
def finished(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("runs")
    plan = replace(PLAN, scenarios=("A", "D"), adversaries=("bits",))
    store = Store(folder / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_run, "load_split", lambda name: SPLIT)
        run(Bench(plan=plan, data=album, store=store, cache=folder / "cache"), jobs=1)
    return store


@pytest.fixture(scope="module")
def shown(finished: Store) -> Tables:
    return page_of(finished)


def test_asks_for_nothing(shown: Tables):
    for _, attrs in shown.tags:
        for name in ("src", "href", "srcset", "action", "data", "xlink:href", "poster"):
            assert (attrs.get(name) or "data:").startswith(("data:", "#"))
        assert not any(name.startswith("on") for name in attrs)
    policy = next(a["content"] for a in shown.all("meta") if "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(shown.inside["script"].encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "http:" not in shown.inside["script"]
    assert "https:" not in shown.inside["script"]


def test_nothing_in_the_whole_text_leads_elsewhere(finished: Store):
    text = page(finished, *results(finished), datetime.now(UTC), lambda *_: None)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert str(finished.folder) not in text


def test_is_accessible(shown: Tables):
    ids = [str(attrs["id"]) for _, attrs in shown.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {str(attrs["href"]).removeprefix("#") for attrs in shown.all("a")}
    assert links >= {"scenario-a", "scenario-d", "trade-offs", "robustness", "quality", "faces"}
    assert links <= set(ids)
    assert all(a["alt"] for a in shown.all("img"))
    assert all(a["scope"] in ("col", "row") for a in shown.all("th"))
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in shown.all("svg"))
    # Whatever scrolls can be scrolled by keyboard.
    scrolls = [a for a in shown.all("div") if a.get("class") == "scroll"]
    assert scrolls
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolls)


def test_every_number_of_table_a_is_the_rows(finished: Store, shown: Tables):
    rows = [r for r in results(finished)[2] if (r.scenario, r.change) == ("A", "clean")]
    table = shown.tables["Rank-1-UT: the person is not the first found"]
    head = [words for words, _ in table[0]]
    assert head == ["Method", "ε", "Mean of strangers", "tight-judge", "tight-ms1m (kin)"]
    assert len(table) == 1 + 3
    for line in table[1:]:
        title = re.sub(r"^\d+| unprotected$", "", line[0][0].strip())
        for judge, (words, attrs) in zip(("tight-judge", "tight-ms1m"), line[3:], strict=True):
            (row,) = [
                r for r in rows
                if (r.method, r.judge, r.measure) == (title, judge, "rank1_ut")
            ]  # fmt: skip
            assert float(str(attrs["data-value"])) == row.percent
            assert words == f"{row.percent:.1f} {row.low:.0f}–{row.high:.0f}"
            assert ("kin" in str(attrs["class"])) == (judge == "tight-ms1m")
    # Best first, as the header says.
    means = [float(str(line[2][1]["data-value"])) for line in table[1:]]
    assert means == sorted(means, reverse=True)
    assert [a.get("aria-sort") for _, a in table[0]][2] == "descending"


def row(judge: str, role: str, percent: float, method: str = "m", group: str = "") -> Row:
    return Row(
        method=method, epsilon=8, judge=judge, role=role, scenario="A", change="clean",
        measure="rank1_ut", percent=percent, low=percent - 4, high=percent + 2, people=9,
        group=group,
    )  # fmt: skip


def test_kin_counts_in_no_mean():
    rows = [row("a", "stranger", 20), row("b", "stranger", 40), row("k", "kin", 100)]
    mean = stranger_mean(rows)
    assert mean is not None
    assert (mean.percent, mean.low, mean.high, mean.judges) == (30, 26, 32, 2)
    assert stranger_mean(rows[2:]) is None
    grid = grid_of(rows[::-1], "A", "rank1_ut")
    assert grid.judges == (("a", "stranger"), ("b", "stranger"), ("k", "kin"))
    assert grid.lines[0].mean == mean


def test_a_judge_can_be_kin_to_some_methods_only(tmp_path: Path):
    """Where an entry has surrogates of its own, its means are over its own strangers."""
    store = crafted(tmp_path / "small")
    kept = store.read(store.folder / "plan.json")
    made = contestants(results(store)[0])[2]
    kept["made"]["teams"] = {made.entry.slug: {**JUDGES, "one": "kin", "relative": "stranger"}}
    store.write(store.folder / "plan.json", kept)
    shown = page_of(store)
    table = shown.tables["Rank-1-UT: the person is not the first found"]
    assert [words for words, _ in table[0]][3:] == ["one", "relative", "two"]
    (line,) = [line for line in table[1:] if "tip-im" in line[0][0]]
    # 3 of 6 hidden from "one", 3 from "relative" and 3 from "two"; the mean is of the last two.
    assert [words.split()[0] for words, _ in line[3:]] == ["(kin)", "50.0", "50.0"]
    assert ["kin" in str(attrs["class"]) for _, attrs in line[3:]] == [True, False, False]
    assert "Photo 0003: found by 2 of 2, two, relative" in shown.words
    assert "one, two" not in shown.words.split("worst failures")[-1]


def test_methods_without_strangers_come_last():
    rows = [row("k", "kin", 100, "x"), row("a", "stranger", 0, "y"), row("a", "stranger", 9, "z")]
    assert [line.method for line in grid_of(rows, "A", "rank1_ut").lines] == ["z", "y", "x"]
    assert grid_of(rows, "B", "rank1_ut").lines == ()


def test_groups_stay_together_and_bring_their_own_mean():
    rows = [row("a", "stranger", 10, group=g) for g in ("all", "sex: male")]
    rows += [row("mean of strangers", "mean", 77, group="all")]
    grid = grid_of(rows, "A", "rank1_ut")
    assert [(line.group, line.mean and line.mean.percent) for line in grid.lines] == [
        ("all", 77), ("sex: male", 10),
    ]  # fmt: skip
    assert grid.judges == (("a", "stranger"),)


def test_worst_failures_are_those_whom_most_strangers_found(tmp_path: Path):
    store = crafted(tmp_path / "small")
    plan = results(store)[0]
    failures = failures_of(store, contestants(plan)[2], JUDGES)
    assert failures is not None
    # 0 and 2 by both, of whom 2 is more similar; then 4 before 3 likewise; kin is not asked.
    assert [case.number for case in failures.cases] == [2, 0, 4, 3, 5, 1]
    assert [case.judges for case in failures.cases][1:4] == [("one", "two"), ("one",), ("two",)]
    assert failures.found == {2: 2, 1: 2, 0: 2}
    words = page_of(store).words
    assert (
        "Of 6 photos, 2 were found by all 2 strangers, 2 by some of them, and 2 by none." in words
    )
    named = re.findall(r"Photo (\d{4}): found by (\d) of 2, ([a-z, ]+?) (?=Photo|How)", words)
    assert named == [
        ("0002", "2", "one, two"), ("0000", "2", "one, two"), ("0004", "1", "one"),
        ("0003", "1", "two"),
    ]  # fmt: skip


def test_failures_of_personal_masks(tmp_path: Path):
    """The second photo of the second person is file 11, however many the first one has."""
    store = crafted(tmp_path / "small")
    one = contestants(results(store)[0])[2]
    outcome = {"U": {"own_rank": [5, 5, 5, 5, 1], "own_rank_of": [0, 0, 0, 1, 1]}}
    for judge in JUDGES:
        store.write(store.outcome(one, judge, "clean"), outcome)
    failures = failures_of(store, one, JUDGES)
    assert failures is not None
    assert [case.number for case in failures.cases if case.judges] == [11]
    assert failures_of(store, one, {"relative": "kin"}) is None


def test_pictures_show_who_they_say(tmp_path: Path):
    shown = page_of(crafted(tmp_path / "small"))
    pictures = {str(a["alt"]): str(a["src"]) for a in shown.all("img")}
    for method, red in (("none", 0), ("mi-fgsm", 40), ("tip-im", 80)):
        for number in range(6):
            data = pictures[f"{method}, photo {number:04d}"].split(",")[1]
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
            assert np.abs(pixels.mean((0, 1)) - (red, 40 * number, 90)).max() < 4
    assert "photo 0002, original" in pictures
    assert "the original" in shown.words


def test_faces_are_cut_where_the_original_has_them(finished: Store):
    entries = contestants(results(finished)[0])
    faces = faces_of(finished, entries)
    assert faces is not None
    assert faces.unchanged
    cuts = [faces.cut(entry, 0) for entry in entries]
    shapes = {cut.shape for cut in cuts if cut is not None}
    assert len(shapes) == 1
    assert max(shapes.pop()) <= 128
    # The same square: only the protection differs.
    assert cuts[0] is not None
    assert cuts[2] is not None
    assert np.abs(cuts[0].astype(int) - cuts[2]).mean() < 8


def test_people_are_spread_and_fewer_where_methods_are_many():
    assert chosen(range(100), 10) == [0, 20, 40, 59, 79, 99]
    assert chosen([4, 7], 10) == [4, 7]
    assert len(chosen(range(100), 140)) == 3
    assert chosen([], 3) == []


def test_names_are_text(tmp_path: Path):
    plain, shown = (
        page_of(crafted(tmp_path / "a")),
        page_of(crafted(tmp_path / "b", HOSTILE, HOSTILE)),
    )
    assert len(shown.all("script")) == len(shown.all("style")) == 1
    assert len(shown.all("img")) == len(plain.all("img"))
    assert shown.inside["script"] == plain.inside["script"]
    assert HOSTILE in shown.words
    assert f"{HOSTILE}, photo 0002" in {a["alt"] for a in shown.all("img")}


def test_a_run_without_verdicts_shows_its_photos(tmp_path: Path):
    store = crafted(tmp_path / "small")
    plan = results(store)[0]
    for file in store.folder.glob("judged/**/*.json"):
        file.unlink()
    store.photo(contestants(plan)[2], 5).unlink()
    shown = page_of(store)
    assert (
        "Not finished: 17 photos of 3 of 3 methods are written, and 0 of 9 verdicts" in shown.words
    )
    assert len(shown.all("img")) == 17
    assert "Scenario" not in shown.words
    assert "worst failures" not in shown.words


def test_a_run_half_judged(tmp_path: Path):
    store = crafted(tmp_path / "small")
    shown = page_of(store)
    assert "0 of 9 verdicts" not in shown.words
    assert "6 of 9 verdicts" in shown.words
    # A method that nobody has judged is in no table of rates.
    table = shown.tables["Rank-1-UT: the person is not the first found"]
    assert [re.sub(r"^\d", "", line[0][0]).split()[0] for line in table[1:]] == ["tip-im", "none"]
    assert [line[2][1]["data-value"] for line in table[1:]] == ["50", "0"]


def test_without_originals_it_says_so(tmp_path: Path):
    store = crafted(tmp_path / "small")
    plan = results(store)[0]
    write(store, replace(plan, methods=plan.methods[1:]), {"tip-im": RANKS})
    shown = page_of(store)
    assert "there are no originals" in shown.words
    assert not any("original" in str(a["alt"]) for a in shown.all("img"))


def test_lpips_is_shown_where_it_was_measured(tmp_path: Path):
    store = crafted(tmp_path / "small")
    made = contestants(results(store)[0])[2]
    measured = {
        "photo": {"psnr": [40, 42], "ssim": [0.9, 1.0], "ms_ssim": [1, 1], "largest": [9, 12]},
        "face": {"psnr": [30, 33], "ssim": [0.8, 0.9], "largest": [9, 12]},
        "mmd": 0.5, "seconds": 2.0,
    }  # fmt: skip
    store.write(store.quality(made), measured)
    table = page_of(store).tables["Quality"]
    assert "LPIPS" not in [words for words, _ in table[0]]
    assert [words for words, _ in table[1]][2:] == [
        "31.5", "0.850", "41.0", "0.950", "1.000", "12", "0.5000", "2.00",
    ]  # fmt: skip
    measured["face"]["lpips"] = [0.1, 0.3]
    store.write(store.quality(made), measured)
    shown = page_of(store)
    assert "LPIPS" in [words for words, _ in shown.tables["Quality"][0]]
    assert "Protection against LPIPS" in shown.words
    assert "tip-im: 50.0 % " in shown.words
    # The original has no distance: it is a line.
    assert "unprotected: 0.0 %" in shown.words


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Where labels are, by their letters' least width."""
    found = re.findall(r'<text class="label" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)<', svg)
    return [
        (float(x) - 3 * len(t), float(y) - 10, float(x) + 3 * len(t), float(y)) for x, y, t in found
    ]


def test_labels_of_forty_methods_do_not_overlap():
    rng = np.random.default_rng(1)
    points = [
        Point(
            x=float(rng.normal(33, 1)), y=float(rng.normal(45, 12)), label=str(at), title=f"t{at}",
            kind="bauta" if at < 3 else "baseline", key=f"m{at}",
        )
        for at in range(40)
    ]  # fmt: skip
    svg = trade_off(points, unit="PSNR", measure="rate", level=5.0)
    found = boxes(svg)
    assert len(found) == 40
    for at, a in enumerate(found):
        for b in found[at + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    assert svg.count("<circle") == 40


def test_better_is_to_the_upper_right():
    def places(*, less_is_better: bool) -> dict[str, tuple[float, float]]:
        points = [
            Point(x=x, y=y, label=name, title=name, kind="baseline", key=name)
            for name, x, y in (("worse", 0.3, 20.0), ("better", 0.1, 80.0))
        ]
        svg = trade_off(points, unit="u", measure="m", less_is_better=less_is_better)
        # Named by data-key, in any order.
        found = re.findall(r'data-key="(\w+)"><title>.*?cx="([\d.]+)" cy="([\d.]+)"', svg)
        return {name: (float(x), float(y)) for name, x, y in found}

    at = places(less_is_better=True)
    assert at["better"][0] > at["worse"][0]
    assert at["better"][1] < at["worse"][1]
    at = places(less_is_better=False)
    assert at["better"][0] < at["worse"][0]


def test_curves_have_bands_where_they_have_colours():
    values = ((50.0, 40.0, 60.0), None, (30.0, 20.0, 35.0))
    curves = [
        Curve(values=values, label="1", title="mine", look="s0 dash0", key="m1"),
        Curve(values=values, label="2", title="theirs", look="", key="m2"),
    ]
    svg = robustness(curves, ["before", "90", "70"], unit="quality", measure="rate")
    bands = re.findall(r'class="band s0 dash0" data-key="m1" d="(M[^"]+)"', svg)
    assert len(bands) == 1
    assert bands[0].count("L") == 3
    assert 'data-key="m2"' in svg
    assert 'class="band' not in svg.replace('class="band s0', "")


def test_curves_of_a_run(shown: Tables):
    assert "What adversaries undo" in shown.words
    curves = [a for a in shown.all("path") if str(a.get("class")).startswith("curve")]
    drawn = [a for a in curves if "data-key" in a]
    assert {a["data-key"] for a in drawn} == {"m1", "m2", "m3"}
    # Before, and after four losses of bits.
    assert {str(a["d"]).count("L") for a in drawn} == {4}
    assert [t for t in shown.text if t.strip() == "bits per sample"]


def test_the_command_writes_all_three(tmp_path: Path):
    store = crafted(tmp_path / "small")
    told = CliRunner().invoke(app, ["bench", "report", "small", "-o", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert {"report.html", "report.md", "rates.csv"} <= {p.name for p in store.folder.iterdir()}
    assert "Scenario A" in Tables((store.folder / "report.html").read_text("utf-8")).words
    for file in [*store.folder.glob("judged/**/*.json"), *store.folder.glob("report.*")]:
        file.unlink()
    told = CliRunner().invoke(app, ["bench", "report", "small", "-o", str(tmp_path)])
    assert told.exit_code == 0, told.output
    assert "nothing is judged yet" in told.output
    assert (store.folder / "report.html").is_file()
    assert not (store.folder / "report.md").exists()
    told = CliRunner().invoke(app, ["bench", "report", "small", "-o", str(tmp_path), "--json"])
    assert json.loads(told.stdout) == []
