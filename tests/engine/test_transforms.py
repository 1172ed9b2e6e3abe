"""Random views: shapes, seeds, one draw for all faces, and what each transform keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

from bauta.engine.ensemble import Ensemble
from bauta.engine.problem import own_embeddings
from bauta.engine.published import Admix, ResizePad, Scales, Spectrum
from bauta.engine.transforms import NONE, Blur, Diversity, Jitter, Jpeg, Noise, blur
from tests.engine.make import problem, toy

ALL = [
    Blur(probability=0.7), ResizePad(probability=0.7), Jpeg(probability=0.7), Noise(),
    Admix(others=255 * torch.rand(5, 3, 40, 40)), Spectrum(),
]  # fmt: skip


def draw(transform, crops, views, seed=0):
    return transform(crops, views, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_every_transform(transform):
    face = torch.rand(4, 3, 32, 32) * 255
    both = draw(transform, torch.cat([face, face]), 4)
    assert both.shape == (8, 3, 32, 32)
    # View k is drawn alike for all faces, so company changes nothing.
    torch.testing.assert_close(both[:4], both[4:])
    torch.testing.assert_close(both[:4], draw(transform, face, 4), rtol=0, atol=1e-3)
    assert torch.equal(draw(transform, face, 4, 1), draw(transform, face, 4, 1))
    assert not torch.equal(draw(transform, face, 4, 1), draw(transform, face, 4, 2))
    point = face.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((draw(transform, point, 4) ** 2).sum(), point)
    assert bool(gradient.isfinite().all())
    assert bool((gradient.abs().sum(dim=(1, 2, 3)) > 0).all())


@pytest.mark.parametrize("transform", [Blur, ResizePad, Jpeg])
def test_never_means_never(transform):
    crops = torch.rand(4, 3, 32, 32) * 255
    assert torch.equal(draw(transform(probability=0), crops, 2), crops)
    assert not torch.equal(draw(transform(probability=1), crops, 2), crops)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_blur_keeps_the_mean_and_smooths(size):
    spot = torch.zeros(1, 2, 31, 31)
    spot[:, :, 15, 15] = 100
    out = blur(spot, size)
    np.testing.assert_allclose(out.sum(dim=(2, 3)), 100, rtol=1e-5)
    assert float(out.max()) < 50
    torch.testing.assert_close(out, out.transpose(2, 3))
    torch.testing.assert_close(
        blur(torch.full((1, 3, 9, 9), 7.0), size), torch.full((1, 3, 9, 9), 7.0)
    )


def test_jpeg_is_nearly_the_picture_and_coarser_at_low_quality():
    ys, xs = np.mgrid[:32, :32]
    smooth = torch.from_numpy(128 + 60 * np.sin(xs / 5) * np.cos(ys / 7)).float()
    crops = smooth.expand(1, 3, 32, 32) + 6 * torch.randn(
        1, 3, 32, 32, generator=torch.Generator().manual_seed(0)
    )
    high, low = (
        float((draw(Jpeg(probability=1, quality=(q, q)), crops, 1) - crops).abs().mean())
        for q in (95.0, 30.0)
    )
    assert high < low < 10


def test_jitter_without_motion_is_the_identity():
    maps = Jitter(scale=1, rotation=0, shift=0).draw(3, torch.Generator())
    identity = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    torch.testing.assert_close(maps, identity.expand(3, 2, 3))


def test_jitter_stays_within_its_ranges_and_uses_them():
    jitter = Jitter(scale=1.2, rotation=0.15, shift=0.1, flip=0.25)
    maps = jitter.draw(2000, torch.Generator().manual_seed(0)).double()
    scale = torch.linalg.det(maps[:, :, :2]).abs().sqrt()
    assert 1 / 1.2 - 1e-6 <= float(scale.min()) < 0.86
    assert 1.17 < float(scale.max()) <= 1.2 + 1e-6
    assert 0.097 < float(maps[:, :, 2].abs().max()) <= 0.1
    mirrored = torch.linalg.det(maps[:, :, :2]) < 0
    assert float(mirrored.double().mean()) == pytest.approx(0.25, abs=0.03)
    plain = maps[~mirrored]
    angle = torch.atan2(plain[:, 1, 0], plain[:, 0, 0])
    assert 0.145 < float(angle.abs().max()) <= 0.15 + 1e-6
    flipped = maps[mirrored]
    assert float(flipped[:, 0, 0].max()) < 0


def test_an_ensemble_sees_the_same_views_of_a_face_alone_and_in_company():
    of, ensemble = problem(2), Ensemble([toy(0), toy(1)])
    diversity = Diversity(jitter=Jitter(), transforms=(Blur(), Noise()))

    def embed(which):
        generator = torch.Generator().manual_seed(4)
        return ensemble.embed(of.canvas[which], of.canvas.images[which], diversity, 3, generator)

    both, first = embed(slice(0, 2)), embed(slice(0, 1))
    for together, alone in zip(both, first, strict=True):
        assert together.shape == (2, 3, 16)
        torch.testing.assert_close(together[:1], alone)
        assert not torch.allclose(together[0, 0], together[0, 1])


def test_who_somebody_is_includes_the_plain_view():
    of = problem(1)
    plain = own_embeddings(of.canvas, of.ensemble, NONE, 0, torch.Generator())[0]
    direct = of.ensemble.members[0].embed_crops(
        of.ensemble.members[0].crop.take(of.canvas, of.canvas.images)
    )
    torch.testing.assert_close(plain, direct)
    same = own_embeddings(of.canvas, of.ensemble, NONE, 3, torch.Generator())[0]
    torch.testing.assert_close(same, plain)
    varied = own_embeddings(of.canvas, of.ensemble, Diversity(), 3, torch.Generator())[0]
    assert not torch.allclose(varied, plain)


def test_scales_halve_view_by_view():
    face = torch.rand(1, 3, 16, 16) * 255
    out = draw(Scales(copies=3), face.repeat(4, 1, 1, 1), 4)
    for view, factor in zip(out, (1, 0.5, 0.25, 1), strict=True):
        torch.testing.assert_close(view, face[0] * factor)


def test_admix_adds_a_share_of_one_of_the_others():
    others = 255 * torch.rand(3, 3, 16, 16)
    added = draw(Admix(others=others, share=0.2), torch.zeros(8, 3, 16, 16), 8) / 0.2
    distances = (added[:, None] - others[None]).abs().mean(dim=(2, 3, 4))
    assert bool((distances.amin(dim=1) < 1e-3).all())
    assert len(set(distances.argmin(dim=1).tolist())) > 1


def test_spectrum_without_strength_is_the_identity_and_its_cosines_are_scipys():
    face = torch.rand(2, 3, 20, 20)
    torch.testing.assert_close(draw(Spectrum(gain=0, noise=0), face, 2), face, rtol=0, atol=1e-5)
    from bauta.engine.published import _cosines

    mine = _cosines(20) @ face[0, 0] @ _cosines(20).T
    theirs = dctn(face[0, 0].numpy(), norm="ortho")
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-4)
