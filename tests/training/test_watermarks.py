"""Training of a watermark: it learns, goes on as if nothing had happened, and is exported."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bauta.engine.budgets import Perceptual
from bauta.errors import UsageError
from bauta.media.atomic import claimed
from bauta.recognizers.base import similarity
from bauta.recognizers.zoo import get_surrogate
from bauta.training.faceset import FaceSet
from bauta.training.prepare import apart
from bauta.training.teachers import to_tensor
from bauta.training.watermark_check import check
from bauta.training.watermark_export import export_watermark
from bauta.training.watermark_hosts import hiding_perturbations, hosts
from bauta.training.watermark_recipe import (
    Stage,
    WatermarkRecipe,
    parse_watermark_recipe,
    read_watermark_recipe,
    watermark_recipe_names,
)
from bauta.training.watermarks import CHECKPOINT, LOG, train_watermark
from bauta.watermark.codes import BITS
from bauta.watermark.marking import at_network_size, framed, marked_frames, mean_masks
from bauta.watermark.network import WatermarkNetworks
from bauta.weights.table import WeightRecord

torch.set_num_threads(1)
TINY = WatermarkRecipe(
    name="tiny",
    surrogates=("tight-ms1m",),
    held_out=(),
    batch=4,
    perturbations=2,
    seed=3,
    stages=(
        Stage(name="message", steps=3, distortions=("identity", "noise")),
        Stage(
            name="all", steps=3, image=0.1, attack=1.0, blank=0.1, hidden=0.5, faintest=0.5,
            distortions=("jpeg", "blur", "shared"),
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def halves(little: FaceSet) -> tuple[FaceSet, FaceSet]:
    return apart(little, (), 0)


def weights_of(networks: WatermarkNetworks | None) -> torch.Tensor:
    assert networks is not None
    return torch.cat([parameter.detach().flatten() for parameter in networks.parameters()])


def frames_of(faces: FaceSet, count: int) -> torch.Tensor:
    return at_network_size(to_tensor(faces.take(np.arange(count))))


def test_people_are_set_apart(little: FaceSet) -> None:
    faces, held_out = apart(little, (), 0)
    assert not set(faces.identities) & set(held_out.identities)
    assert len(faces) + len(held_out) == len(little)


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(
    halves: tuple[FaceSet, FaceSet], tmp_path: Path
) -> None:
    told: list[int] = []

    def tell(what: str, done: int, _total: int) -> None:
        if what.startswith("training"):
            told.append(done)

    whole = train_watermark(TINY, *halves, tmp_path / "a", progress=tell)
    assert told == [1, 2, 3, 4, 5, 6]

    class Enough(Exception):
        """Somebody pressed Ctrl-C."""

    def stop(what: str, done: int, _total: int) -> None:
        if what.startswith("training") and done == 4:
            raise Enough

    with pytest.raises(Enough):
        train_watermark(TINY, *halves, tmp_path / "b", progress=stop)
    assert train_watermark(TINY, *halves, tmp_path / "b", minutes=0) is None
    told.clear()
    again = train_watermark(TINY, *halves, tmp_path / "b", progress=tell)
    assert told == [5, 6]
    torch.testing.assert_close(weights_of(whole), weights_of(again))
    with (tmp_path / "a" / LOG).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["6"]
    assert 0 <= float(rows[0]["clean"]) <= 1
    assert float(rows[0]["psnr"]) > 30


def test_the_second_half_looks_ahead(halves: tuple[FaceSet, FaceSet], tmp_path: Path) -> None:
    with_ = train_watermark(TINY, *halves, tmp_path / "a")
    without = train_watermark(replace(TINY, meta=False), *halves, tmp_path / "b")
    assert not torch.allclose(weights_of(with_), weights_of(without))


def test_rows_of_steps_that_are_made_again_are_dropped(
    halves: tuple[FaceSet, FaceSet], tmp_path: Path
) -> None:
    """A run that was killed may have logged further than its checkpoint reaches."""
    train_watermark(TINY, *halves, tmp_path, minutes=0)
    (tmp_path / LOG).write_text("step,stage\n0,kept\n6,lost\n", "utf-8")
    train_watermark(TINY, *halves, tmp_path, minutes=0)
    with (tmp_path / LOG).open(encoding="utf-8") as stream:
        assert [row["stage"] for row in csv.DictReader(stream)] == ["kept"]


@pytest.mark.parametrize("what", ["other", "damaged", "foreign"])
def test_checkpoints_that_do_not_fit(
    halves: tuple[FaceSet, FaceSet], tmp_path: Path, what: str
) -> None:
    train_watermark(TINY, *halves, tmp_path, minutes=0)
    file = tmp_path / CHECKPOINT
    recipe = replace(TINY, rate=0.1) if what == "other" else TINY
    if what == "damaged":
        file.write_bytes(file.read_bytes()[:-1000])
    elif what == "foreign":
        torch.save({"recipe": 1}, file)
    with pytest.raises(UsageError, match="another folder"):
        train_watermark(recipe, *halves, tmp_path)


def test_a_folder_that_another_run_works_in_is_left_alone(
    halves: tuple[FaceSet, FaceSet], tmp_path: Path
) -> None:
    with claimed(tmp_path), pytest.raises(UsageError, match="another run works"):
        train_watermark(TINY, *halves, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_messages_are_learned(halves: tuple[FaceSet, FaceSet], tmp_path: Path) -> None:
    stage = Stage(name="message", steps=130, image=0.02, distortions=("identity",))
    recipe = replace(TINY, batch=8, rate=2e-3, meta=False, stages=(stage,))
    losses: list[float] = []

    def tell(what: str, _done: int, _total: int) -> None:
        losses.append(float(what.removeprefix("training, loss ")))

    train_watermark(recipe, *halves, tmp_path, progress=tell)
    # Tossing coins costs 0.693.
    assert np.mean(losses[:10]) > 0.7
    assert np.mean(losses[-10:]) < 0.675


def test_what_hides_a_face_is_met_in_training(halves: tuple[FaceSet, FaceSet]) -> None:
    member = get_surrogate("tight-ms1m")
    added = hiding_perturbations(halves[0], [member], 8.0, 2, 3, torch.device("cpu"))
    assert added.shape == (2, 3, 128, 128)
    assert float(added.std()) > 1
    assert float(added.abs().max()) <= 16
    which = np.random.default_rng(3).permutation(len(halves[0]))[:2]
    frames = at_network_size(to_tensor(halves[0].take(which)))
    canvas = framed(frames)
    before, after = (
        member.embed_crops(member.crop.take(canvas, images)) for images in (frames, frames + added)
    )
    assert float(similarity(before, after).max()) < 0.8
    generator = torch.Generator().manual_seed(0)
    changed = hosts(frames, added, 0.5, generator)
    assert not torch.equal(changed[0], frames[0])
    assert torch.equal(changed[1], frames[1])
    assert hosts(frames, added, 0.0, generator) is frames


def test_marks_stay_in_the_budget(halves: tuple[FaceSet, FaceSet]) -> None:
    networks = WatermarkNetworks(torch.Generator().manual_seed(0)).eval()
    frames = frames_of(halves[0], 3)
    bits = torch.ones(3, BITS)
    head, _ = mean_masks()
    for rms in (0.5, 0.2):
        budget = Perceptual(8.0, rms=rms)
        with torch.no_grad():
            marked, _ = marked_frames(networks.encoder, frames, bits, budget)
        change = marked - frames
        assert float(change.abs().max()) <= budget.peak
        assert float(change[:, :, 0].abs().max()) == 0
        assert 0 < float((change * (head == 0)).abs().max() + change.std()) < 8 * rms


def test_a_check_says_what_is_read(halves: tuple[FaceSet, FaceSet]) -> None:
    networks = WatermarkNetworks(torch.Generator().manual_seed(0))
    out = check(networks, halves[1], 8.0, [get_surrogate("tight-ms1m")], 0)
    assert set(out) == {"clean", "jpeg50", "shared", "psnr", "still_known"}
    assert out["clean"] < 0.5
    assert 30 < out["psnr"] < 60


def test_networks_are_exported(halves: tuple[FaceSet, FaceSet], tmp_path: Path) -> None:
    networks = WatermarkNetworks(torch.Generator().manual_seed(0)).eval()
    weights, card = export_watermark(
        networks, TINY, halves[0], tmp_path, training_data="little", made={"faces": 40}
    )
    data = json.loads(card.read_text("utf-8"))
    assert WeightRecord(**data["record"]).kind == "watermark"
    made = data["made"]
    assert made["certainty"] == pytest.approx(1.1 * made["blank"])
    assert 0 <= made["heard"] <= 1
    again = WatermarkNetworks(torch.Generator().manual_seed(1)).eval()
    again.load_state_dict({name: part.float() for name, part in load_file(weights).items()})
    faces, bits = frames_of(halves[0], 2), torch.ones(2, BITS)
    with torch.no_grad():
        torch.testing.assert_close(
            again.encoder(faces, bits), networks.encoder(faces, bits), atol=0.02, rtol=0
        )


def test_shipped_recipes_make_sense() -> None:
    for name in watermark_recipe_names():
        recipe = read_watermark_recipe(name)
        assert recipe.name == name
        assert set(recipe.held_out) == {"lfw-identification", "lfw-universal"}
        assert recipe.stage_at(0).name == recipe.stages[0].name
        assert recipe.stage_at(recipe.steps - 1).name == recipe.stages[-1].name


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"stages": []}, "stages are missing"),
        ({"stages": 3}, "tables"),
        ({"colour": 1}, "unknown colour"),
        ({"batch": 3}, "even"),
        ({"surrogates": []}, "needs surrogates"),
        ({"stages": [{"name": "a", "steps": 1, "distortions": ["fire"]}]}, "fire"),
        ({"stages": [{"name": "a", "steps": 0, "distortions": ["blur"]}]}, "at least 1"),
        ({"stages": [{"name": "a", "steps": 1, "distortions": []}]}, "no distortions"),
        ({"stages": [{"name": "a", "steps": 1, "distortions": ["blur"], "image": -1}]}, "negative"),
        ({"stages": [{"name": "a", "steps": 1, "distortions": ["blur"], "hidden": 2}]}, "shares"),
    ],
)
def test_recipes_that_make_none(values: dict[str, object], told: str) -> None:
    stage = {"name": "a", "steps": 1, "distortions": ["blur"], "attack": 1.0}
    with pytest.raises(UsageError, match=told):
        parse_watermark_recipe({"name": "x", "stages": [stage], **values}, "x")
