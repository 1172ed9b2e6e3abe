"""Chameleon: an estimator whose one mask hides a person in photos that it never saw."""

from __future__ import annotations

import inspect
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from bauta.audit.metrics import psnr
from bauta.errors import MediaError, NoFaceError, UsageError
from bauta.faces.detect import find_faces
from bauta.faces.face import EYE_DISTANCE
from bauta.faces.geometry import warp
from bauta.keys.mask import mask_from_bytes
from bauta.masks.removal import find_mask
from bauta.masks.wearing import member_for, put_on
from bauta.media import is_grey
from bauta.methods.chameleon import Chameleon, CrossImage, dissimilarity, reweighed
from bauta.methods.personal import WITNESSES, personal_methods
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.views.base import engines

#: Little effort, against one small recognizer; enough for tight-judge to notice.
LIGHT = {
    "epsilon": 8.0, "perceptual": True, "warp": 2.0, "members": 2, "steps": 8, "batch": 3,
    "surrogates": ("tight-ms1m",), "seed": 0,
}  # fmt: skip
#: Even less, where it does not matter how well it hides.
TINY = {**LIGHT, "members": 1, "steps": 2}


@pytest.fixture(scope="module")
def portrait(collins):
    """256 x 256 pixels of the sample, which no mask here is fitted on."""
    return np.ascontiguousarray(collins[:256, 96:352])


@pytest.fixture(scope="module")
def portrait_face(portrait):
    return find_faces(portrait)[0]


@pytest.fixture(scope="module")
def album(collins, collins_face):
    """Other pictures of the same person: turned, lit and smiling otherwise."""
    views = engines["embedded"]().make(collins, collins_face, 6, seed=0)
    return [view.pixels for view in views[1:4]]


@pytest.fixture(scope="module")
def fitted(album):
    return Chameleon(**LIGHT).fit(album)


def judged(judge, pixels, face, *others):
    """Similarities of one picture's face to the same face in others."""
    rows = judge.embed([pixels, *others], [face] * (1 + len(others)))
    return similarity_matrix(rows[:1], rows[1:])[0]


# As scikit-learn's


def test_parameters_come_back_and_make_the_same_estimator():
    one = Chameleon(**LIGHT)
    params = one.get_params()
    assert set(params) == set(inspect.signature(Chameleon).parameters)
    assert all(params[name] == value for name, value in LIGHT.items())
    assert all(params[name] is getattr(one, name) for name in params)
    assert one.get_params(deep=False) == params
    again = type(one)(**params)
    assert again is not one
    assert again == one
    assert repr(again) == repr(one)
    assert again.set_params(epsilon=3.5, members=1) is again
    assert (again.epsilon, again.members, again.steps) == (3.5, 1, one.steps)
    assert again != one
    assert again.set_params().get_params() == again.get_params()
    with pytest.raises(UsageError, match=r"unknown parameter 'eps': use .*epsilon"):
        again.set_params(epsilon=9.0, eps=3)
    assert again.epsilon == 3.5


def test_the_constructor_only_keeps():
    # Nothing is checked, read or computed before fit.
    odd = Chameleon(epsilon=-1.0, surrogates=("nobody",), region="tail", device="abacus")
    assert odd.get_params()["surrogates"] == ("nobody",)
    assert not hasattr(odd, "mask_")


def test_repr_makes_the_same_estimator(fitted):
    assert eval(repr(fitted)) == fitted
    assert "mask" not in repr(fitted)


def test_it_is_registered():
    assert personal_methods["chameleon"] is Chameleon


def test_unfitted(portrait):
    for call in (Chameleon().transform, Chameleon().inverse_transform):
        with pytest.raises(UsageError, match="Chameleon has no mask yet: call fit"):
            call(portrait)


def test_what_was_fitted_stays_when_parameters_change(fitted):
    copy = type(fitted)(**fitted.get_params())
    assert not hasattr(copy, "mask_")
    copy.mask_ = fitted.mask_
    copy.set_params(epsilon=1.0)
    assert copy.mask_ is fitted.mask_
    assert copy.mask_.facts.epsilon == LIGHT["epsilon"]


