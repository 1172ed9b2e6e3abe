"""Face sets: real photos in folders and archives, found, cut, and kept."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_surrogate
from bauta.training.faceset import FRAME_PIXELS, cut_frame, join, read_chips, read_people
from bauta.training.teachers import embed_frames, targets

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def chip(collins: Pixels, collins_face: Face) -> bytes:
    """A tight chip, as UTKFace's are."""
    left, top, right, bottom = (round(edge) for edge in collins_face.box)
    stream = io.BytesIO()
    Image.fromarray(collins[top - 30 : bottom + 10, left - 10 : right + 10]).save(stream, "PNG")
    return stream.getvalue()


def test_a_folder_of_people_is_read_and_kept(album: Path, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    faces = read_people(album, tmp_path, progress=lambda *call: calls.append(call))
    assert len(faces) == 12
    assert list(faces.identities) == ["Collins", "Collins_mirrored", "Hopper", "Hopper_mirrored"]
    assert faces.people.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert faces.take([0, 5]).shape == (2, FRAME_PIXELS, FRAME_PIXELS, 3)
    assert ("cutting faces", 12, 12) in calls
    again = read_people(album, tmp_path, progress=lambda *_: pytest.fail("nothing is left to do"))
    assert np.array_equal(again.take(range(12)), faces.take(range(12)))


def test_a_frame_holds_the_same_face_for_a_recognizer(
    album: Path, tmp_path: Path, collins: Pixels, collins_face: Face
) -> None:
    faces = read_people(album, tmp_path)
    dlib = get_surrogate("dlib")
    photo = dlib.embed([collins], [collins_face])
    own = similarity_matrix(embed_frames(dlib, faces), photo)[:, 0]
    assert own[1] > 0.95
    assert own[6:].max() < dlib.threshold


def test_targets_are_centred_unit_and_side_by_side(album: Path, tmp_path: Path) -> None:
    faces = read_people(album, tmp_path)
    one = targets(faces, ["dlib"], tmp_path)
    two = targets(faces, ["dlib", "dlib"], tmp_path)
    assert one.shape == (12, 128)
    assert np.linalg.norm(one, axis=1) == pytest.approx(1, abs=1e-5)
    assert two.shape == (12, 256)
    assert two @ two.T == pytest.approx(one @ one.T, abs=1e-5)
    # The same person's photos lie together, and mirrored photos with the upright ones.
    assert (one @ one.T)[:6, :6].min() > 0.5
    assert (one @ one.T)[:6, 6:].max() < 0


def test_chips_come_from_an_archive_without_leaving_the_cache(chip: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "chips.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("a/30_1_0_2017.png", chip)
        bundle.writestr("../../evil_1_2_3.png", chip)
        bundle.writestr("notes.txt", b"no photo")
        bundle.writestr("200_1_0_2017.png", chip)
    faces = read_chips(archive, tmp_path / "cache")
    assert len(faces) == 3
    assert not (tmp_path / "evil_1_2_3.png").exists()
    assert not list(tmp_path.parent.glob("evil*"))
    known = dict(zip(faces.names, faces.attributes.tolist(), strict=True))
    assert known["30_1_0_2017.png"] == [30, 1, 0]
    assert known["200_1_0_2017.png"] == known["evil_1_2_3.png"] == [-1, -1, -1]
    assert set(faces.people.tolist()) == {-1}
    assert len(read_chips(archive, tmp_path / "cache")) == 3


def test_sets_are_joined_and_parted(album: Path, chip: bytes, tmp_path: Path) -> None:
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips/5_0_1_x.png").write_bytes(chip)
    people, chips = read_people(album, tmp_path), read_chips(tmp_path / "chips", tmp_path)
    both = join([people, chips, people])
    assert len(both) == 25
    assert len(both.identities) == 8
    assert both.people[12] == -1
    assert both.people[13] == 4
    assert np.array_equal(both.take([12]), chips.take([0]))
    assert np.array_equal(both.take([24]), people.take([11]))
    some = both.subset(np.array([24, 12, 3]))
    assert some.people.tolist() == [1, -1, 0]
    assert list(some.identities) == ["Collins_mirrored", "Hopper_mirrored"]
    assert some.attributes[1].tolist() == [5, 0, 1]
    assert np.array_equal(some.take([0]), people.take([11]))


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="one folder per person"):
            read_people(folder, tmp_path)
    with pytest.raises(UsageError, match="neither"):
        read_chips(tmp_path / "missing.zip", tmp_path)
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    with pytest.raises(UsageError, match="not a sound zip"):
        read_chips(tmp_path / "broken.zip", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no photos"):
        read_chips(tmp_path / "empty", tmp_path)


def test_a_cut_frame_is_black_outside_the_photo(collins: Pixels, collins_face: Face) -> None:
    part = collins[:, 200:]
    left, top, right, bottom = collins_face.box
    moved = Face(
        (left - 200, top, right - 200, bottom),
        1.0,
        collins_face.landmarks - np.array([200, 0], dtype=np.float32),
    )
    frame = cut_frame(part, moved)
    whole = cut_frame(collins, collins_face)
    outside = (frame == 0).all(axis=2) & (whole > 20).any(axis=2)
    assert outside[:, 0].mean() > 0.3
    same = np.abs(frame.astype(int) - whole)[:, 100:]
    assert same.max() <= 2
