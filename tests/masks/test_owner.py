"""Whose face it is: the person that photos have in common, and the owner among strangers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from bauta.errors import NoFaceError, RegistryError, UsageError
from bauta.faces.detect import find_faces
from bauta.masks.owner import common_person, embed_owner, likeness
from bauta.methods.personal import one_person
from bauta.recognizers.zoo import get_surrogate
from bauta.views.base import engines

NAMES = ("tight-ms1m", "tight-dlib")


class Shot(NamedTuple):
    photo: np.ndarray
    faces: list


def shot(photo):
    return Shot(photo, find_faces(photo))


def shots_of(photo, face, count=3):
    return [shot(view.pixels) for view in engines["embedded"]().make(photo, face, count, seed=4)]


@pytest.fixture(scope="module")
def collins_shots(collins, collins_face):
    return shots_of(collins, collins_face)


@pytest.fixture(scope="module")
def hopper_shots(hopper, hopper_face):
    return shots_of(hopper, hopper_face)


@pytest.fixture(scope="module")
def group(pair, pair_faces):
    return Shot(pair, pair_faces)


@pytest.fixture(scope="module")
def owner(collins_shots):
    """Collins, known by other pictures than the tests ask about."""
    photos, faces = zip(*((photo, faces[0]) for photo, faces in collins_shots), strict=True)
    return embed_owner(photos, faces, [get_surrogate(name) for name in NAMES])


def common(shots):
    photos, found = zip(*shots, strict=True)
    return common_person(photos, found, get_surrogate(NAMES[0]))


def on_the_left(face):
    return face.landmarks[:, 0].mean() < 512


@pytest.mark.parametrize("where", [0, 1, 2])
def test_the_person_in_all_photos_is_found_beside_a_larger_stranger(where, group, collins_shots):
    shots = collins_shots[:2]
    shots.insert(where, group)
    faces, closeness = common(shots)
    assert not on_the_left(faces[where])
    assert len(faces) == len(closeness) == 3
    assert all(0 < close <= 1 for close in closeness)


def test_the_largest_face_is_as_good_when_it_is_the_one(group, hopper_shots):
    faces, closeness = common([group, *hopper_shots[:2]])
    assert on_the_left(faces[0])
    assert min(closeness) > 0


def test_most_photos_say_who_it_is(group, collins, collins_face, hopper_shots):
    # Both are in the groups, Hopper alone in one more, Collins in two.
    mirrored = shot(np.ascontiguousarray(group.photo[:, ::-1]))
    alone = Shot(collins, [collins_face])
    faces, closeness = common([group, hopper_shots[0], mirrored, alone, alone])
    assert not on_the_left(faces[0])
    assert on_the_left(faces[2])
    assert closeness[1] < 0 < min(closeness[:1] + closeness[2:])


def test_a_photo_of_somebody_else_is_not_alike(collins_shots, hopper, hopper_face):
    shots = [*collins_shots[:2], Shot(hopper, [hopper_face])]
    _, closeness = common(shots)
    assert min(closeness[:2]) > 0.2
    assert closeness[2] < 0
    with pytest.raises(UsageError, match=r"^third: this does not look like the person"):
        one_person([photo for photo, _ in shots], ["first", "second", "third"])


def test_two_photos_of_two_people_are_both_named(collins, hopper):
    with pytest.raises(UsageError, match=r"^a, b: this does not look like"):
        one_person([collins, hopper], ["a", "b"])


def test_one_photo_is_of_whoever_is_largest(group):
    faces, closeness = common([group])
    assert on_the_left(faces[0])
    assert closeness == [1.0]


def test_no_face(collins):
    with pytest.raises(NoFaceError, match=r"^wall: no face was found"):
        one_person([collins, np.full((200, 200, 3), 200, np.uint8)], ["me", "wall"])


def test_owners_are_known_by_half_floats(owner, collins_shots):
    assert list(owner) == list(NAMES)
    for name, rows in owner.items():
        assert rows.dtype == np.float16
        assert len(rows) == 3
        again = get_surrogate(name).embed([collins_shots[1].photo], collins_shots[1].faces)
        np.testing.assert_allclose(rows[1], again[0], atol=1e-3)


def test_the_owner_is_told_from_a_stranger(owner, pair, pair_faces, collins, collins_face):
    hopper_alike, collins_alike = likeness(pair, pair_faces, owner)
    assert collins_alike > 0.2
    assert hopper_alike < -0.1
    assert likeness(pair, pair_faces[::-1], owner).tolist() == pytest.approx(
        [collins_alike, hopper_alike], abs=1e-5
    )
    # The same face in the photo that it was cut from.
    assert likeness(collins, [collins_face], owner)[0] == pytest.approx(collins_alike, abs=0.05)


def test_recognizers_vote_by_what_is_left_above_their_thresholds(owner, collins, collins_face):
    rows = []
    for name, known in owner.items():
        seen = get_surrogate(name)
        row = seen.embed([collins], [collins_face])[0].astype(np.float64)
        nearest = max(1 - np.square(row - one).sum() / 2 for one in known.astype(np.float64))
        rows.append((nearest - seen.threshold) / (1 - seen.threshold))
    assert likeness(collins, [collins_face], owner)[0] == pytest.approx(np.mean(rows), abs=1e-4)


def test_a_key_without_its_owner_says_what_to_do(collins, collins_face):
    with pytest.raises(UsageError, match="--faces all"):
        likeness(collins, [collins_face], {})
    with pytest.raises(RegistryError, match="tight-nobody"):
        likeness(collins, [collins_face], {"tight-nobody": np.zeros((1, 4), np.float16)})