def test_fit_returns_itself_and_tells_how_far_it_is(album):
    shares = []
    mine = Chameleon(**{**TINY, "members": 2})
    assert mine.fit(album[:2], None, progress=shares.append) is mine
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_one_photo_or_several_in_memory_or_as_files(fitted, portrait, album, tmp_path: Path):
    file = tmp_path / "me.png"
    Image.fromarray(portrait).save(file)
    one = fitted.transform(portrait)
    assert one.dtype == np.uint8
    assert one.shape == portrait.shape
    several = fitted.transform([portrait, str(file), album[0]])
    assert len(several) == 3
    for same in (*several[:2], fitted.transform(file)):
        np.testing.assert_array_equal(same, one)
    assert several[2].shape == album[0].shape
    # So weak a mask is sometimes seen no better than in bare photos, which is tested elsewhere.
    sure = Chameleon(**LIGHT)
    facts = replace(fitted.mask_.facts, bare=0.0)
    sure.mask_ = replace(fitted.mask_, facts=facts)
    back = sure.inverse_transform(several)
    np.testing.assert_array_equal(back[0], sure.inverse_transform(one))
    for original, worn, bare in zip([portrait] * 2 + album[:1], several, back, strict=True):
        assert psnr(original, bare) > psnr(original, worn) + 6


def test_fit_transform_is_both(album):
    mine = Chameleon(**TINY)
    both = mine.fit_transform(album[:2])
    for photo, out in zip(album, both, strict=False):
        np.testing.assert_array_equal(out, mine.transform(photo))
        assert (out != photo).any()


# What is fitted


def test_the_key_says_what_it_is(fitted, album):
    mask = fitted.mask_
    facts = mask.facts
    assert (facts.method, facts.epsilon, facts.perceptual) == ("chameleon", 8.0, True)
    assert (facts.surrogates, facts.photos, facts.seed) == (("tight-ms1m",), len(album), 0)
    assert facts.region == fitted.region
    assert mask.deltas.shape[:2] == (2, 3)
    assert np.abs(mask.deltas.astype(float)).max() <= facts.peak
    assert np.abs(mask.deltas.astype(float)).max() > facts.peak / 4
    assert len(mask.flows) == 2
    moves = np.sqrt(np.square(mask.flows.astype(float)).sum(axis=1)).max(axis=(1, 2))
    assert (moves <= 0.02 * EYE_DISTANCE * 1.001).all()
    assert (moves > 0.01 * EYE_DISTANCE).all()
    assert set(mask.owner) == set(WITNESSES)
    assert all(len(rows) == len(album) for rows in mask.owner.values())


def test_a_key_that_was_written_does_the_same(fitted, portrait):
    again = Chameleon()
    again.mask_ = mask_from_bytes(fitted.mask_.to_bytes())
    np.testing.assert_array_equal(again.transform(portrait), fitted.transform(portrait))


def test_nothing_moves_without_warp_and_nothing_is_weighed_if_it_is_plain(album):
    mask = Chameleon(**{**TINY, "warp": 0.0, "perceptual": False}).fit(album[:2]).mask_
    assert len(mask.flows) == 0
    assert not mask.facts.perceptual
    # One step of two is already farther than epsilon.
    assert np.abs(mask.deltas.astype(float)).max() == pytest.approx(8, abs=0.01)


def test_a_seed_gives_the_same_mask_and_another_secret(album):
    first, again, other = (
        Chameleon(**{**TINY, "seed": seed}).fit(album[:2]).mask_ for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.deltas, again.deltas)
    np.testing.assert_array_equal(first.flows, again.flows)
    for name, rows in first.owner.items():
        np.testing.assert_array_equal(rows, again.owner[name])
    assert first.secret != again.secret
    assert (first.deltas != other.deltas).mean() > 0.1
    assert (first.flows != other.flows).mean() > 0.1


