"""Every family of networks: shapes, unit length, folded norms, grey, wrong options."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from bauta.errors import RegistryError, UsageError
from bauta.recognizers.networks.blocks import fold_norms
from bauta.recognizers.networks.families import FAMILIES, build_network
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet
from bauta.recognizers.networks.onnx_graph import OnnxGraph
from bauta.recognizers.zoo import get_surrogate
from tests.recognizers.onnx_files import paper_mobilefacenet_model, save

MS1M = "mobilefacenet-relu"

#: The head of foamliu's network covers a map of one size.
SIZES = [(f, size) for f in FAMILIES for size in (112, 128) if (f, size) != (MS1M, 128)]


@pytest.mark.parametrize(("family", "size"), SIZES)
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
    with pytest.raises(UsageError, match="only start from a DlibResNet"):
        network.start_from(torch.nn.Linear(2, 2))
    with pytest.raises(UsageError, match="random weights"):
        build_network("vit", size=112, embedding=8).start_from(dlib)
    with pytest.raises(UsageError, match="64 pixels"):
        build_network("dlib-resnet", size=48, embedding=8)


def test_mobilefacenet_relu_starts_from_such_a_network() -> None:
    torch.manual_seed(0)
    elder = MobileFaceNet().eval()
    network = build_network(MS1M, size=112, embedding=8).eval()
    last = network.output_layer.weight.clone()
    network.start_from(elder)
    crops = 255 * torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(network.features(crops), elder.features(crops))
    assert torch.equal(network.output_layer.weight, last)
    with pytest.raises(UsageError, match="112 pixels"):
        build_network(MS1M, size=128, embedding=8)


def test_mobilefacenet_starts_from_an_onnx_file_of_its_layout(tmp_path: Path) -> None:
    small = {"stem": 8, "bottlenecks": ((2, 8, 2, 2), (2, 16, 1, 2)), "last": 16}
    torch.manual_seed(0)
    elder = build_network("mobilefacenet", size=32, embedding=4, options=small)
    for _ in range(3):  # so that the norms hold something
        elder.train()(255 * torch.rand(8, 3, 32, 32))
    fold_norms(elder.eval())
    graph = OnnxGraph.load(save(paper_mobilefacenet_model(elder, 32), tmp_path / "net.onnx"))
    network = build_network("mobilefacenet", size=32, embedding=4, options=small)
    network.start_from(graph)
    network.output_layer.load_state_dict(elder.output_layer.state_dict())
    crops = 255 * torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.raw(crops), elder.raw(crops))
        torch.testing.assert_close(
            network.raw(crops), network.output_layer(network.features(crops))
        )
    with pytest.raises(UsageError, match="another layout"):
        build_network("mobilefacenet", size=32, embedding=4).start_from(graph)
    deeper = {**small, "bottlenecks": (*small["bottlenecks"], (2, 16, 1, 1))}
    with pytest.raises(UsageError, match=r"layout|ONNX file"):
        build_network("mobilefacenet", size=32, embedding=4, options=deeper).start_from(graph)
    with pytest.raises(UsageError, match="ONNX file"):
        build_network("mobilefacenet", size=32, embedding=4, options=small).start_from(elder)
