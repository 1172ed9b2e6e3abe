"""A whole run on four people made of two portraits: files, outcomes, resuming, tables."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bauta.audit.metrics import largest_change
from bauta.bench import run as bench_run
from bauta.bench.bench import Bench, provenance
from bauta.bench.contestants import contestants
from bauta.bench.markdown import to_markdown, write_tables
from bauta.bench.people import identification, universal
from bauta.bench.plan import parse_plan
from bauta.bench.run import results, run
from bauta.bench.store import Store
from bauta.bench.table import to_csv
from bauta.bench.visibility import quality_csv, read_quality
from bauta.errors import UsageError
from bauta.media import read_photo
from tests.training.conftest import album

__all__ = ["album"]

SPLIT = {
    "protected": ["Collins", "Hopper"],
    "targets": ["Collins_mirrored"],
    "others": ["Hopper_mirrored"],
}
PLAN = parse_plan(
    {
        "name": "small", "people": 2, "methods": ["none", "noise", "mt-dim"],
        "epsilon": [8], "surrogates": ["tight-ms1m"], "judges": ["tight-judge", "tight-ms1m"],
        "scenarios": ["A", "B", "C", "D"],
    },
    "small",
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("runs")
    bench = Bench(plan=PLAN, data=album, store=Store(folder / "small"), cache=folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_run, "load_split", lambda name: SPLIT)
        told: list[tuple[str, int, int]] = []
        run(bench, jobs=1, progress=lambda *p: told.append(p))
    assert ("protecting", 6, 6) in told
    assert all(0 <= done <= total for _, done, total in told)
    return bench


def test_written_photos_keep_their_budgets(finished: Bench, album: Path):
    for contestant in contestants(PLAN):
        for index, who in enumerate(SPLIT["protected"]):
            for second in (False, True):
                clean = read_photo(album / who / f"{int(second)}.jpg").pixels
                file = finished.store.photo(contestant, index, "second" if second else "")
                change = largest_change(clean, read_photo(file).pixels)
                if contestant.entry.name == "none":
                    assert change == 0
                else:
                    # JPEG adds some of its own.
                    assert 4 <= change <= 8 + 24


def test_the_surrogate_itself_is_fooled_and_marked(finished: Bench):
    rows = {
        (r.method, r.judge, r.scenario, r.change, r.measure): r for r in results(finished.store)[2]
    }
    assert rows["none", "tight-judge", "A", "clean", "rank1_ut"].percent == 0
    none, _, made = (
        finished.store.read(finished.store.outcome(c, "tight-ms1m", "clean"))["D"]
        for c in contestants(PLAN)
    )
    assert max(made["own_similarity"]) < min(none["own_similarity"]) - 0.2
    # The target is Collins's mirror image, so that only Hopper has far to go.
    assert made["target_similarity"][1] > none["target_similarity"][1] + 0.1
    assert {r.role for r in rows.values() if r.judge == "tight-ms1m"} == {"kin"}
    assert {r.role for r in rows.values() if r.judge == "tight-judge"} == {"stranger"}
    assert {r.scenario for r in rows.values()} == {"A", "B", "C", "D"}
    assert all(r.low <= r.percent <= r.high for r in rows.values())


def test_quality_is_of_the_written_files(finished: Bench):
    none, noise, made = (finished.store.read(finished.store.quality(c)) for c in contestants(PLAN))
    assert none["photo"]["psnr"] == [100, 100]
    assert none["mmd"] == pytest.approx(0, abs=1e-5)
    # Noise is on the whole photo, the mask on the head alone.
    assert max(noise["photo"]["ssim"]) < min(made["photo"]["ssim"]) < 1
    assert max(made["face"]["psnr"]) < min(made["photo"]["psnr"])
    assert 0.9 < np.mean(made["photo"]["ms_ssim"]) < 1
    assert 0 < made["seconds"] < 60


def test_a_run_that_was_killed_goes_on(finished: Bench, monkeypatch: pytest.MonkeyPatch):
    """Without one batch's time file and one outcome, just these are made again, and alike."""
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    store, (_, noise, other) = finished.store, contestants(PLAN)
    outcome = store.outcome(noise, "tight-judge", "clean")
    before = {
        file: file.read_bytes() for file in (outcome, store.photo(noise, 0), store.photo(noise, 1))
    }
    kept = store.photo(other, 0).stat().st_mtime_ns
    store.seconds_file(noise, 0).unlink()
    store.photo(noise, 1).unlink()
    outcome.unlink()
    run(finished, jobs=1)
    assert {file: file.read_bytes() for file in before} == before
    assert store.photo(other, 0).stat().st_mtime_ns == kept