def test_each_person_has_a_mask_of_their_own(album, hopper, hopper_face):
    views = engines["embedded"]().make(hopper, hopper_face, 2, seed=0)
    hers = Chameleon(**TINY).fit([view.pixels for view in views]).mask_
    mine = Chameleon(**TINY).fit(album[:2]).mask_
    assert (hers.deltas != mine.deltas).mean() > 0.1
    for name in WITNESSES:
        threshold = get_surrogate(name).threshold
        assert similarity_matrix(hers.owner[name], mine.owner[name]).max() < threshold
        assert similarity_matrix(mine.owner[name], mine.owner[name]).min() > threshold


# What it does


@pytest.mark.parametrize("member", [0, 1])
def test_a_stranger_sees_less_of_the_person_in_a_photo_that_was_not_fitted(
    member, fitted, portrait, portrait_face, album
):
    judge = get_recognizer("tight-judge")
    mask = fitted.mask_
    # The same mask upside down: as large, as smooth, and of no use.
    down = replace(
        mask,
        deltas=np.ascontiguousarray(mask.deltas[:, :, ::-1]),
        flows=np.ascontiguousarray(mask.flows[:, :, ::-1]),
    )
    worn, control = (put_on(portrait, [portrait_face], one, member=member) for one in (mask, down))
    assert psnr(portrait, control) == pytest.approx(psnr(portrait, worn), abs=2.5)
    hidden = judged(judge, portrait, portrait_face, worn)[0]
    noisy = judged(judge, portrait, portrait_face, control)[0]
    assert hidden < noisy - 0.1
    assert hidden < 0.8
    # and the same to other pictures of the person
    rows = judge.embed([worn, control], [portrait_face] * 2)
    others = judge.embed(album, [find_faces(view)[0] for view in album])
    far, near = similarity_matrix(rows, others)
    assert (far < near - 0.02).all()
    assert far.mean() < near.mean() - 0.08


def test_members_lead_to_different_places(fitted, portrait, portrait_face):
    first, second = (
        put_on(portrait, [portrait_face], fitted.mask_, member=member) for member in (0, 1)
    )
    known = get_surrogate("tight-ms1m")
    apart, bare = judged(known, first, portrait_face, second, portrait)
    # Photos with the two masks are less alike than one with a mask and one without.
    assert apart < bare - 0.05


def test_rivals_are_kept_away_from(album):
    faces = [find_faces(photo)[0] for photo in album]
    team = [get_surrogate("tight-ms1m")]
    problem = Chameleon(**TINY).problem(album, faces, team)
    method = CrossImage(steps=3, batch=3, seed=0)
    first = method.run(problem)
    rows = led(problem, first)
    alone = led(problem, replace(method, seed=1).run(problem))
    apart = led(problem, replace(method, seed=1, rivals=[rows[None]], apart=2.0).run(problem))
    assert float((apart - rows).square().sum()) > float((alone - rows).square().sum()) + 0.1


def led(problem, answer):
    with torch.no_grad():
        images = problem.render(answer)
        rows = problem.ensemble.embed(
            problem.canvas, images, CrossImage(steps=1).diversity, 1, torch.Generator()
        )
    return rows[0][:, 0].mean(dim=0)


def test_a_strict_aim_is_seen_less(album):
    faces = [find_faces(photo)[0] for photo in album]
    mine = Chameleon(**{**TINY, "epsilon": 16.0, "perceptual": False, "warp": 0.0})
    problem = mine.problem(album, faces, [get_surrogate("tight-ms1m")])
    seen = [
        float(dissimilarity(problem, problem.render(method.run(problem))))
        for method in (
            CrossImage(steps=4, batch=2, dssim=aim, strictness=100.0) for aim in (0.002, 0.4)
        )
    ]
    assert 0 < seen[0] < 0.8 * seen[1]


