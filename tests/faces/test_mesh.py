"""The mesh lies on the face: on the eyes where dlib sees them, mirrored in the mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import apply, invert
from bauta.faces.mesh import POINTS, MeshNetwork, find_mesh, mean_mesh
from bauta.weights.records import record

#: Corners of both eyes in the order of dlib5, and points that change places in the mirror.
EYES = (263, 362, 33, 133)
#: The frame's middle is at .5, that of dlib's mean face at .495.
MIDDLE = 0.495
MIRRORED = ((33, 263), (133, 362), (61, 291), (70, 300), (1, 1), (152, 152), (0, 0))


@pytest.fixture(params=["collins", "hopper"])
def photo(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def face(request, photo):
    name = request.node.callspec.params["photo"]
    return request.getfixturevalue(f"{name}_face")


def test_eyes_are_where_dlib_sees_them(photo, face):
    points, presence = find_mesh(cut_canvas([photo], [face]))
    assert points.shape == (1, POINTS, 2)
    assert presence[0] > 0.9
    dlib = apply(invert(face.frame), face.landmarks[:4].astype(np.float64))
    apart = np.abs(points[0, list(EYES)].numpy() - dlib)
    # In sides of the frame, of which the eyes are .28 apart.
    assert apart.max() < 0.035
    # Brows above eyes above nose above lips above chin.
    heights = points[0, [105, 159, 4, 13, 152], 1].tolist()
    assert heights == sorted(heights)


def test_in_the_mirror_it_is_mirrored(photo, face):
    width = photo.shape[1]
    flipped = face.landmarks.copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    box = (width - 1 - face.box[2], face.box[1], width - 1 - face.box[0], face.box[3])
    other = Face(box, 1.0, flipped[[2, 3, 0, 1, 4]], face.scheme)
    points, _ = find_mesh(cut_canvas([photo], [face]))
    mirrored, _ = find_mesh(cut_canvas([np.ascontiguousarray(photo[:, ::-1])], [other]))
    for a, b in MIRRORED:
        x, y = points[0, a].tolist()
        assert mirrored[0, b].tolist() == pytest.approx([2 * MIDDLE - x, y], abs=0.02)


def test_it_follows_the_face_and_not_the_frame(collins, collins_face):
    still, _ = find_mesh(cut_canvas([collins], [collins_face]))
    shift = np.float32([0.03, -0.02]) * np.float32(collins_face.frame_side)
    off = replace(collins_face, landmarks=collins_face.landmarks + shift)
    moved, _ = find_mesh(cut_canvas([collins], [off]))
    apart = (moved - still).mean(dim=1)[0].tolist()
    assert apart == pytest.approx([-0.03, 0.02], abs=0.006)


def test_where_there_is_no_face_it_says_so(collins, collins_face):
    noise = np.random.default_rng(0).integers(0, 256, collins.shape, dtype=np.uint8)
    for picture in (noise, np.full_like(collins, 128)):
        _, presence = find_mesh(cut_canvas([picture], [collins_face]))
        assert presence[0] < 0.5


def test_the_mean_face_is_even():
    mean = mean_mesh()
    assert mean.shape == (POINTS, 2)
    for a, b in MIRRORED:
        x, y = mean[b].tolist()
        assert mean[a].tolist() == pytest.approx([2 * MIDDLE - x, y], abs=0.01)


def test_a_network_without_weights_has_their_shape():
    points, presence = MeshNetwork()(torch.rand(2, 3, 192, 192))
    assert points.shape == (2, POINTS, 3)
    assert presence.shape == (2,)


def test_whose_it_is_is_said():
    row = record("mediapipe-mesh")
    assert row.licence == "Apache-2.0"
    assert row.commercial_use
    assert row.source == "shipped"
