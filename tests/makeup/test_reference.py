"""Makeup of a photo lands where it belongs on another face."""

import numpy as np
import pytest
import torch
from kornia.color import rgb_to_lab

from bauta.errors import MediaError, NoFaceError
from bauta.faces.detect import find_faces
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.mesh import find_mesh
from bauta.faces.rendering import render_into_photo
from bauta.makeup.areas import makeup_areas
from bauta.makeup.reference import read_reference
from bauta.makeup.styles import Layer, Style, painted


@pytest.fixture(scope="module")
def made_up(collins, collins_face):
    """The sample with blue lips and green lids."""
    canvas = cut_canvas([collins], [collins_face])
    frame = frames_of(canvas)
    areas = makeup_areas(find_mesh(canvas)[0][0])
    layers = [
        Layer(area="lips", colour=(40.0, 10.0, -50.0)),
        Layer(area="lids", colour=(50.0, -45.0, 30.0)),
    ]
    worn = painted(frame[0], areas, Style(title="odd", layers=layers), generator=torch.Generator())
    return render_into_photo(
        collins, [collins_face], worn[None] - frame, torch.ones(1, 1, 224, 224), limit=255
    )


@pytest.fixture(scope="module")
def other(hopper):
    """Another face: its frame, mesh and areas."""
    canvas = cut_canvas([hopper], find_faces(hopper)[:1])
    mesh = find_mesh(canvas)[0][0]
    return frames_of(canvas)[0], mesh, makeup_areas(mesh)


def mean_lab(frame, area):
    lab = rgb_to_lab(frame[None] / 255)[0]
    return [float((part * area[0]).sum() / area.sum()) for part in lab]


def test_colours_go_to_their_own_areas(made_up, other):
    frame, mesh, areas = other
    worn = read_reference(made_up).put_on(frame, mesh, areas)
    lips, lids = mean_lab(worn, areas["lips"]), mean_lab(worn, areas["lids"])
    assert lips[2] < mean_lab(frame, areas["lips"])[2] - 10, "lips become blue"
    assert lids[1] < mean_lab(frame, areas["lids"])[1] - 8, "lids become green"
    outside = torch.stack(list(areas.values())).amax(dim=0) < 0.001
    assert float((worn - frame).abs()[:, outside[0]].max()) < 0.5
    assert 0 <= float(worn.min()) <= float(worn.max()) <= 255


def test_a_bare_face_brings_hardly_any_colour(collins, other):
    frame, mesh, areas = other
    worn = read_reference(collins).put_on(frame, mesh, areas)
    before, after = mean_lab(frame, areas["cheeks"]), mean_lab(worn, areas["cheeks"])
    assert np.abs(np.subtract(after, before)).max() < 8


def test_strength_scales(made_up, other):
    frame, mesh, areas = other
    reference = read_reference(made_up)
    none, half, all_ = (
        float((reference.put_on(frame, mesh, areas, strength=s) - frame).abs().mean())
        for s in (0.0, 0.5, 1.0)
    )
    assert none < 0.01 < half < all_


def test_what_is_no_reference(tmp_path):
    with pytest.raises(NoFaceError, match="makeup"):
        read_reference(np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(MediaError):
        read_reference(tmp_path / "nothing.jpg")