def test_every_photo_has_its_turn(album):
    class Recording(CrossImage):
        drawn: list = []  # noqa: RUF012  as long as the test

        def _draw(self, state, count, generator):
            numbers = super()._draw(state, count, generator)
            self.drawn.append(numbers.tolist())
            return numbers

    faces = [find_faces(photo)[0] for photo in album]
    problem = Chameleon(**TINY).problem(album, faces, [get_surrogate("tight-ms1m")])
    Recording(steps=3, batch=1).run(problem)
    assert sorted(chain.from_iterable(Recording.drawn)) == [0, 1, 2]
    Recording.drawn.clear()
    Recording(steps=3, batch=2).run(problem)
    assert [len(numbers) for numbers in Recording.drawn] == [2, 2, 2]
    assert sorted(chain.from_iterable(Recording.drawn)) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("weight", [0.25, 1.0, 4.0])
def test_lambda_follows_the_paper(weight):
    # arXiv 2407.13975: halves up to 0.9 of the aim, doubles from 1.1 of it, 1 in between.
    assert reweighed(weight, 0.0, 0.03) == weight / 2
    assert reweighed(weight, 0.0269, 0.03) == weight / 2
    assert reweighed(weight, 0.0271, 0.03) == 1
    assert reweighed(weight, 0.03, 0.03) == 1
    assert reweighed(weight, 0.0329, 0.03) == 1
    assert reweighed(weight, 0.0331, 0.03) == 2 * weight
    assert reweighed(weight, 1.0, 0.03) == 2 * weight


def test_lambda_stays_within_reason():
    low = high = 1.0
    for _ in range(40):
        low, high = reweighed(low, 0.0, 0.03), reweighed(high, 1.0, 0.03)
    assert 1 / 129 <= low < 1 / 64
    assert 64 < high <= 129