def test_adversaries_have_outcomes_of_their_own(finished: Bench, monkeypatch: pytest.MonkeyPatch):
    """The hardest loss of bits leaves the clean photos' outcome behind; kin are not asked."""
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    plan = replace(PLAN, methods=PLAN.methods[:1], adversaries=("bits",))
    bench = replace(finished, plan=plan)
    run(bench, jobs=1)
    rows = results(bench.store)[2]
    assert {r.change for r in rows} == {"clean", "bits-6", "bits-5", "bits-4", "bits-3"}
    assert {r.judge for r in rows if r.change != "clean"} == {"tight-judge"}
    assert {r.judge for r in rows if r.change == "clean"} == {"tight-judge", "tight-ms1m"}
    none = contestants(plan)[0]
    similar = [
        bench.store.read(bench.store.outcome(none, "tight-judge", change))["D"]["own_similarity"]
        for change in ("clean", "bits-6", "bits-3")
    ]
    assert np.mean(similar[2]) < np.mean(similar[1]) <= np.mean(similar[0]) + 0.02
    # A run that has not come to one of the strengths yet leaves its place in the table free.
    bench.store.outcome(none, "tight-judge", "bits-5").unlink()
    _, made, rows = results(bench.store)
    curve = write_tables(rows, plan, made, {}).split("## Adversary bits")[1].splitlines()
    assert curve[4] == "| method | ε | 6 | 5 | 4 | 3 |"
    assert [cell.strip() == "" for cell in curve[6].split("|")[3:7]] == [False, True, False, False]


def test_provenance(finished: Bench):
    made = json.loads((finished.store.folder / "plan.json").read_text())["made"]
    assert len(made["weights"]["tight-judge"]) == 64
    assert {"bauta", "torch", "numpy"} == set(made["versions"])
    assert made["surrogates"] == ["tight-ms1m"]


def test_what_is_published_names_no_folder_of_the_machine(
    finished: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["x", "bench", "run", "small", "--data", "/home/ann/lfw"])
    assert provenance(finished)["command"] == "bauta bench run small --data lfw"


def test_another_run_is_not_mixed_in(finished: Bench):
    with pytest.raises(UsageError, match="choose another folder"):
        run(replace(finished, plan=replace(PLAN, seed=5)))


