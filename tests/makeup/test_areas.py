"""Areas lie where people put makeup, and nowhere on eyes and teeth."""

import pytest
import torch

from bauta.makeup.areas import AREAS, makeup_areas

#: Points of the mesh that an area must hold, and some that it must not.
INSIDE = {
    "lips": (0, 17),
    "lids": (223, 443),
    "brows": (105, 334),
    "cheeks": (50, 280),
    "beard": (200, 164),
    "skin": (151, 50, 280, 152),
}
#: Middles of the eyes, between the lids, and of the open mouth, between the lips.
BARE = ((159, 145), (386, 374), (13, 14))


def at(area, *points):
    x, y = (torch.stack(points).mean(dim=0) * area.shape[-1]).long().tolist()
    return float(area[0, y, x])


def test_every_area_is_soft_and_in_range(areas):
    assert tuple(areas) == AREAS
    for area in areas.values():
        assert area.shape == (1, 224, 224)
        assert 0 <= float(area.min()) < 0.01
        assert 0.2 < float(area.max()) <= 1


@pytest.mark.parametrize("name", INSIDE)
def test_areas_are_where_makeup_goes(name, areas, mesh):
    for number in INSIDE[name]:
        assert at(areas[name], mesh[number]) > 0.25


def test_eyeballs_and_teeth_stay_bare(areas, mesh):
    for area in areas.values():
        for pair in BARE:
            assert at(area, *(mesh[number] for number in pair)) < 0.03


def test_skin_leaves_out_lips_and_brows(areas):
    for name in ("lips", "brows"):
        sure = areas[name] > 0.9
        assert float(areas["skin"][sure].mean()) < 0.15


def test_areas_are_the_same_at_other_sizes(areas, mesh):
    small = makeup_areas(mesh, size=112)
    for name in ("lips", "cheeks", "skin"):
        half = torch.nn.functional.avg_pool2d(areas[name][None], 2)[0]
        assert float((half - small[name]).abs().mean()) < 0.01
