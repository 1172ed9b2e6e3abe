"""One mask for an album: what is optimised is what is written, and every photo gets its share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from bauta.audit.metrics import largest_change
from bauta.engine.budgets import Linf, Perceptual
from bauta.engine.flow import GRID, FlowBudget
from bauta.engine.loop import IterativeMethod
from bauta.engine.transforms import NONE
from bauta.faces.detect import find_faces
from bauta.faces.frame import cut_canvas, render
from bauta.keys.mask import PersonalMask
from bauta.masks.wearing import put_on
from bauta.methods.chameleon import Chameleon
from tests.engine.make import distance_now, toy
from tests.masks.make import half, noise_mask

BUDGETS = {
    "plain": Linf(8),
    "perceptual": Perceptual(8),
    "moving": FlowBudget(Linf(8), 0.015),
    "both": FlowBudget(Perceptual(8), 0.015),
}


@pytest.fixture(scope="module")
def photos(collins, hopper):
    """Both small enough for canvases at their own resolution."""
    return [collins, np.asarray(Image.fromarray(hopper).reduce(2))]


@pytest.fixture(scope="module")
def found(photos):
    return [find_faces(photo)[0] for photo in photos]


@pytest.fixture(scope="module")
def album(photos, found):
    """Make the problem of some of the photos under a budget."""

    def make(name, these=(0, 1), chroma=1.0, fine=1.0):
        chosen = [photos[at] for at in these], [found[at] for at in these]
        return replace(
            Chameleon().problem(*chosen, [toy()]), budget=BUDGETS[name], chroma=chroma, fine=fine
        )

    return make


def full(of, seed=0):
    """An answer at its limits, as smooth as those that are found."""
    noise = noise_mask(of.pixels.epsilon, seed=seed, move=0.03)
    pixels = torch.from_numpy(noise.deltas.astype(np.float32))
    if not isinstance(of.budget, FlowBudget):
        return of.project(pixels)
    return of.project(of.budget.pack(torch.from_numpy(noise.flows.astype(np.float32)), pixels))


def as_mask(of, answer):
    flow, pixels = of.parts(answer)
    facts = noise_mask(of.pixels.epsilon, perceptual=isinstance(of.pixels, Perceptual)).facts
    flows = {} if flow is None else {"flows": half(flow)}
    return PersonalMask(facts=facts, deltas=half(pixels), **flows)


@pytest.mark.parametrize("name", BUDGETS)
def test_what_is_rendered_is_what_is_written(name, album, photos, found):
    of = album(name)
    answer = full(of)
    rendered = of.render(answer)
    mask = as_mask(of, answer)
    for at, (photo, face) in enumerate(zip(photos, found, strict=True)):
        written = cut_canvas([put_on(photo, [face], mask)], [face])
        side = written.images.shape[-1]
        apart = (written.images[0] - rendered[at, :, :side, :side]).abs() * written.inside[0]
        changed = (written.images[0] - of.canvas.images[at, :, :side, :side]).abs()
        if len(mask.flows):
            # Pixels are rounded twice, and a canvas knows every fourth pixel's move.
            assert float(apart.mean()) < min(0.5, float(changed.mean()) / 8)
            assert float((apart > 2).float().mean()) < 0.03
        else:
            assert float(changed.mean()) > 0.5
            assert float(apart.max()) < 0.51


@pytest.mark.parametrize("name", ["plain", "perceptual"])
def test_written_pixels_keep_the_budget(name, album, photos, found):
    of = album(name)
    # As much as a key may hold, which is more than is ever found.
    mask = as_mask(of, of.limits * full(of).sign())
    for at, (photo, face) in enumerate(zip(photos, found, strict=True)):
        written = put_on(photo, [face], mask)
        assert largest_change(photo, written) == of.pixels.peak
        before, after = (cut_canvas([pixels], [face]) for pixels in (photo, written))
        changed = (after.images - before.images).abs()
        reach = of.pixels.limits(before, of.faces[at : at + 1])
        smooth = reach < of.pixels.peak / 1.5
        assert bool(smooth.any()) == (name == "perceptual")
        side = changed.shape[-1]
        allowed = render(reach, of.masks[at : at + 1], of.maps[at : at + 1], side)
        assert bool((changed <= allowed + 0.51).all())
        assert float(changed.mean()) > 0.5 * float(allowed.mean())


@pytest.mark.parametrize("name", BUDGETS)
def test_some_photos_are_what_they_were_among_all(name, album):
    of = album(name)
    answer = full(of)
    for which in ([1], [1, 0], [0]):
        part = of.some(torch.tensor(which))
        assert len(part.canvas) == len(which)
        torch.testing.assert_close(part.render(answer), of.render(answer)[which])
        assert torch.equal(part.limits, of.limits)
        assert torch.equal(part.project(2 * answer), of.project(2 * answer))
        assert torch.equal(distance_now(part, answer), distance_now(of, answer)[which])


def test_a_part_knows_the_person_and_the_limits_of_all(album):
    part, alone = album("perceptual").some(torch.tensor([0])), album("perceptual", [0])
    answer = full(alone)
    torch.testing.assert_close(part.allowed, alone.allowed)
    # The same picture, but away from both photos' centre instead of this one's.
    side = alone.canvas.images.shape[-1]
    torch.testing.assert_close(
        part.render(answer)[..., :side, :side], alone.render(answer), rtol=0, atol=1e-3
    )
    assert abs(float(distance_now(part, answer) - distance_now(alone, answer))) > 0.01


@pytest.mark.parametrize("name", BUDGETS)
def test_gradients_reach_all_parts(name, album):
    of = album(name)
    point = full(of).requires_grad_(True)
    distances = of.ensemble.embed(of.canvas, of.render(point), NONE, 1, torch.Generator())
    (gradient,) = torch.autograd.grad(of.distances(distances)[0][0].sum(), point)
    flow, pixels = of.parts(gradient)
    assert bool(gradient.isfinite().all())
    assert (flow is not None) == isinstance(of.budget, FlowBudget)
    if flow is not None:
        assert bool((flow.abs().amax(dim=(0, 2, 3)) > 0).all())
    # The toy looks at the middle of the frame: most pixels there count, and none that is hidden.
    told = (pixels != 0).any(dim=1)
    middle = slice(of.size // 3, of.size * 2 // 3)
    assert float(told[:, middle, middle].float().mean()) > 0.7
    assert not bool(told[of.masks[:1].amax(dim=1) == 0].any())


@pytest.mark.parametrize("name", BUDGETS)
def test_methods_find_answers_for_all_photos(name, album):
    of = album(name)
    method = IterativeMethod(steps=6, diversity=NONE)
    answer, start = method.run(of), method.initial(of, torch.Generator().manual_seed(0)).delta
    assert len(answer) == 1
    assert bool((distance_now(of, answer) > distance_now(of, start)).all())
    assert torch.equal(answer, method.run(of))


@pytest.mark.parametrize("name", BUDGETS)
def test_projections_and_starts_keep_the_limits(name, album):
    of = album(name)
    generator = torch.Generator().manual_seed(3)
    assert float(of.limits.max()) == of.pixels.peak
    assert float(of.limits[..., 0, :].max()) == 0  # no mask reaches the frame's edge
    for share in (0.0, 0.5, 1.0):
        start = of.start(share, generator)
        torch.testing.assert_close(of.project(start), start)
        flow, pixels = of.parts(start)
        assert float(pixels.abs().max()) <= share * of.pixels.epsilon
        assert float(pixels.abs().max()) >= share * of.pixels.epsilon / 2
        if flow is not None:
            assert flow.shape == (1, 2, GRID, GRID)
            length = flow.square().sum(dim=1).sqrt()
            # A draw per direction, so the corners of the square are cut off.
            assert 0.5 * share <= float(length.max()) / of.budget.displacement <= 1.0001
    far = of.project(1000 * of.start(1.0, generator))
    flow, pixels = of.parts(far)
    assert bool((pixels.abs() <= of.limits * 1.0001).all())
    assert float(pixels.abs().max()) > of.pixels.peak / 4
    if flow is not None:
        torch.testing.assert_close(
            flow.square().sum(dim=1).sqrt().max(), torch.tensor(of.budget.displacement)
        )
    assert torch.equal(
        of.start(0.5, torch.Generator().manual_seed(1)),
        of.start(0.5, torch.Generator().manual_seed(1)),
    )


@pytest.mark.parametrize("name", ["perceptual", "both"])
def test_grey_photos_stay_grey(name, photos, found):
    grey = [np.repeat(photo[..., 1:2], 3, axis=2) for photo in photos]
    of = replace(Chameleon().problem(grey, found, [toy()]), budget=BUDGETS[name])
    assert bool(of.grey.all())
    _, pixels = of.parts(IterativeMethod(steps=3, diversity=NONE).run(of))
    assert torch.equal(pixels[:, 0], pixels[:, 1])
    assert torch.equal(pixels[:, 0], pixels[:, 2])
    assert float(pixels.abs().max()) > 1


@pytest.mark.parametrize("name", ["plain", "moving"])
def test_colour_fades(name, album):
    of = album(name, chroma=0.25)
    _, before = of.parts(full(album(name)))
    _, after = of.parts(full(of))
    light = before.mean(dim=1, keepdim=True)
    torch.testing.assert_close(after, light + 0.25 * (before - light), rtol=0, atol=0.1)
    assert float((before - light).abs().max()) > 4


@pytest.mark.parametrize("name", ["plain", "moving"])
def test_fine_parts_fade_and_soft_ones_stay(name, album):
    of = album(name, fine=0.25)
    checks = (torch.arange(of.size)[:, None] + torch.arange(of.size)) % 2 * 2.0 - 1
    ramp = torch.linspace(-2, 2, of.size).expand(1, 3, of.size, of.size)
    delta = torch.zeros_like(of.start(0, torch.Generator()))

    def kept(pixels):
        flow, _ = of.parts(delta)
        _, after = of.parts(of.project(of._whole(flow, pixels)))
        return after[0, 0, 100:120, 100:120]

    torch.testing.assert_close(
        kept(checks.expand(1, 3, -1, -1)), checks[100:120, 100:120] / 4, rtol=0.02, atol=1e-3
    )
    torch.testing.assert_close(kept(ramp), ramp[0, 0, 100:120, 100:120], rtol=0.02, atol=1e-2)


def test_one_photo_in_colour_is_enough_for_a_mask_in_colour(photos, found):
    grey = np.repeat(photos[0][..., 1:2], 3, axis=2)
    of = replace(Chameleon().problem([grey, photos[1]], found, [toy()]), budget=Linf(8))
    assert of.grey.tolist() == [True, False]
    pixels = IterativeMethod(steps=3, diversity=NONE).run(of)
    assert not torch.equal(pixels[:, 0], pixels[:, 1])
    assert torch.equal(of.some(torch.tensor([0])).grey, torch.tensor([True]))
