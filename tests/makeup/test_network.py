"""The network draws next to nothing at first, where its codes say, and as its makeup says."""

import pytest
import torch

from bauta.makeup.network import MakeupNetwork


def network(side=16, seed=0):
    return MakeupNetwork(3, 5, 4, side, torch.Generator().manual_seed(seed))


def inputs(side=16):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 3, side, side, generator=generator) * 2 - 1, torch.rand(
        1, 5, side, side, generator=generator
    )


@pytest.mark.parametrize("side", [4, 16, 36])
def test_a_new_network_draws_next_to_nothing(side):
    drawn = network(side)(*inputs(side))
    assert drawn.shape == (1, 4, side, side)
    assert 0 < float(drawn.detach().abs().mean()) < 0.2


def test_the_seed_decides():
    seen, wanted = inputs()
    assert torch.equal(network(seed=3)(seen, wanted), network(seed=3)(seen, wanted))
    assert not torch.equal(network(seed=3)(seen, wanted), network(seed=4)(seen, wanted))


def test_what_makeup_is_wanted_changes_what_is_drawn():
    seen, wanted = inputs()
    one = network()
    assert not torch.allclose(one(seen, wanted), one(seen, 1 - wanted), atol=1e-3)


def test_a_code_reaches_its_place_and_weights_everywhere():
    seen, wanted = inputs()
    one = network()
    weights, codes = one.parts()
    assert {id(part) for part in (*weights, *codes)} == {id(part) for part in one.parameters()}
    assert [tuple(code.shape[-2:]) for code in codes] == [(16, 16), (8, 8), (4, 4)]
    before = one(seen, wanted)
    with torch.no_grad():
        codes[0][:, :, 3, 12] += 20 * torch.randn(24, generator=torch.Generator().manual_seed(2))
    change = (one(seen, wanted) - before).detach().abs().amax(dim=(0, 1))
    assert float(change[1:6, 10:15].mean()) > 5 * float(change[10:, :6].mean())


def test_it_learns_to_draw_what_it_is_told():
    seen, wanted = inputs()
    one, goal = network(), torch.zeros(1, 4, 16, 16)
    goal[:, :, 4:9, 6:12] = 1.0
    weights, codes = one.parts()
    optimiser = torch.optim.Adam([{"params": weights, "lr": 3e-3}, {"params": codes, "lr": 0.1}])
    losses = []
    for _ in range(60):
        loss = (one(seen, wanted) - goal).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
