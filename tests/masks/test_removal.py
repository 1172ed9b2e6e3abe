"""Taking masks off: who holds the key gets the face back, and nobody's face is touched else."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bauta.audit.metrics import psnr
from bauta.faces.detect import find_faces
from bauta.masks.owner import embed_owner
from bauta.masks.removal import find_mask, take_off
from bauta.masks.wearing import put_on
from bauta.media import is_grey
from bauta.recognizers.zoo import get_surrogate
from tests.masks.make import noise_mask

KINDS = {
    "plain": {},
    "perceptual": {"perceptual": True},
    "moving": {"move": 0.01},
    "both": {"perceptual": True, "move": 0.01},
}
#: PSNR, in dB, that a face comes back with at least, and how much nearer it comes.
LEAST = {"plain": (44, 12), "perceptual": (34, 9), "moving": (37, 10), "both": (35, 9)}


@pytest.fixture(scope="module")
def portrait(collins):
    """256 x 256 pixels of the sample; its face is smaller than a mask."""
    return np.ascontiguousarray(collins[:256, 96:352])


@pytest.fixture(scope="module", params=["portrait", "hopper"])
def photo(request):
    """Two people, of whom the other's face is larger than a mask."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def face(photo):
    return find_faces(photo)[0]


def jpeg(photo, quality):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(photo, share):
    image = Image.fromarray(photo)
    size = round(image.width * share), round(image.height * share)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def face_psnr(original, other, face):
    left, top, right, bottom = (max(0, int(edge)) for edge in face.box)
    return psnr(original[top:bottom, left:right], other[top:bottom, left:right])


@pytest.mark.parametrize("kind", KINDS)
def test_the_face_comes_back(kind, photo, face):
    mask = noise_mask(members=3, **KINDS[kind])
    worn = put_on(photo, [face], mask, member=1)
    # As a stranger to the original: the face is found anew.
    found = find_mask(worn, find_faces(worn), mask)
    assert [one.member for one in found] == [1]
    assert found[0].score > 20
    before = worn.copy()
    back = take_off(worn, found, mask)
    np.testing.assert_array_equal(worn, before)
    at_least, gain = LEAST[kind]
    assert face_psnr(photo, back, face) > at_least
    assert face_psnr(photo, back, face) > face_psnr(photo, worn, face) + gain
    assert psnr(photo, back) > psnr(photo, worn) + gain - 2
    rows, columns = np.nonzero((back != photo).any(axis=2))
    corners = face.corners()
    assert columns.min() > corners[:, 0].min() - 4
    assert columns.max() < corners[:, 0].max() + 4
    assert rows.min() > corners[:, 1].min() - 4
    assert rows.max() < corners[:, 1].max() + 4


@pytest.mark.parametrize("kind", ["plain", "both"])
def test_landmarks_that_lie_elsewhere_are_put_right(kind, photo, face):
    mask = noise_mask(**KINDS[kind])
    worn = put_on(photo, [face], mask)
    shift = np.float32([0.012, -0.008]) * np.float32(face.frame_side)
    off = replace(face, landmarks=face.landmarks + shift)
    (found,) = find_mask(worn, [off], mask)
    assert found.face is off
    at_least, gain = LEAST[kind]
    back = take_off(worn, [found], mask)
    assert face_psnr(photo, back, face) > at_least
    assert face_psnr(photo, back, face) > face_psnr(photo, worn, face) + gain


@pytest.mark.parametrize("kind", ["plain", "perceptual"])
def test_on_the_sample_little_is_lost(kind, collins, collins_face):
    worn = put_on(collins, [collins_face], mask := noise_mask(**KINDS[kind]))
    (found,) = find_mask(worn, [collins_face], mask)
    at_least = 46 if kind == "plain" else 42
    assert face_psnr(collins, take_off(worn, [found], mask), collins_face) > at_least


@pytest.mark.parametrize("kind", ["plain", "both"])
@pytest.mark.parametrize(
    ("change", "gain"),
    [
        (lambda p: jpeg(p, 95), 3),
        (lambda p: jpeg(p, 75), -1),
        (lambda p: resized(p, 0.7), 3),
        (lambda p: jpeg(resized(p, 0.7), 75), -1),
    ],
    ids=["JPEG 95", "JPEG 75", "70 %", "70 %, JPEG 75"],
)
def test_masks_are_found_after_what_the_web_does(kind, change, gain, portrait):
    mask = noise_mask(members=2, **KINDS[kind])
    worn, plain = change(put_on(portrait, find_faces(portrait), mask, member=0)), change(portrait)
    found = find_mask(worn, faces := find_faces(worn), mask)
    assert [one.member for one in found] == [0]
    # JPEG takes most of such fine noise itself.
    back = take_off(worn, found, mask)
    assert face_psnr(plain, back, faces[0]) > face_psnr(plain, worn, faces[0]) + gain


@pytest.mark.parametrize("kind", ["plain", "both"])
def test_other_keys_and_bare_faces_find_nothing(kind, photo, face):
    mask = noise_mask(members=2, **KINDS[kind])
    worn = put_on(photo, [face], mask)
    assert find_mask(photo, [face], mask) == []
    for seed in (1, 2):
        assert find_mask(worn, [face], noise_mask(members=2, seed=seed, **KINDS[kind])) == []
    assert find_mask(worn, [], mask) == []
    np.testing.assert_array_equal(take_off(worn, [], mask), worn)


def test_of_two_faces_the_one_that_wears_it_is_told(pair, pair_faces):
    mask = noise_mask(members=2, move=0.01)
    worn = put_on(pair, pair_faces[1:], mask, member=1)
    faces = find_faces(worn)
    (found,) = find_mask(worn, faces, mask)
    assert found.face is faces[1]
    back = take_off(worn, [found], mask)
    np.testing.assert_array_equal(back[:, :512], pair[:, :512])
    assert psnr(pair, back) > psnr(pair, worn) + 8


def test_two_faces_get_back_what_is_theirs(pair, pair_faces):
    mask = noise_mask(members=2)
    worn = put_on(pair, pair_faces, mask, member=0)
    back = take_off(worn, find_mask(worn, pair_faces, mask), mask)
    for face in pair_faces:
        assert face_psnr(pair, back, face) > face_psnr(pair, worn, face) + 10


@pytest.mark.parametrize("kind", ["plain", "both"])
def test_grey_photos_come_back_without_colour(kind, collins, collins_face):
    grey = np.repeat(collins[..., 1:2], 3, axis=2)
    mask = noise_mask(**KINDS[kind])
    worn = put_on(grey, [collins_face], mask, grey=True)
    back = take_off(worn, find_mask(worn, [collins_face], mask), mask, grey=True)
    assert is_grey(back)
    assert face_psnr(grey, back, collins_face) > face_psnr(grey, worn, collins_face) + 8


def test_what_is_found_in_doubt_has_to_hide_the_owner(collins, collins_face, hopper):
    # So coarse a mask could be anybody's.
    mask = noise_mask(grain=8)
    worn = put_on(collins, [collins_face], mask)
    witness = [get_surrogate("tight-ms1m")]
    owners = {
        "nobody": {},
        "hers": embed_owner([collins], [collins_face], witness),
        "his": embed_owner([hopper], [find_faces(hopper)[0]], witness),
    }
    found = {
        name: [one.face for one in find_mask(worn, [collins_face], replace(mask, owner=owner))]
        for name, owner in owners.items()
    }
    assert found == {"nobody": [], "hers": [collins_face], "his": []}
