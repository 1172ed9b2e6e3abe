"""Every family of networks: shapes, unit length, folded norms, grey, wrong options."""

from __future__ import annotations

import copy

import pytest
import torch

from bauta.errors import RegistryError, UsageError
from bauta.recognizers.networks.blocks import fold_norms
from bauta.recognizers.networks.families import FAMILIES, build_network
from bauta.recognizers.zoo import get_surrogate


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [112, 128])
def test_a_family_embeds_crops_and_folds(family: str, size: int) -> None:
    torch.manual_seed(0)
    network = build_network(family, size=size, embedding=24)
    crops = 255 * torch.rand(4, 3, size, size)
    network.train()(crops)  # so that the norms hold something
    network.eval()
    with torch.no_grad():
        out = network(crops)
        folded = fold_norms(copy.deepcopy(network))(crops)
    assert out.shape == (4, 24)
    torch.testing.assert_close(out.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(folded, out, atol=1e-4, rtol=0)
    assert float((out[0] - out[1]).norm()) > 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_grey_network_sees_no_colour(family: str) -> None:
    torch.manual_seed(0)
    network = build_network(family, size=112, embedding=8, options={"grey": True}).eval()
    crops = 255 * torch.rand(2, 3, 112, 112)
    luma = (crops * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    with torch.no_grad():
        torch.testing.assert_close(network(crops), network(luma.expand(-1, 3, -1, -1)))


def test_unknown_families_and_options_are_named() -> None:
    with pytest.raises(RegistryError, match="mobilefacenet"):
        build_network("resnext", size=112, embedding=8)
    with pytest.raises(UsageError, match="depth"):
        build_network("ghost", size=112, embedding=8, options={"depth": 3})


def test_dlib_family_starts_from_dlib() -> None:
    dlib = get_surrogate("dlib").network
    network = build_network("dlib-resnet", size=150, embedding=128)
    network.start_from(dlib)
    network.eval()
    network.base.output = dlib.output  # the only part that is not taken over
    crops = 255 * torch.rand(2, 3, 150, 150)
    with torch.no_grad():
        torch.testing.assert_close(network.raw(crops), dlib(crops))
    with pytest.raises(UsageError, match="only start from dlib"):
        network.start_from(torch.nn.Linear(2, 2))
    with pytest.raises(UsageError, match="random weights"):
        build_network("vit", size=112, embedding=8).start_from(dlib)
    with pytest.raises(UsageError, match="64 pixels"):
        build_network("dlib-resnet", size=48, embedding=8)
