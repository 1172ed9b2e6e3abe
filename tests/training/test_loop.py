"""The loop: it learns, it resumes as if nothing had happened, it exports the network."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.errors import UsageError, WeightsError
from bauta.media.atomic import claimed
from bauta.recognizers.trained import NetworkSpec, load_network, read_card, trained_recognizer
from bauta.training.augment import PLAIN
from bauta.training.export import export
from bauta.training.faceset import FaceSet
from bauta.training.loop import LOG, TrainingData, _together, check, train
from bauta.training.pairs import held_out_pairs
from bauta.training.recipe import Losses, Recipe, Schedule

pytest.importorskip("lightning_fabric")

SMALL = Recipe(
    name="small",
    family="ir-resnet",
    size=32,
    embedding=16,
    network={"widths": (8, 16), "units": (1, 1)},
    teachers=("dlib",),
    losses=Losses(cosine=1.0, relation=1.0, contrast=0.1, identity=0.1, attributes=0.1),
    schedule=Schedule(epochs=6, batch=8, rate=5e-3, ema=0.9),
    seed=3,
)


@pytest.fixture(scope="module")
def data(little: FaceSet) -> TrainingData:
    """Targets: one direction per person, and some noise."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(6, 16))
    rows = centres[little.people] + 0.1 * rng.normal(size=(len(little), 16))
    targets = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return TrainingData(
        faces=little, targets=targets, checks=little, pairs=held_out_pairs(little.names, count=100)
    )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / LOG).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_distillation_learns_and_logs(data: TrainingData, tmp_path: Path) -> None:
    losses: list[float] = []
    network = train(SMALL, data, tmp_path, progress=lambda _d, _n, loss: losses.append(loss))
    assert len(losses) == 36
    assert np.mean(losses[-6:]) < 0.6 * np.mean(losses[:6])
    log = rows_of(tmp_path)
    assert [int(row["epoch"]) for row in log] == [1, 2, 3, 4, 5, 6]
    assert float(log[-1]["cosine"]) < float(log[0]["cosine"])
    assert float(log[-1]["accuracy"]) > 0.9
    assert not network.training


@pytest.mark.parametrize(
    "losses",
    [
        Losses(identity=1.0, head="cosface", margin=0.1, scale=16.0),
        Losses(triplet=1.0),
    ],
)
def test_labels_alone_teach_too(data: TrainingData, tmp_path: Path, losses: Losses) -> None:
    together = replace(SMALL.schedule, per_person=4, epochs=8)
    recipe = replace(SMALL, teachers=(), losses=losses, augment=PLAIN, schedule=together)
    seen: list[float] = []
    train(recipe, replace_targets(data), tmp_path, progress=lambda _d, _n, loss: seen.append(loss))
    assert np.mean(seen[-6:]) < 0.7 * np.mean(seen[:6])


def replace_targets(data: TrainingData) -> TrainingData:
    return TrainingData(faces=data.faces, targets=None, checks=data.checks, pairs=data.pairs)


class Interrupted(Exception):
    pass


def stop_at(step: int) -> Callable[[int, int, float], None]:
    def tell(done: int, _total: int, _loss: float) -> None:
        if done == step:
            raise Interrupted

    return tell


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    data: TrainingData, tmp_path: Path
) -> None:
    whole = train(SMALL, data, tmp_path / "whole")
    # Stopped by the clock before the first step, killed in the middle of an epoch, then finished.
    train(SMALL, data, tmp_path / "parts", minutes=0)
    with pytest.raises(Interrupted):
        train(SMALL, data, tmp_path / "parts", progress=stop_at(16))
    parts = train(SMALL, data, tmp_path / "parts")
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5), name
    assert [row["epoch"] for row in rows_of(tmp_path / "parts")] == list("123456")


def test_another_recipes_checkpoint_is_refused(data: TrainingData, tmp_path: Path) -> None:
    train(replace(SMALL, schedule=replace(SMALL.schedule, epochs=1)), data, tmp_path)
    with pytest.raises(UsageError, match="another"):
        train(replace(SMALL, seed=4), data, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="damaged"):
        train(SMALL, data, tmp_path)


def test_a_folder_that_another_run_works_in_is_left_alone(
    data: TrainingData, tmp_path: Path
) -> None:
    with claimed(tmp_path), pytest.raises(UsageError, match="another run works"):
        train(SMALL, data, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_data_that_does_not_fit_is_refused(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="as long as the teachers"):
        train(replace(SMALL, embedding=8), data, tmp_path)
    with pytest.raises(UsageError, match="none"):
        train(SMALL, replace_targets(data), tmp_path)
    nobody = FaceSet(data.faces.stores, data.faces.places, data.faces.names,
                     np.full(48, -1), [], data.faces.attributes)  # fmt: skip
    labels = replace(SMALL, teachers=(), losses=Losses(identity=1.0))
    with pytest.raises(UsageError, match="folder of people"):
        train(labels, TrainingData(faces=nobody, targets=None, checks=nobody, pairs=()), tmp_path)


def test_faces_of_a_person_come_together() -> None:
    people = np.array([0, 1, 0, 1, 0, -1, -1, 2])
    order = _together(np.arange(8), people, 2)
    assert sorted(order.tolist()) == list(range(8))
    assert order.tolist() == [0, 2, 1, 3, 4, 5, 6, 7]


def test_the_exported_file_is_the_network(data: TrainingData, tmp_path: Path) -> None:
    network = train(replace(SMALL, schedule=replace(SMALL.schedule, epochs=2)), data, tmp_path)
    weights, card_file = export(
        network, SMALL, tmp_path / "out", licence="CC0", commercial_use=True,
        training_data="two portraits", made={"faces": 48},
    )  # fmt: skip
    card = read_card(card_file)
    assert card["recipe"]["seed"] == 3
    assert card["record"]["size_bytes"] == weights.stat().st_size
    recognizer = trained_recognizer("small", weights, card)
    x = torch.rand(3, 3, 32, 32) * 255
    with torch.no_grad():
        expected, loaded = network(x), recognizer.embed_crops(x)
    assert (expected * loaded).sum(dim=1).min() > 0.9999
    assert loaded.norm(dim=1).tolist() == pytest.approx([1] * 3, abs=1e-5)
    similarity = check(network, recognizer.crop, data, torch.device("cpu"))
    assert 0.5 <= similarity["accuracy"] <= 1


def test_weights_that_do_not_fit_are_refused(data: TrainingData, tmp_path: Path) -> None:
    spec = NetworkSpec(family="ir-resnet", crop="arcface", size=32, embedding=16, options={})
    file = tmp_path / "x.safetensors"
    for content in (b"", b"\x08\0\0\0\0\0\0\0{}      ", b"no tensors at all"):
        file.write_bytes(content)
        with pytest.raises(WeightsError, match="does not hold"):
            load_network(file, spec)
    with pytest.raises(WeightsError, match="not the card"):
        read_card(tmp_path / "missing.json")
    (tmp_path / "card.json").write_text(json.dumps({"network": {"family": 1}}), "utf-8")
    with pytest.raises(WeightsError, match="not the card"):
        read_card(tmp_path / "card.json")