@pytest.mark.parametrize("size", [0, 4, 16])
def test_dissimilarity_against_scikit_image(size, portrait, portrait_face):
    problem = Chameleon(**TINY).problem([portrait], [portrait_face], [get_surrogate("tight-ms1m")])
    before = problem.canvas.images
    noise = torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    images = (before + size * noise).clamp(0, 255)
    _, shares = structural_similarity(
        before[0].numpy(), images[0].numpy(), channel_axis=0, data_range=255, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    side = before.shape[-1]
    faces = warp(problem.faces, problem.maps, (side, side))[0, 0].numpy()
    expected = (1 - np.average(shares.mean(axis=0), weights=faces)) / 2
    assert float(dissimilarity(problem, images)) == pytest.approx(expected, abs=1e-3)
    assert (expected > 0.01) == (size > 0)


def test_dissimilarity_is_of_faces_and_has_a_gradient(portrait, portrait_face):
    problem = Chameleon(**TINY).problem([portrait], [portrait_face], [get_surrogate("tight-ms1m")])
    images = problem.canvas.images.clone()
    images[..., :8, :] = 0  # hair, far from the face
    assert float(dissimilarity(problem, images)) < 1e-3
    middle = images.shape[-1] // 2
    images[..., middle : middle + 12, middle : middle + 12] += 20
    images.requires_grad_(True)
    value = dissimilarity(problem, images)
    (gradient,) = torch.autograd.grad(value, images)
    assert float(value.detach()) > 1e-3
    assert bool(gradient.isfinite().all())
    assert float(gradient.abs().max()) > 0


def test_grey_photos_get_a_grey_mask_and_stay_grey(album, portrait):
    grey = [np.repeat(photo[..., 1:2], 3, axis=2) for photo in album[:2]]
    mine = Chameleon(**TINY).fit(grey)
    np.testing.assert_array_equal(mine.mask_.deltas[:, 0], mine.mask_.deltas[:, 2])
    coloured = Chameleon(**TINY).fit(album[:2])
    photo = np.repeat(portrait[..., 1:2], 3, axis=2)
    worn = coloured.transform(photo)
    assert is_grey(worn)
    assert (worn != photo).any()
    assert is_grey(coloured.inverse_transform(worn))


# Who wears it


def test_only_the_owner_wears_the_mask(fitted, portrait, hopper):
    photo = np.full((600, 800, 3), 128, np.uint8)
    photo[:, :512] = hopper
    photo[:256, 530:786] = portrait
    worn = fitted.transform(photo)
    np.testing.assert_array_equal(worn[:, :512], photo[:, :512])
    assert (worn[:256, 530:786] != photo[:256, 530:786]).mean() > 0.1
    back = fitted.inverse_transform(worn)
    np.testing.assert_array_equal(back[:, :512], photo[:, :512])
    assert psnr(photo, back) > psnr(photo, worn) + 6


@pytest.mark.parametrize("epsilon", [2.0, 8.0, 16.0])
@pytest.mark.parametrize("perceptual", [True, False])
def test_what_may_be_seen_follows_epsilon(epsilon, perceptual, fitted):
    one = Chameleon(epsilon=epsilon, perceptual=perceptual, warp=0.0)
    facts = replace(fitted.mask_.facts, epsilon=epsilon, perceptual=perceptual)
    assert one.budget().peak == pytest.approx(facts.peak)
    assert one.aim == pytest.approx(0.042 * epsilon / 8)
    assert Chameleon(epsilon=epsilon, dssim=0.02).aim == 0.02


def test_a_stranger_is_refused(fitted, hopper):
    small = np.asarray(Image.fromarray(hopper).reduce(2))
    with pytest.raises(NoFaceError, match="the owner of the mask is not in this photo"):
        fitted.transform(small)
    with pytest.raises(NoFaceError, match="no face in this photo wears the mask"):
        fitted.inverse_transform(small)


def test_photos_get_members_by_their_content(fitted, portrait, portrait_face):
    at = member_for(fitted.mask_, portrait)
    expected = put_on(portrait, [portrait_face], fitted.mask_, member=at)
    np.testing.assert_array_equal(fitted.transform(portrait), expected)
    (found,) = find_mask(expected, find_faces(expected), fitted.mask_)
    assert found.member == at


def test_bare_photos_of_the_owner_wear_nothing(fitted, portrait, album):
    for photo in (portrait, *album):
        assert find_mask(photo, find_faces(photo), fitted.mask_) == []


def test_one_photo_needs_no_list(portrait):
    by_array, by_list = (Chameleon(**TINY).fit(photos).mask_ for photos in (portrait, [portrait]))
    np.testing.assert_array_equal(by_array.deltas, by_list.deltas)
    assert by_array.facts.photos == 1


# What cannot be


def test_impossible_albums(portrait, hopper, tmp_path: Path):
    tan = np.full((200, 200, 3), 180, np.uint8)
    small = np.asarray(Image.fromarray(hopper).reduce(2))
    for photos, error, words in (
        ([], UsageError, "one photo at least"),
        ([tan], NoFaceError, "^photo 1: no face was found"),
        ([portrait, tan], NoFaceError, "^photo 2: no face was found"),
        ([portrait, small], UsageError, "does not look like the person"),
        ([tmp_path / "none.jpg"], MediaError, "no such file"),
    ):
        mine = Chameleon(**TINY)
        with pytest.raises(error, match=words):
            mine.fit(photos)
        assert not hasattr(mine, "mask_")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"warp": 50.0}, "warp"),
        ({"warp": -1.0}, "warp"),
        ({"members": 0}, "1 to 64 members"),
        ({"steps": 0}, "steps"),
        ({"batch": 0}, "a batch of 0"),
        ({"region": "tail"}, "unknown region"),
    ],
    ids=str,
)
def test_impossible_parameters(change, words, portrait):
    with pytest.raises(UsageError, match=words):
        Chameleon(**{**TINY, **change}).fit([portrait])


@pytest.mark.parametrize("change", [{"epsilon": 65.0}, {"members": 65}], ids=str)
def test_what_no_key_holds_is_said_before_the_work(change, portrait):
    shares: list[float] = []
    with pytest.raises(UsageError, match="64"):
        Chameleon(**{**TINY, "steps": 1, **change}).fit([portrait], progress=shares.append)
    assert shares == []