def test_tables(finished: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    run(finished)  # the folder's plan is the last one run in it
    plan, made, rows = results(finished.store)
    assert plan == PLAN
    table = to_markdown(rows, measure="rank1_ut", scenario="A").splitlines()
    assert table[0] == "| method | ε | mean of strangers | tight-judge | *tight-ms1m (kin)* |"
    assert len(table) == 2 + len(PLAN.methods)
    means = [float(line.split("**")[1]) for line in table[2:]]
    assert means == sorted(means, reverse=True)
    assert to_csv(rows).count("\n") == 1 + len(rows)
    quality = read_quality(finished.store, plan)
    text = write_tables(rows, plan, made, quality)
    assert text.count("## Scenario") == 8
    changes = text.split("## How much the photos change")[1].splitlines()
    assert changes[4].startswith("| method | ε | face: PSNR, dB | SSIM | photo: PSNR, dB |")
    assert changes[6].startswith("| none | – | unchanged | 1.000 | unchanged |")
    assert changes[7].startswith("| noise | 8 | ")
    noise = list(csv.DictReader(io.StringIO(quality_csv(contestants(plan), quality))))[1]
    assert (noise["method"], noise["epsilon"]) == ("noise", "8")
    photos = finished.store.read(finished.store.quality(contestants(plan)[1]))
    assert float(noise["face_psnr"]) == pytest.approx(np.mean(photos["face"]["psnr"]), abs=1e-4)
    assert float(noise["photo_largest"]) == max(photos["photo"]["largest"])
    assert "2 people of lfw-identification, seed 0" in text


def test_scenarios_can_be_added(finished: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    plan = replace(PLAN, methods=PLAN.methods[:2], judges=("tight-judge",), scenarios=("A",))
    bench = replace(finished, plan=plan, store=Store(tmp_path / "grows"))
    run(bench, jobs=1)
    noise = contestants(plan)[1]
    first = bench.store.photo(noise, 0).stat().st_mtime_ns
    assert {row.scenario for row in results(bench.store)[2]} == {"A"}
    run(replace(bench, plan=replace(plan, scenarios=("A", "B"))), jobs=1)
    assert {row.scenario for row in results(bench.store)[2]} == {"A", "B"}
    assert bench.store.photo(noise, 0).stat().st_mtime_ns == first


def test_a_smaller_gallery_keeps_those_who_matter(album: Path, tmp_path: Path):
    split = {
        "protected": ["Collins", "Hopper"],
        "targets": ["Collins_mirrored"],
        "others": ["Hopper_mirrored"],
    }
    options = {"people": 1, "skip": 0, "cache": tmp_path}
    whole = identification(album, split, **options)
    small = identification(album, split, gallery=1, **options)
    assert len(whole.gallery) == 2 + 2 + 2 + 1
    assert len(small.gallery) == 2 + 2 + 1
    assert set(small.gallery) < set(whole.gallery)
    assert small.gallery == identification(album, split, gallery=1, **options).gallery


def test_a_smaller_gallery_of_personal_masks(album: Path, tmp_path: Path):
    split = {"people": ["Collins"], "fitting": 1}
    options = {"people": 1, "tested": 1, "cache": tmp_path}
    whole = universal(album, split, **options)
    small = universal(album, split, gallery=2, **options)
    assert len(whole.distractors) > len(small.distractors) == 2
    assert set(small.distractors) < set(whole.distractors)
    assert (small.cleans, small.fitting, small.tests) == (whole.cleans, whole.fitting, whole.tests)


def test_data_without_the_people(finished: Bench, tmp_path: Path):
    with pytest.raises(UsageError, match="holds no photos of"):
        run(replace(finished, data=tmp_path))


#: A personal mask of Bauta's, at little effort.
MINE = {"name": "chameleon", "label": "mine", "steps": 2, "members": 1, "photos": 1}


def test_personal_masks(finished: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Fitted on one photo, put on another, searched among the clean ones."""
    split = {"people": ["Collins", "Hopper"], "fitting": 1}
    monkeypatch.setattr(bench_run, "load_split", lambda name: split)
    plan = replace(
        PLAN, name="masks", split="lfw-universal",
        methods=parse_plan({"name": "x", "methods": ["none", "opom-convex", MINE]}, "x").methods,
    )  # fmt: skip
    bench = replace(finished, plan=plan, store=Store(tmp_path / "masks"))
    run(bench, jobs=1)
    rows = {(r.method, r.judge, r.measure): r for r in results(bench.store)[2]}
    # Mirror images of the person are among the distractors, so the first may be one of them.
    assert rows["none", "tight-judge", "psr_5"].percent == 0
    assert rows["opom-convex", "tight-ms1m", "psr_1"].people == 2
    assert {r.scenario for r in rows.values()} == {"U"}
    # The mask, not the photo, is what changed: both tested photos got one within its limit.
    clean = read_photo(finished.data / "Hopper" / "2.jpg").pixels
    changed = read_photo(bench.store.photo(contestants(plan)[1], 10)).pixels
    assert 4 <= largest_change(clean, changed) <= 8 + 24
    mine = read_photo(bench.store.photo(contestants(plan)[2], 10)).pixels
    assert largest_change(clean, mine) >= 4
    assert "ssim" in bench.store.read(bench.store.quality(contestants(plan)[2]))["face"]
    # One tested photo each: there are no two of a person's that could be linked.
    assert ("mine", "tight-judge", "met_1") in rows
    assert ("mine", "tight-judge", "linked_1") not in rows
    assert "PSR at top 1" in write_tables(list(rows.values()), *results(bench.store)[:2], {})
    run(replace(bench, plan=replace(plan, adversaries=("bits", "estimate"))), jobs=1)
    changes = {r.change for r in results(bench.store)[2]}
    assert {"clean", "bits-3", "estimate-1", "estimate-10"} < changes


def test_personal_masks_have_their_own_protocol(
    finished: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(bench_run, "load_split", lambda name: SPLIT)
    plan = parse_plan({"name": "small", "people": 2, "methods": ["fi-uap"]}, "small")
    plan = replace(plan, surrogates=PLAN.surrogates, judges=PLAN.judges)
    with pytest.raises(UsageError, match='one mask per person: give the plan split = "lfw-univ'):
        run(replace(finished, plan=plan, store=Store(tmp_path / "small")))
