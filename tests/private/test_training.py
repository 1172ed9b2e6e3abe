"""Private training: it learns, resumes as if nothing had happened, and leaves files that run."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bauta.errors import UsageError, WeightsError
from bauta.masking.strategy import COUNTS
from bauta.media.atomic import claimed
from bauta.private.checking import embed
from bauta.private.curves import finished, plot_curves
from bauta.private.defences import DEFENCES, Publisher, defence, publisher
from bauta.private.export import export_private, files_of, load_private
from bauta.private.loop import CHECKPOINT, LOG, SHARES, PrivateData, build_private, train_private
from bauta.private.recipe import (
    PrivateRecipe,
    parse_private_recipe,
    private_recipe_names,
    read_private_recipe,
)
from bauta.recognizers.crops import crop_of
from bauta.training.augment import PLAIN
from bauta.training.faceset import FaceSet
from bauta.training.pairs import held_out_pairs
from bauta.training.prepare import with_photos

pytest.importorskip("lightning_fabric")

SMALL = PrivateRecipe(
    name="small",
    size=64,
    embedding=16,
    network={"stem": 8, "last": 16, "bottlenecks": [[2, 8, 1, 2], [2, 16, 1, 2], [2, 16, 1, 2]]},
    epochs=2,
    batch=16,
    rate=5e-3,
    held_out=(),
    augment=PLAIN,
    seed=3,
)
SECRET = b"nobody knows"


@pytest.fixture(scope="module")
def data(little: FaceSet) -> PrivateData:
    pairs = held_out_pairs(little.names, count=60)
    return PrivateData(faces=little, checks=little, pairs=pairs)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / LOG).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def weights_of(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_people_are_learned_from_masked_faces(data: PrivateData, tmp_path: Path) -> None:
    recipe = replace(SMALL, defence="ppfr-fd", epochs=14)
    losses: list[float] = []
    train_private(recipe, data, SECRET, tmp_path, progress=lambda _d, _n, loss: losses.append(loss))
    assert len(losses) == 42
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6])
    rows = rows_of(tmp_path)
    assert float(rows[-1]["accuracy"]) > 0.75
    assert float(rows[-1]["count"]) == 1
    assert finished(tmp_path, 14)
    assert not finished(tmp_path, 15)
    plot_curves(tmp_path)
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(
    data: PrivateData, tmp_path: Path
) -> None:
    whole = train_private(SMALL, data, SECRET, tmp_path / "a")

    class Enough(Exception):
        """Somebody pressed Ctrl-C."""

    def stop(done: int, _total: int, _loss: float) -> None:
        if done == 4:
            raise Enough

    with pytest.raises(Enough):
        train_private(SMALL, data, SECRET, tmp_path / "b", progress=stop)
    steps: list[int] = []
    train_private(SMALL, data, SECRET, tmp_path / "b", minutes=0)
    again = train_private(
        SMALL, data, SECRET, tmp_path / "b", progress=lambda d, _n, _l: steps.append(d)
    )
    # The first epoch had ended, and was kept.
    assert steps == [4, 5, 6]
    torch.testing.assert_close(weights_of(whole), weights_of(again))
    assert [row["epoch"] for row in rows_of(tmp_path / "b")] == ["1", "2"]
    shares = [float(rows_of(tmp_path / "a")[-1][share]) for share in SHARES]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0
    count = float(rows_of(tmp_path / "a")[-1]["count"])
    assert count == pytest.approx(np.dot(shares, COUNTS), abs=1e-3)


_TWO = """
import sys
import numpy as np
from dataclasses import replace
from pathlib import Path
from bauta.training.faceset import FaceSet
from bauta.training.pairs import held_out_pairs
from bauta.training.prepare import with_photos
from tests.private.test_training import SECRET, SMALL, PrivateData, train_private

if __name__ == "__main__":
    frames = np.load(sys.argv[1])
    count = len(frames)
    people = np.arange(count) // 8
    faces = FaceSet(
        [frames], np.stack([np.zeros(count, dtype=np.int64), np.arange(count)], axis=1),
        [f"p{who}/{i}.jpg" for i, who in enumerate(people)], people,
        [f"p{who}" for who in range(6)], np.full((count, 3), -1),
    )
    data = PrivateData(faces=faces, checks=faces, pairs=held_out_pairs(faces.names, count=60))
    train_private(replace(SMALL, batch=8), data, SECRET, Path(sys.argv[2]), devices=2)
