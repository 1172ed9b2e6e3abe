"""Where identity leaks: at the features, for real recognizers, and where a made-up one looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from bauta.engine.ensemble import Ensemble, distances
from bauta.engine.transforms import NONE
from bauta.faces.frame import cut_canvas, render
from bauta.faces.regions import region_mask
from bauta.masks.leakage import attributions, frames_of, leakage_map
from bauta.recognizers.base import affine_crop
from bauta.recognizers.zoo import get_surrogate
from tests.engine.make import Toy, ToyNetwork
from tests.faces.make import face_at, noise

SIZE = 224


@pytest.fixture(scope="module")
def team():
    return Ensemble([get_surrogate("tight-ms1m")])


@pytest.fixture(scope="module", params=["collins", "hopper"])
def person(request):
    photo = request.getfixturevalue(request.param)
    face = request.getfixturevalue(f"{request.param}_face")
    return cut_canvas([photo], [face]), region_mask(face, ("head",))[None], face


def looking_at(left, top, side):
    """A recognizer that sees a square of the frame and nothing else."""
    return Toy("toy", affine_crop(32, (left, top), side), ToyNetwork(), "toy")


def patterned(count=2):
    """Faces of large, soft blotches, which a coarse recognizer sees."""
    tiles = [noise(12, 12, seed) for seed in range(count)]
    photos = [np.kron(tile, np.ones((8, 8, 1), np.uint8)) for tile in tiles]
    faces = [face_at(48 + i, 47, 80, 10 * i) for i in range(count)]
    return cut_canvas(photos, faces), torch.ones(count, 1, 48, 48)


def test_features_leak_and_the_border_does_not(person, team):
    canvas, masks, face = person
    leaks = leakage_map(canvas, masks, team)
    assert leaks.shape == (1, 1, SIZE, SIZE)
    assert float(leaks.min()) >= 0
    assert float(leaks.max()) == 1
    border = torch.ones(SIZE, SIZE, dtype=torch.bool)
    border[SIZE // 8 : -SIZE // 8, SIZE // 8 : -SIZE // 8] = False
    skin = float(leaks[0, 0][region_mask(face, ("skin",))[0] > 0.5].mean())
    for feature in ("eyes", "nose", "mouth"):
        inside = float(leaks[0, 0][region_mask(face, (feature,))[0] > 0.5].mean())
        assert inside > 4 * float(leaks[0, 0][border].mean())
        assert feature != "eyes" or inside > 1.5 * skin
    assert not leaks[masks == 0].max() > 0.2


def test_the_map_is_smooth(person, team):
    leaks = leakage_map(person[0], person[1], team)
    assert float(leaks.diff(dim=2).abs().max()) < 0.12
    assert float(leaks.diff(dim=3).abs().max()) < 0.12


def test_attributions_add_up_to_what_the_features_do(person, team):
    canvas, masks, _ = person
    (parts,) = attributions(canvas, masks, team, points=32)
    frames = frames_of(canvas, SIZE)
    sigma = 0.06 * SIZE
    side = 2 * int(3 * sigma) + 1
    line = torch.exp(-((torch.arange(side) - side // 2) ** 2) / (2 * sigma**2))
    kernel = (line[:, None] * line / line.sum() ** 2).expand(3, 1, side, side)
    soft = F.conv2d(F.pad(frames, [side // 2] * 4, mode="reflect"), kernel, groups=3)
    maps = canvas.canvas_to_frame(SIZE)
    added = render(soft - frames, masks, maps, canvas.images.shape[-1]) * canvas.inside
    with torch.no_grad():
        own, gone = (
            team.embed(canvas, canvas.images + change, NONE, 1, Generator())[0]
            for change in (0, added)
        )
    whole = float(distances(gone, own[:, 0], team.scales[0]))
    assert whole > 0.3
    assert float(parts.sum()) == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("corner", [(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)])
def test_it_leaks_where_a_recognizer_looks(corner):
    canvas, masks = patterned()
    leaks = leakage_map(canvas, masks, Ensemble([looking_at(*corner, 0.4)]))[0, 0]
    left, top = (round(48 * at) for at in corner)
    window = torch.zeros(48, 48, dtype=torch.bool)
    window[top - 2 : top + 22, left - 2 : left + 22] = True
    assert float(leaks[window].mean()) > 10 * float(leaks[~window].mean())


def test_recognizers_count_by_their_weights_whatever_their_scale():
    canvas, masks = patterned()
    upper, lower = looking_at(0.1, 0.1, 0.4), looking_at(0.5, 0.5, 0.4)

    def balance(*weights):
        leaks = leakage_map(canvas, masks, Ensemble([upper, lower], weights))[0, 0]
        return float(leaks[:24, :24].sum() / leaks[24:, 24:].sum())

    assert balance(9, 1) > 2 * balance(1, 1) > 4 * balance(1, 9)


def test_nothing_leaks_where_nothing_may_be_changed():
    canvas, masks = patterned()
    masks[..., :24] = 0
    leaks = leakage_map(canvas, masks, Ensemble([looking_at(0.1, 0.1, 0.8)]))[0, 0]
    assert float(leaks[:, :18].max()) < 0.3 * float(leaks[:, 28:].mean())


def test_the_same_twice(person, team):
    first, second = (leakage_map(person[0], person[1], team) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert torch.isfinite(leakage_map(person[0], person[1] * 0, team)).all()


def test_frames_lie_exactly():
    """On a ramp, a shift of a tenth of a pixel would show."""
    ramp = np.broadcast_to(np.arange(200)[None, :, None], (180, 200, 3)).astype(np.uint8)
    canvas = cut_canvas([ramp], [face_at(95, 88, 96, 12)])
    side, maps = canvas.images.shape[-1], canvas.canvas_to_frame(SIZE)
    ones = torch.ones(1, 1, SIZE, SIZE)
    back = render(frames_of(canvas, SIZE), ones, maps, side)
    whole = render(ones.expand(1, 3, SIZE, SIZE), ones, maps, side) * canvas.inside > 0.999
    assert float((back - canvas.images)[whole].mean().abs()) < 0.05
