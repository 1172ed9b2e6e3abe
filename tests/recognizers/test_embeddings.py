"""Embeddings are computed once, and never answered for another face, crop or weight file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from bauta.faces.geometry import scale_of
from bauta.recognizers import embeddings as module
from bauta.recognizers.base import Judge, Recognizer, affine_crop
from bauta.recognizers.embeddings import assumed_face, embed_photos
from tests.faces.make import face_at


class Counting(Judge):
    """Embeds brightness and the face's left edge; keeps count of what it was asked."""

    def __init__(self, name: str = "counting", weights: str = "dlib-resnet"):
        self.name = name
        self._weights = weights
        self.asked = 0

    @property
    def network_id(self) -> str:
        return self._weights

    def embed(self, photos, faces):
        self.asked += len(photos)
        rows = [[photo.mean(), face.box[0]] for photo, face in zip(photos, faces, strict=True)]
        return np.array(rows, dtype=np.float32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for level in range(5):
        Image.new("RGB", (64, 64), (40 * level,) * 3).save(folder / f"{level}.png")
    return folder


def found(count: int = 5):
    return {f"{level}.png": face_at(32, 32, 40) for level in range(count)}


def test_each_is_computed_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_BATCH", 2)
    judge, told = Counting(), []
    first = embed_photos(
        judge, root, found(3), tmp_path / "new", progress=lambda *p: told.append(p)
    )
    assert (judge.asked, told) == (3, [(2, 3), (3, 3)])
    again = embed_photos(judge, root, found(5), tmp_path / "new")
    assert judge.asked == 5
    assert list(again) == [f"{level}.png" for level in range(5)]
    for name, row in again.items():
        assert row.dtype == np.float32
        assert row[0] == 40 * int(name[0])
        np.testing.assert_array_equal(row, first.get(name, row))


def test_another_face_is_another_embedding(root: Path, tmp_path: Path):
    judge = Counting()
    embed_photos(judge, root, found(2), tmp_path)
    moved = {**found(1), "1.png": face_at(30, 32, 40)}
    rows = embed_photos(judge, root, moved, tmp_path)
    assert judge.asked == 3
    assert rows["1.png"][1] == moved["1.png"].box[0]


def test_a_photo_without_a_face_has_its_middle_taken(root: Path, tmp_path: Path):
    judge = Counting()
    for _ in range(2):
        rows = embed_photos(judge, root, {"3.png": None}, tmp_path)
        assert rows["3.png"][1] == pytest.approx(64 * 0.29)
    assert judge.asked == 1
    embed_photos(judge, root, found(4), tmp_path)
    assert judge.asked == 5


@pytest.mark.parametrize("other", [Counting("another"), Counting(weights="mobilefacenet-ms1m")])
def test_recognizers_and_weights_are_told_apart(root: Path, tmp_path: Path, other: Counting):
    embed_photos(Counting(), root, found(), tmp_path)
    embed_photos(other, root, found(), tmp_path)
    assert other.asked == 5


def test_crops_are_told_apart(root: Path, tmp_path: Path):
    class Edge(Recognizer):
        """Embeds the scale of its crop."""

        def embed(self, photos, faces):
            return np.full((len(photos), 1), scale_of(self.crop.to_frame), dtype=np.float32)

    def scales(crop):
        judge = Edge("edge", crop, nn.Identity(), "dlib-resnet")
        return embed_photos(judge, root, found(1), tmp_path)["0.png"][0]

    assert scales(affine_crop(10, (0, 0), 1)) == pytest.approx(0.1)
    assert scales(affine_crop(10, (0, 0), 0.5)) == pytest.approx(0.05)


def test_folders_are_told_apart(root: Path, tmp_path: Path):
    other = tmp_path / "others"
    other.mkdir()
    Image.new("RGB", (64, 64), (7, 7, 7)).save(other / "0.png")
    judge = Counting()
    embed_photos(judge, root, found(1), tmp_path)
    assert embed_photos(judge, other, found(1), tmp_path)["0.png"][0] == 7


def test_weights_without_a_record_are_not_kept(root: Path, tmp_path: Path):
    judge = Counting(weights="home-made")
    for _ in range(2):
        embed_photos(judge, root, found(), tmp_path / "none")
    assert judge.asked == 10
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[: len(data) // 2],
                                  lambda data: b"no archive"])  # fmt: skip
def test_a_damaged_file_is_made_anew(root: Path, tmp_path: Path, harm):
    judge = Counting()
    before = embed_photos(judge, root, found(), tmp_path / "new")
    (file,) = (tmp_path / "new").iterdir()
    file.write_bytes(harm(file.read_bytes()))
    after = embed_photos(judge, root, found(), tmp_path / "new")
    assert judge.asked == 10
    assert all(np.array_equal(before[name], after[name]) for name in before)
    embed_photos(judge, root, found(), tmp_path / "new")
    assert judge.asked == 10


def test_an_interrupted_run_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_BATCH", 1)
    monkeypatch.setattr(module, "_SAVE_EVERY", 2)

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    judge = Counting()
    with pytest.raises(KeyboardInterrupt):
        embed_photos(judge, root, found(), tmp_path / "new", progress=stop)
    embed_photos(judge, root, found(), tmp_path / "new")
    assert judge.asked == 5


def test_the_assumed_face_is_in_the_middle():
    face = assumed_face(np.zeros((100, 200, 3), np.uint8))
    assert face.box == pytest.approx((79, 29, 121, 71))
    assert face.landmarks.shape == (5, 2)