"""


def test_two_devices_learn_together(little: FaceSet, tmp_path: Path) -> None:
    """Two processes, half a batch each: as many steps as one, one log, and one strategy."""
    script, frames = tmp_path / "two.py", tmp_path / "frames.npy"
    script.write_text(_TWO, "utf-8")
    np.save(frames, little.take(np.arange(len(little))))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, script, frames, tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}, timeout=240,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run")
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    state = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)
    # Both processes' choices were counted: six steps of sixteen faces.
    assert int(state["bound"]["seen"].sum()) == 96


@pytest.mark.parametrize("what", ["other", "damaged", "foreign"])
def test_checkpoints_that_do_not_fit(data: PrivateData, tmp_path: Path, what: str) -> None:
    train_private(SMALL, data, SECRET, tmp_path, minutes=0)
    train_private(SMALL, data, SECRET, tmp_path)
    file = tmp_path / CHECKPOINT
    recipe = replace(SMALL, rate=0.1) if what == "other" else SMALL
    if what == "damaged":
        file.write_bytes(file.read_bytes()[:-1000])
    elif what == "foreign":
        torch.save({"recipe": 1}, file)
    with pytest.raises(UsageError, match="choose another"):
        train_private(recipe, data, SECRET, tmp_path)


def test_a_folder_that_another_run_works_in_is_left_alone(
    data: PrivateData, tmp_path: Path
) -> None:
    with claimed(tmp_path), pytest.raises(UsageError, match="another run works"):
        train_private(SMALL, data, SECRET, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_faces_are_published_as_often_as_asked(
    data: PrivateData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two mixtures, the third epoch shows what the first did, and nothing else."""
    seen: list[torch.Tensor] = []
    real = Publisher.published

    def watched(*args: Any) -> torch.Tensor:
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(Publisher, "published", watched)
    recipe = replace(SMALL, defence="masked-3", epochs=3, mixtures=2)
    train_private(recipe, data, SECRET, tmp_path)
    first, second, third = (torch.stack(seen[start : start + 3]) for start in (0, 3, 6))
    torch.testing.assert_close(first, third)
    assert float((first - second).abs().mean()) > 0.1


def test_too_few_people(data: PrivateData, tmp_path: Path) -> None:
    alone = PrivateData(faces=data.faces.subset(np.arange(8)), checks=data.checks, pairs=data.pairs)
    with pytest.raises(UsageError, match="at least two people and a batch of 16"):
        train_private(SMALL, alone, SECRET, tmp_path)


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_trains(data: PrivateData, tmp_path: Path, name: str) -> None:
    """One step of each: what is published fits what learns from it."""
    done: list[float] = []

    def stop(_done: int, _total: int, loss: float) -> None:
        done.append(loss)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_private(replace(SMALL, defence=name), data, SECRET, tmp_path, progress=stop)
    assert np.isfinite(done).all()


def test_plain_training_is_what_the_family_does(little: FaceSet) -> None:
    """The baseline without a defence is the network as it is, not a crippled one."""
    shown, network = build_private(replace(SMALL, defence="none"), SECRET)
    photos = 255 * torch.rand(2, 3, 64, 64)
    network.eval()
    expected = network.inner.raw(photos)
    torch.testing.assert_close(network.raw(photos), expected)
    torch.testing.assert_close(
        network.of_masked(shown.represent(photos, torch.Generator())), expected
    )


