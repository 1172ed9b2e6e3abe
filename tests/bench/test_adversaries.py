"""Adversaries that learn, and those that guess a mask: what they can do is really done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bauta.audit.metrics import psnr
from bauta.bench import changes, learning
from bauta.bench import run as bench_run
from bauta.bench.bench import Bench
from bauta.bench.changes import ESTIMATE, LEARNERS, Change, adversary_names, changes_of, curve_of
from bauta.bench.learning import LEARNING, Learner, learn, student_of
from bauta.bench.markdown import write_tables
from bauta.bench.plan import Plan, parse_plan
from bauta.bench.run import results, run
from bauta.bench.store import Store
from bauta.bench.unmasking import estimate_mask, unmask
from bauta.errors import UsageError
from bauta.faces.frame import FRAME_SIZE
from bauta.faces.index import main_face
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.masks.wearing import put_on
from bauta.media import read_photo
from bauta.recognizers.zoo import get_surrogate
from bauta.views.base import engines
from tests.masks.make import noise_mask
from tests.training.conftest import album

__all__ = ["album"]


def plan(**values: object) -> Plan:
    return parse_plan({"name": "small", "methods": ["noise"], "people": 2, **values}, "small")


def test_changes_begin_with_nothing():
    some = changes_of(plan(adversaries=["jpeg", "distilled"]))
    assert some[0] == Change()
    assert [c.name for c in some] == [
        "clean", "jpeg-90", "jpeg-70", "jpeg-50", "jpeg-30",
        "distilled-0", "distilled-100", "distilled-400",
    ]  # fmt: skip


def test_all_adversaries_have_curves():
    assert {*LEARNERS, ESTIMATE, "jpeg"} < set(adversary_names())
    assert set(LEARNING) == set(LEARNERS)
    for name in adversary_names():
        assert len(curve_of(name).strengths) >= 3
        assert curve_of(name).unit


@pytest.fixture(scope="module")
def crops() -> Tensor:
    """Six pictures that are no faces, which do to see whether anything is learnt."""
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(6, 3, 14, 14, generator=generator) * 255
    return torch.nn.functional.interpolate(small, size=(112, 112), mode="bicubic").clamp(0, 255)


def test_a_student_begins_as_what_it_was(crops: Tensor):
    judge = get_surrogate("tight-judge")
    same = student_of(Learner(student="tight-judge", teacher="tight-judge"), crops, crops)
    torch.testing.assert_close(same.embed_crops(crops), judge.embed_crops(crops))


def test_a_student_of_another_family_begins_near_its_teacher(crops: Tensor):
    targets = get_surrogate("tight-judge").embed_crops(crops)
    student = student_of(LEARNING["distilled"], crops, targets)
    assert (student.embed_crops(crops) * targets).sum(1).mean() > 0.9
    assert student.network is not get_surrogate("tight-ms1m").network


def test_learning_changes_the_student_alone(crops: Tensor, monkeypatch: pytest.MonkeyPatch):
    """After a few steps the protected crops look to it like the clean ones."""
    monkeypatch.setattr(learning, "_STEPS", 12)
    judge = get_surrogate("tight-judge")
    targets = judge.embed_crops(crops)
    changed = crops + 30 * torch.randn(crops.shape, generator=torch.Generator().manual_seed(1))
    changed = changed.clamp(0, 255)
    before = (judge.embed_crops(changed) * targets).sum(1).mean()
    student = student_of(LEARNING["fine-tuned"], crops, targets)
    told: list[tuple[int, int]] = []
    learn(student, crops, changed, targets, seed=0, progress=lambda *p: told.append(p))
    assert told[-1] == (12, 12)
    assert (student.embed_crops(changed) * targets).sum(1).mean() > before + 0.05
    torch.testing.assert_close(judge.embed_crops(crops), targets)
    assert not any(weight.requires_grad for weight in student.network.parameters())


@pytest.mark.parametrize("adversary", LEARNERS)
def test_a_run_with_an_adversary_that_learns(
    adversary: str, album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It learns from the one person who is not in the split, and says nothing of scenario D."""
    monkeypatch.setattr(learning, "_STEPS", 2)
    monkeypatch.setattr(
        changes, "_KNOWING", {adversary: changes.Curve("posts", (0, 1)), ESTIMATE: curve_of("jpeg")}
    )
    split = {"protected": ["Collins", "Hopper"], "targets": ["Collins_mirrored"], "others": []}
    monkeypatch.setattr(bench_run, "load_split", lambda name: split)
    of = plan(
        adversaries=[adversary], judges=["tight-judge"], surrogates=["tight-ms1m"],
        scenarios=["A", "B", "D"],
    )  # fmt: skip
    store = Store(tmp_path / "runs")
    bench = Bench(plan=of, data=album, store=store, cache=tmp_path / "cache")
    run(bench, jobs=1)
    rows = results(store)[2]
    learnt = {(r.judge, r.scenario) for r in rows if r.change == f"{adversary}-1"}
    assert learnt == {(adversary, "A"), (adversary, "B")}
    assert {r.judge for r in rows if r.change == "clean"} == {"tight-judge"}
    text = write_tables(rows, of, results(store)[1], {})
    assert f"## Adversary {adversary}: scenario A" in text
    assert "| method | ε | 0 | 1 |" in text
    assert read_photo(album / "Hopper_mirrored" / "0.jpg").pixels.shape == (
        read_photo(next((store.folder / "photos").glob("*/0000-post.jpg"))).pixels.shape
    )


