"""Ghosts: the gains are where they are said to be, and the network itself stays as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import functional_call

from bauta.engine.ensemble import Ensemble
from bauta.engine.ghosts import ghost, haunted, thinned
from bauta.engine.problem import own_embeddings
from bauta.engine.transforms import NONE
from bauta.faces.frame import cut_canvas
from bauta.recognizers.zoo import get_surrogate


def network() -> nn.Sequential:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(6, 6, 3, groups=6)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), depthwise, nn.Conv2d(6, 4, 1))


def test_every_channel_that_is_read_has_a_gain_of_its_own():
    net = network()
    weights = ghost(net, 0.1, torch.Generator().manual_seed(1))
    assert set(weights) == {"0.weight", "2.weight", "3.weight"}
    for name, axis in (("0.weight", 1), ("2.weight", 0), ("3.weight", 1)):
        gains = (weights[name] / net.state_dict()[name]).transpose(0, axis).flatten(1)
        torch.testing.assert_close(gains, gains[:, :1].expand_as(gains))
        assert 0.01 < float(gains[:, 0].std()) < 0.3


def test_a_gain_in_the_weights_is_a_gain_of_what_is_read():
    net = nn.Conv2d(3, 4, 3, bias=True)
    weights = ghost(net, 0.2, torch.Generator().manual_seed(1))
    gains = (weights["weight"] / net.weight.detach())[0, :, 0, 0].view(1, 3, 1, 1)
    photo = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(functional_call(net, weights, (photo,)), net(photo * gains))


def test_seeds_decide_and_networks_stay_as_they_are():
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first, again, other = (ghost(net, 0.1, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_ghosts_show_in_embeddings_but_not_in_who_somebody_is(collins, collins_face):
    team = Ensemble([get_surrogate("tight-dlib")])
    canvas = cut_canvas([collins], [collins_face])
    haunted = replace(NONE, ghosts=0.1)

    def seen(diversity):
        return team.embed(canvas, canvas.images, diversity, 1, torch.Generator().manual_seed(0))[0]

    with torch.no_grad():
        shift = (seen(haunted) - seen(NONE)).norm()
    assert 0.02 < float(shift) < 0.9
    own = own_embeddings(canvas, team, haunted, 2, torch.Generator().manual_seed(0))[0]
    torch.testing.assert_close(own, seen(NONE)[:, 0], atol=1e-3, rtol=0)


def test_haunted_networks_learn_from_gains_of_every_image_and_channel():
    net = nn.Conv2d(3, 4, 1, bias=False)
    photo = torch.ones(2, 3, 5, 5)
    with haunted(net, 0.3, torch.Generator().manual_seed(1)):
        out = net(photo)
        (gradient,) = torch.autograd.grad(out[0].sum(), net.weight)
    # Of an image of ones the gradient is the gains, 25 times.
    gains = gradient[0, :, 0, 0] / 25
    torch.testing.assert_close(out[0], net(photo[:1] * gains.view(1, 3, 1, 1))[0])
    assert not torch.allclose(out[0], out[1])
    assert 0.01 < float((gains - 1).abs().max()) < 1.5
    torch.testing.assert_close(net(photo)[0], net(photo)[1])


def test_haunting_ends_with_an_error_too():
    net = network()
    calm = net.eval()(torch.ones(1, 3, 9, 9))
    try:
        with haunted(net, 0.3, torch.Generator()):
            raise ValueError
    except ValueError:
        pass
    torch.testing.assert_close(net(torch.ones(1, 3, 9, 9)), calm, rtol=0, atol=0)


def test_thinned_networks_read_less_and_as_much_on_average():
    net = nn.Conv2d(3, 4, 1, bias=False)
    photo = torch.ones(2, 3, 40, 40)
    with thinned(net, 0.25, torch.Generator().manual_seed(1)):
        out = net(photo)
    torch.testing.assert_close(out[0], out[1])
    # Ones are read as 0 or as 4/3.
    kept = torch.linalg.lstsq(net.weight[:, :, 0, 0], out[0].flatten(1)).solution
    levels = kept.round(decimals=3).unique().tolist()
    assert len(levels) == 2
    assert levels == pytest.approx([0, 4 / 3], abs=2e-3)
    assert float((kept < 0.1).float().mean()) == pytest.approx(0.25, abs=0.03)