@pytest.fixture(scope="module")
def finished_run(data: PrivateData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("runs") / "small"
    network = train_private(SMALL, data, SECRET, folder)
    shown, _ = build_private(SMALL, SECRET)
    export_private(network, shown, SMALL, folder, made={"faces": len(data.faces)})
    return folder


def test_files_of_a_run_say_what_the_network_says(finished_run: Path, little: FaceSet) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    recipe, shown, network = load_private(finished_run)
    assert recipe == SMALL
    names = files_of(finished_run, "small")
    photos = 255 * torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        expected = network(photos).numpy()
    run = onnxruntime.InferenceSession(names.model).run(None, {"crop": photos.numpy()})[0]
    np.testing.assert_allclose(run, expected, atol=1e-5)
    masked = shown.represent(photos, torch.Generator()).numpy()
    served = onnxruntime.InferenceSession(names.service).run(None, {"masked": masked})[0]
    np.testing.assert_allclose(served, expected, atol=1e-5)


def test_what_a_service_gets_holds_no_secret(finished_run: Path) -> None:
    """The mask's kernel is in the one file, and in no other."""
    _, shown, _ = load_private(finished_run)
    kernel = dict(shown.front.named_buffers())["kernel"].numpy().tobytes()
    names = files_of(finished_run, "small")
    assert kernel in names.model.read_bytes()
    assert kernel not in names.service.read_bytes()
    assert SECRET not in names.model.read_bytes()


def test_altered_weights_are_refused(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for file in finished_run.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    weights = folder / "small.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="altered"):
        load_private(folder)
    (folder / "small.json").write_text("{}", "utf-8")
    with pytest.raises(WeightsError, match="damaged"):
        load_private(folder)
    with pytest.raises(UsageError, match="private train first"):
        load_private(tmp_path)


def test_decoys_are_strangers(finished_run: Path, little: FaceSet) -> None:
    recipe, shown, network = load_private(finished_run)
    crop = crop_of(recipe.crop, recipe.size)
    alone, again, mixed = (
        embed(network, shown, crop, little, 0, decoys=decoys) for decoys in (0, 0, 2)
    )
    np.testing.assert_array_equal(alone, again)
    assert np.abs(alone - mixed).max() > 1e-4
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(1, abs=1e-5)


def test_shipped_recipes_are_sound() -> None:
    assert "ahm" in private_recipe_names()
    for name in private_recipe_names():
        assert read_private_recipe(name).name == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"defence": "hope"}, {"family": "none"}, {"crop": "x"}, {"privacy": 2}, {"epochs": 0},
        {"colour": 1}, {"name": "../x"}, {"keys": 0}, {"views": -1}, {"mixtures": -1},
        {"region_strength": {"ears": 1}},
    ],
)  # fmt: skip
def test_recipes_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        parse_private_recipe({"name": "x", **wrong}, "here")


def test_several_masks_and_regions_train_and_come_back(data: PrivateData, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    recipe = replace(
        SMALL, keys=3, region_strength={"eyes": 0.7}, epochs=1, name="many", defence="masked-3"
    )
    network = train_private(recipe, data, SECRET, tmp_path / "many")
    shown, _ = build_private(recipe, SECRET)
    assert shown.own is not None
    assert float(shown.own.min()) == pytest.approx(0.3, abs=0.05)
    export_private(network, shown, recipe, tmp_path / "many", made={})
    again, own, loaded = load_private(tmp_path / "many")
    assert again == recipe
    photos = 255 * torch.rand(8, 3, 64, 64)
    first, second = (
        which.represent(photos, torch.Generator().manual_seed(1)) for which in (shown, own)
    )
    torch.testing.assert_close(first, second)
    # Eight photos of one and the same face have different masks, others elsewhere.
    same = own.represent(photos[:1].expand(8, -1, -1, -1), torch.Generator().manual_seed(0))
    assert len({round(float(face.flatten()[7]), 3) for face in same}) == 3
    torch.testing.assert_close(loaded(photos), network(photos))


def test_mixtures_of_frequencies_are_as_strong_as_faces_alone(data: PrivateData) -> None:
    shown = publisher(defence("masked-6"), SECRET, stride=2)
    generator = torch.Generator().manual_seed(0)
    photos = 255 * torch.rand(16, 3, 64, 64)
    alone = shown.represent(photos, generator)
    blend = shown.draw(16, generator, photos.device)
    mixed = shown.published(alone, blend, generator)
    torch.testing.assert_close(
        mixed.std(dim=(2, 3), correction=0), alone.std(dim=(2, 3), correction=0),
        atol=1e-3, rtol=1e-3,
    )  # fmt: skip
    assert float((mixed - alone).abs().mean()) > 0.1


@pytest.mark.parametrize("name", DEFENCES)
def test_what_is_published_is_drawn_anew_or_not(name: str) -> None:
    """Masks are of the secret alone; noise and other frequencies are drawn for every photo."""
    which = publisher(defence(name), SECRET, stride=2)
    photos = 255 * torch.rand(2, 3, 32, 32)
    first, second = (
        which.represent(photos, torch.Generator().manual_seed(seed)) for seed in (0, 1)
    )
    assert first.shape == (2, which.channels, 32 // which.stride, 32 // which.stride)
    drawn = name in ("dp-noise", "partialface")
    assert torch.equal(first, second) is not drawn


def test_names_of_defences() -> None:
    with pytest.raises(UsageError, match="ppfr-fd"):
        defence("hope")


def test_people_of_few_photos_are_left_out(little: FaceSet) -> None:
    some = little.subset(np.array([*range(8), 8, 16, 17]))
    kept = with_photos(some, 2)
    assert kept.identities == ["p0", "p2"]
    assert len(kept) == 10
    assert len(with_photos(some, 1)) == 11
