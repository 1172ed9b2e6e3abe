"""Regions of a face that mixtures hide more."""

from __future__ import annotations

import numpy as np
import pytest

from bauta.errors import UsageError
from bauta.masking.regions import REGIONS, kept_map
from bauta.recognizers.crops import ARCFACE_TEMPLATE, crop_of

CROP = crop_of("arcface", 112)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("region", "places"), [("eyes", [0, 1]), ("nose", [2]), ("mouth", [3, 4])])
def test_regions_lie_where_the_crop_has_them(region: str, places: list[int], stride: int):
    kept = kept_map({region: 1.0}, CROP.to_frame, 112, stride)
    assert kept.shape == (112 // stride, 112 // stride)
    points = ARCFACE_TEMPLATE[places]
    middle = points if region == "eyes" else points.mean(axis=0, keepdims=True)
    for x, y in np.rint(middle / stride).astype(int):
        assert float(kept[y, x]) < 0.1
    others = np.delete(ARCFACE_TEMPLATE, places, axis=0)[: 3 if region == "mouth" else None]
    for x, y in np.rint(others / stride).astype(int):
        assert float(kept[y, x]) > 0.8
    assert float(kept[0, 0]) == pytest.approx(1, abs=1e-3)


def test_strength_is_how_much_goes():
    half, whole = (kept_map({"nose": s}, CROP.to_frame, 112, 1) for s in (0.5, 1.0))
    assert np.allclose(1 - whole, 2 * (1 - half), atol=1e-6)
    assert bool((kept_map(dict.fromkeys(REGIONS, 0.0), CROP.to_frame, 112, 1) == 1).all())


@pytest.mark.parametrize("wrong", [{"chin": 0.5}, {"eyes": 1.5}, {"eyes": "x"}, {"nose": True}])
def test_strengths_that_make_no_sense(wrong: dict[str, float]):
    with pytest.raises(UsageError):
        kept_map(wrong, CROP.to_frame, 112, 1)
