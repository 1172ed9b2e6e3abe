"""Region masks: their range, their places, and how well a mean face stands in for the own one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bauta.errors import UsageError
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.faces.geometry import apply, invert
from bauta.faces.regions import REGIONS, region_mask
from tests.faces.make import face_at

FACE = face_at(100, 100, 200)


def centroid(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) in shares of the side."""
    size = mask.shape[-1]
    at = (torch.arange(size) + 0.5) / size
    weight = mask[0] / mask.sum()
    return float((weight.sum(0) * at).sum()), float((weight.sum(1) * at).sum())


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    a, b = a > 0.5, b > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("name", REGIONS)
def test_masks_reach_from_0_to_1_and_vanish_on_the_border(name: str, size: int):
    mask = region_mask(FACE, (name,), size=size, feather=0.01)
    assert mask.shape == (1, size, size)
    assert mask.dtype == torch.float32
    assert float(mask.min()) == 0
    assert 0.8 < float(mask.max()) <= 1
    for edge in (mask[0, 0], mask[0, -1], mask[0, :, 0], mask[0, :, -1]):
        assert not edge.any()


def test_nothing_of_a_region_depends_on_where_the_photo_shows_the_face():
    other = face_at(-30, 480, 77, 130)
    torch.testing.assert_close(
        region_mask(FACE, ("eyes",)), region_mask(other, ("eyes",)), atol=1e-2, rtol=0
    )


def test_skin_leaves_out_eyes_brows_and_mouth():
    skin = region_mask(FACE, ("skin",), feather=0)
    for part in ("eyes", "brows", "mouth"):
        assert float((skin * region_mask(FACE, (part,), feather=0)).max()) < 0.3
    assert bool((skin <= region_mask(FACE, ("face",), feather=0)).all())
    assert float(skin.sum()) > 0.8 * float(region_mask(FACE, ("face",), feather=0).sum())


def test_features_lie_in_order_and_inside_one_another():
    ys = [centroid(region_mask(FACE, (name,)))[1] for name in ("brows", "eyes", "nose", "mouth")]
    assert ys == sorted(ys)
    assert min(np.diff(ys)) > 0.03
    xs = [centroid(region_mask(FACE, (name,)))[0] for name in REGIONS]
    np.testing.assert_allclose(xs, 0.5, atol=0.02)
    face, head = (region_mask(FACE, (name,), feather=0) for name in ("face", "head"))
    assert bool((face > 0.5).logical_and(head < 0.5).sum() < 0.02 * (face > 0.5).sum())
    assert float(head.sum()) > 1.3 * float(face.sum())


def test_eyes_are_where_the_landmarks_say():
    eyes = region_mask(FACE, ("eyes",), feather=0)[0]
    for pair in ([0, 1], [2, 3]):
        x, y = FACE.landmarks[pair].mean(axis=0) / 200
        assert float(eyes[int(y * 224), int(x * 224)]) == 1


def test_several_regions_are_their_union():
    both = region_mask(FACE, ("eyes", "mouth"), feather=0)
    parts = [region_mask(FACE, (name,), feather=0) for name in ("eyes", "mouth")]
    torch.testing.assert_close(both, torch.maximum(*parts))


def test_yunets_mouth_follows_its_corners():
    wide = face_at(100, 100, 200, scheme="yunet5")
    wide.landmarks[3:5] += np.float32([[-12, 14], [12, 14]])
    plain = face_at(100, 100, 200, scheme="yunet5")
    a, b = (region_mask(face, ("mouth",)) for face in (wide, plain))
    assert float(a.sum()) > 1.3 * float(b.sum())
    # The mouth moves as far down the frame as its corners do.
    corners = [
        apply(invert(f.frame), f.landmarks.astype(float))[3:5, 1].mean() for f in (wide, plain)
    ]
    moved = centroid(a)[1] - centroid(b)[1]
    assert moved == pytest.approx(corners[0] - corners[1], abs=0.008)
    assert moved > 0.005


def test_an_unknown_region_names_those_that_exist():
    with pytest.raises(UsageError, match=r"'ears': use head, face, skin"):
        region_mask(FACE, ("eyes", "ears"))


#: Measured against 68 landmarks (Collins, Hopper): head 1.00 1.00, face .95 .92, skin .88 .88,
#: nose .95 .87, eyes .77 .61, brows .54 .72, mouth .57 .67. The small parts are a few frame
#: pixels high, and a smile is no mean mouth.
AGREEMENT = {
    "head": 0.99, "face": 0.9, "skin": 0.84, "nose": 0.83, "eyes": 0.55, "brows": 0.5,
    "mouth": 0.52,
}  # fmt: skip


@pytest.mark.parametrize("who", ["collins", "hopper"])
def test_a_mean_face_stands_in_for_the_own_outlines(who: str, request: pytest.FixtureRequest):
    five: Face = request.getfixturevalue(f"{who}_face")
    (all_68,) = find_faces(request.getfixturevalue(who), landmarks="dlib68")
    assert all_68.landmarks.shape == (68, 2)
    measured = {n: iou(region_mask(five, (n,)), region_mask(all_68, (n,))) for n in REGIONS}
    assert {n for n in REGIONS if measured[n] < AGREEMENT[n]} == set(), measured
