"""Marks in real photos: put on by the shipped networks, read back, and hardly there."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from bauta.audit.metrics import psnr
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.keys.watermark import WatermarkKey
from bauta.watermark.codes import best_match, code_word
from bauta.watermark.embedding import mark_photo
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

Pixels = NDArray[np.uint8]
KEY, OTHER = WatermarkKey(secret=bytes(range(32))), WatermarkKey(secret=bytes(32))
IDS = ["me/2026-11", "me/2026-12", "newspaper"]

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def marked(collins: Pixels, collins_face: Face) -> Pixels:
    encoder = trained_networks().networks.encoder
    return mark_photo(collins, [collins_face], code_word(KEY, IDS[1]), encoder)


def traced(pixels: Pixels, key: WatermarkKey = KEY) -> list[str]:
    decoder = trained_networks().networks.decoder
    matches = [
        best_match(one.bits, key, IDS) for one in read_faces(pixels, find_faces(pixels), decoder)
    ]
    return [match.identifier for match in matches if match]


def saved(pixels: Pixels, quality: int, size: tuple[int, int] | None = None) -> Pixels:
    image, file = Image.fromarray(pixels), io.BytesIO()
    (image.resize(size, Image.Resampling.LANCZOS) if size else image).save(
        file, "JPEG", quality=quality
    )
    return np.asarray(Image.open(file))


def test_a_mark_is_read_by_its_key_alone(marked: Pixels, collins: Pixels) -> None:
    assert traced(marked) == [IDS[1]]
    assert traced(marked, OTHER) == []
    assert traced(collins) == []


def test_a_mark_is_hardly_there(marked: Pixels, collins: Pixels, collins_face: Face) -> None:
    assert psnr(collins, marked) > 38
    assert 0 < int(np.abs(marked.astype(int) - collins).max()) <= 16
    outside = np.ones(collins.shape[:2], bool)
    low, high = collins_face.corners().min(0), collins_face.corners().max(0)
    outside[int(low[1]) : int(high[1]) + 2, int(low[0]) : int(high[0]) + 2] = False
    np.testing.assert_array_equal(marked[outside], collins[outside])


@pytest.mark.parametrize(
    ("quality", "size"), [(70, None), (50, None), (80, (384, 384)), (70, (410, 410))]
)
def test_a_mark_outlives_what_photos_go_through(
    marked: Pixels, quality: int, size: tuple[int, int] | None
) -> None:
    assert traced(saved(marked, quality, size)) == [IDS[1]]


def test_a_mark_is_found_in_a_larger_photo_and_mirrored(marked: Pixels, hopper: Pixels) -> None:
    wall = np.full((900, 1300, 3), 90, np.uint8)
    wall[200:712, 100:612] = marked[:, ::-1]
    wall[150:750, 700:1212] = hopper
    assert traced(saved(wall, 85)) == [IDS[1]]


def test_two_faces_carry_two_marks(collins: Pixels, hopper: Pixels) -> None:
    both = np.full((640, 1100, 3), 120, np.uint8)
    both[64:576, 20:532], both[20:620, 560:1072] = collins, hopper
    faces, encoder = find_faces(both), trained_networks().networks.encoder
    assert len(faces) == 2
    for face, name in zip(faces, (IDS[0], IDS[2]), strict=True):
        both = mark_photo(both, [face], code_word(KEY, name), encoder)
    assert sorted(traced(both)) == sorted([IDS[0], IDS[2]])


def test_grey_photos_stay_grey(collins: Pixels, collins_face: Face) -> None:
    grey = np.repeat(collins.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    encoder = trained_networks().networks.encoder
    marked = mark_photo(grey, [collins_face], code_word(KEY, IDS[0]), encoder, grey=True)
    assert (marked == marked[..., :1]).all()
    assert traced(marked) == [IDS[0]]


def test_marked_faces_are_louder_than_others(
    marked: Pixels, collins: Pixels, hopper: Pixels
) -> None:
    networks = trained_networks()

    def heard(pixels: Pixels) -> float:
        (one,) = read_faces(pixels, find_faces(pixels), networks.networks.decoder)
        return one.certainty

    assert max(heard(collins), heard(hopper)) < networks.certainty < heard(saved(marked, 70))


def test_no_faces_no_marks(collins: Pixels) -> None:
    networks = trained_networks().networks
    word = code_word(KEY, IDS[0])
    np.testing.assert_array_equal(mark_photo(collins, [], word, networks.encoder), collins)
    assert read_faces(collins, [], networks.decoder) == []
