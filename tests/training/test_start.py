"""The last layer of a network that goes on from another's weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bauta.recognizers.crops import crop_of
from bauta.recognizers.networks.families import build_network
from bauta.recognizers.zoo import get_surrogate
from bauta.training import start
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.start import fit_last_layer
from bauta.training.teachers import targets, to_tensor


def test_the_fitted_layer_begins_near_its_teacher(little: FaceSet, tmp_path, monkeypatch) -> None:
    """On dlib's own crop, dlib's features suffice to say what dlib says."""
    wanted = targets(little, ["dlib"], tmp_path)
    crop = crop_of("dlib", 150)
    torch.manual_seed(0)
    network = build_network("dlib-resnet", size=150, embedding=128).eval()
    network.start_from(get_surrogate("dlib").network)
    crops = plain_crop(to_tensor(little.take(range(len(little)))), crop)

    def likeness() -> float:
        with torch.no_grad():
            return float((network(crops) * torch.from_numpy(wanted)).sum(dim=1).mean())

    assert likeness() < 0.3
    fit_last_layer(network, little, wanted, crop, seed=0)
    assert likeness() > 0.9
    whole = network.output_layer.weight.detach().clone()
    monkeypatch.setattr(start, "_FACES", 16)
    fit_last_layer(network, little, wanted, crop, seed=0)
    assert not torch.allclose(network.output_layer.weight, whole, atol=1e-3)


def test_ridge_finds_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(3, 1, (500, 6)))
    weight = torch.from_numpy(rng.normal(size=(4, 6)))
    bias = torch.from_numpy(rng.normal(size=4))
    found, shift = start._ridge(x, x @ weight.T + bias)
    # The ridge draws it toward zero by its share.
    torch.testing.assert_close(found, weight, atol=0, rtol=0.1)
    torch.testing.assert_close(x.mean(0) @ found.T + shift, x.mean(0) @ weight.T + bias)


@pytest.mark.parametrize("family", ["ir-resnet", "vit"])
def test_other_families_have_nothing_to_fit(family: str) -> None:
    with pytest.raises(NotImplementedError):
        build_network(family, size=112, embedding=8).features(torch.zeros(1, 3, 112, 112))