def test_protocols_have_adversaries_of_their_own(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(plan=plan(), data=album, store=Store(tmp_path / "x"), cache=tmp_path)
    monkeypatch.setattr(bench_run, "load_split", lambda name: {"people": [], "fitting": 1})
    with pytest.raises(UsageError, match="without the adversary distilled"):
        run(replace(bench, plan=plan(adversaries=["distilled"])))
    monkeypatch.setattr(bench_run, "load_split", lambda name: {"protected": []})
    with pytest.raises(UsageError, match="without the adversary estimate"):
        run(replace(bench, plan=plan(adversaries=["estimate"])))
    assert not (tmp_path / "x").exists()


def test_a_mask_is_estimated_from_posts_and_taken_off(album: Path):
    """Of posts with one mask on photos that differ: the more of them, the less of it is left."""
    face = main_face(read_photo(album / "Collins" / "1.jpg").pixels)
    assert face is not None
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(11, 3, 32, 32, generator=generator) * 255
    large = torch.nn.functional.interpolate(small, (320, 256), mode="bicubic")
    clean = list(large.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    signs = torch.randn(1, 3, FRAME_SIZE // 4, FRAME_SIZE // 4, generator=generator).sign()
    mask = 8 * torch.nn.functional.interpolate(signs, FRAME_SIZE)
    worn = region_mask(face, ("head",))[None]
    posts = [render_into_photo(photo, [face], mask, worn, limit=8) for photo in clean]

    def left(count: int) -> float:
        estimate = estimate_mask(posts[:count], [face] * count)
        (less,) = unmask(posts[10:], [face], estimate)
        return float(np.square(less.astype(float) - clean[10]).mean())

    before = float(np.square(posts[10].astype(float) - clean[10]).mean())
    assert before > left(3) > left(10)
    assert left(10) < 0.6 * before


def test_who_knows_that_masks_follow_the_mesh_guesses_them_better(collins, collins_face):
    mask = noise_mask()
    views = engines["embedded"]().make(collins, collins_face, 6, seed=0)
    worn = [put_on(view.pixels, [view.face], mask) for view in views]
    faces = [view.face for view in views]
    area = region_mask(collins_face, ("face",))[None]
    known = torch.from_numpy(mask.deltas.astype(np.float32))

    def likeness(follows: bool) -> float:
        guess = estimate_mask(worn, faces, follows=follows)
        a, b = (values[(area > 0.5).expand_as(values)] for values in (guess, known))
        return float(torch.corrcoef(torch.stack([a, b]))[0, 1])

    assert likeness(follows=True) > likeness(follows=False) + 0.05
    guess = estimate_mask(worn, faces, follows=True)
    (back,) = unmask(worn[:1], faces[:1], guess, follows=True)
    assert psnr(views[0].pixels, back) > psnr(views[0].pixels, worn[0]) + 0.2
