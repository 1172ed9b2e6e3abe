"""Every family of networks: shapes, unit length, folded norms, grey, wrong options."""

from __future__ import annotations

import copy

import pytest
import torch

from bauta.errors import RegistryError, UsageError
from bauta.recognizers.networks.blocks import fold_norms
from bauta.recognizers.networks.families import FAMILIES, build_network


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
