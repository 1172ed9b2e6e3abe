"""FaceCloak: one photo is enough, each part does what it says, and all share one budget."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from bauta.audit.metrics import largest_change
from bauta.cli.app import app
from bauta.engine.ensemble import Ensemble, distances
from bauta.engine.transforms import NONE
from bauta.errors import BautaError, RegistryError, UsageError
from bauta.faces.detect import find_faces
from bauta.faces.regions import region_mask
from bauta.keys.mask import mask_from_bytes
from bauta.masks.wearing import put_on
from bauta.methods.anchors import nearest_and_farthest
from bauta.methods.chameleon import Chameleon, led_to
from bauta.methods.cloaking import Cloaking, CloakProblem, detail_map, fine_part
from bauta.methods.facecloak import FEATURES, FaceCloak
from bauta.methods.personal import personal_methods
from bauta.recognizers.zoo import default_surrogates, get_surrogate
from tests.engine.make import toy
from tests.faces.make import face_at, noise

#: One light recognizer, and hardly a second a fit.
QUICK: dict[str, Any] = {
    "surrogates": ["tight-ms1m"], "steps": 4, "members": 1, "batch": 2, "views": 2,
}  # fmt: skip
#: Every part, by what switches it off.
PARTS = {
    "views": {"views": 0}, "attention": {"attention": False}, "emphasis": {"emphasis": False},
    "high pass": {"highpass": 0.0}, "near anchor": {"near": 0.0}, "far anchor": {"far": 0.0},
}  # fmt: skip
#: Every part, on.
ON: dict[str, Any] = {
    **QUICK, "attention": True, "emphasis": True, "highpass": 0.5, "near": 0.25, "far": 0.25,
}  # fmt: skip


@pytest.fixture(scope="module")
def face(collins, collins_face):
    return [collins], [collins_face]


@pytest.fixture(scope="module")
def full(face):
    return FaceCloak(**ON).fit_faces(*face)


@pytest.fixture(scope="module")
def album(face):
    """The problem of the quick estimator with all parts."""
    mine = FaceCloak(**ON)
    return mine.problem(*mine.album(*face), [get_surrogate("tight-ms1m")])


def toy_problem(**known):
    """Four faces of noise, seen by a recognizer that looks at the middle of the frame."""
    photos = [noise(90, 100, seed) for seed in range(4)]
    faces = [face_at(48 + i, 45, 70 + 3 * i, 10 * i) for i in range(4)]
    plain = Chameleon(warp=0.0, perceptual=known.pop("perceptual", True))
    return CloakProblem.of(plain.problem(photos, faces, [toy()]), **known)


def unit(count, size, seed):
    """Random embeddings of length 1."""
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows)


def optimise(problem, **options):
    method = Cloaking(**{"steps": 12, "diversity": NONE, "highpass": 0.0, "near": 0.0, "far": 0.0,
                         "attention": False, **options})  # fmt: skip
    return method.run(problem)


def test_it_is_registered_under_its_name():
    assert personal_methods["facecloak"] is FaceCloak
    assert eval(repr(FaceCloak(views=3))) == FaceCloak(views=3)


def test_a_mask_is_like_chameleons(full, collins):
    facts = full.facts
    assert (facts.method, facts.photos, facts.surrogates) == ("facecloak", 1, ("tight-ms1m",))
    assert full.deltas.shape == (1, 3, 224, 224)
    assert full.flows.shape == (1, 2, 16, 16)
    # The owner is known by the photo and both views.
    assert {rows.shape for rows in full.owner.values()} == {(3, 128)}


def test_the_owner_is_led_away(full, collins, collins_face):
    """On a picture that it was not fitted on."""
    mirrored = np.ascontiguousarray(collins[:, ::-1])
    mine = FaceCloak(**ON)
    mine.mask_ = full
    hidden = mine.transform(mirrored)
    judge = get_surrogate("tight-ms1m")
    (own,) = judge.embed([collins], [collins_face])
    face = find_faces(mirrored)[0]
    before, after = judge.embed([mirrored, hidden], [face, face])
    assert float(own @ after) < float(own @ before) - 0.25
    again = mine.inverse_transform(hidden)
    assert (
        np.abs(again.astype(int) - mirrored).mean()
        < np.abs(hidden.astype(int) - mirrored).mean() / 3
    )


@pytest.mark.parametrize("part", PARTS)
def test_each_part_makes_a_difference(part, face, full):
    without = FaceCloak(**{**ON, **PARTS[part]}).fit_faces(*face)
    assert float(np.abs(without.deltas.astype(np.float32) - full.deltas).max()) > 1


def test_with_all_parts_off_it_is_chameleon(face):
    off = {name: value for part in PARTS.values() for name, value in part.items()}
    plain = {name: value for name, value in QUICK.items() if name != "views"}
    mask = FaceCloak(**{**QUICK, **off}).fit_faces(*face)
    other = Chameleon(**plain).fit_faces(*face)
    np.testing.assert_allclose(mask.deltas.astype(float), other.deltas, atol=0.02)
    np.testing.assert_allclose(mask.flows.astype(float), other.flows, atol=1e-5)


@pytest.mark.parametrize("epsilon", [2.0, 8.0])
@pytest.mark.parametrize("perceptual", [True, False])
def test_written_pixels_keep_the_budget_with_every_part_on(epsilon, perceptual, face):
    options = {**ON, "epsilon": epsilon, "perceptual": perceptual, "warp": 0.0, "dssim": 0.5}
    mask = FaceCloak(**options).fit_faces(*face)
    (photo,), (whose,) = face
    hidden = put_on(photo, [whose], mask)
    assert 1 <= largest_change(photo, hidden) <= mask.facts.peak
    units = mask.deltas.astype(np.float64) / mask.facts.peak * (2 if perceptual else 1)
    if perceptual:
        # What emphasis and attention give to one place they take from another.
        assert 0.35 < np.sqrt(np.square(units).mean()) <= 0.5005
    else:
        assert np.abs(units).max() <= 1.001


def test_the_start_is_weaker_where_little_leaks(album):
    _, start = album.parts(album.start(1.0, torch.Generator().manual_seed(1)))
    assert float(start.abs().max()) > 4
    assert bool((start.abs() <= album.limits * album.strength + 1e-4).all())


def test_no_limit_is_lowered_where_little_leaks():
    """Peaks are what protects most: emphasis takes from the mean there, not from them."""
    half = optimise(toy_problem(strength=torch.full((1, 1, 224, 224), 0.5)), steps=30)
    whole = optimise(toy_problem(), steps=30)
    assert float(half.abs().max()) > 0.9 * float(whole.abs().max()) > 8


def test_strength_is_where_identity_leaks_and_on_the_features(face, album):
    mine = FaceCloak(floor=0.4, patches=0.5)
    leaks = torch.rand(1, 1, 32, 32)
    features = torch.zeros(1, 1, 32, 32)
    features[..., 8:16, 8:24] = 1
    strength = mine.strength(leaks, features)
    assert float(strength.min()) >= 0.4
    assert float(strength.max()) <= 1
    away = features == 0
    torch.testing.assert_close(strength[away], 0.4 + 0.6 * leaks[away])
    assert bool((strength[~away] > 0.4 + 0.6 * leaks[~away]).all())
    on = region_mask(face[1][0], FEATURES)[0] > 0.9
    border = album.masks[0, 0] < 0.5
    assert float(album.strength[0, 0][on].mean()) > 1.2 * float(album.strength[0, 0][border].mean())


def test_emphasis_moves_the_budget_and_adds_none():
    strength = torch.full((1, 1, 224, 224), 0.2)
    strength[..., 80:140, :] = 1
    plain, moved = optimise(toy_problem()), optimise(toy_problem(strength=strength))

    def inside(delta):
        return float(delta[..., 80:140, :].square().sum() / delta.square().sum())

    assert inside(moved) > inside(plain) + 0.2
    assert float(moved.square().mean()) <= 1.001 * (0.5 * 12) ** 2


def test_attention_opens_where_the_recognizer_looks():
    problem = toy_problem()
    method = Cloaking(steps=12, diversity=NONE, highpass=0.0)
    generator = torch.Generator().manual_seed(0)
    state: Any = method.initial(problem, generator)
    for _ in range(method.steps):
        with torch.no_grad():
            method.advance(problem, state, method.direction(problem, state, generator))
    attention = state.map
    assert attention.shape == (1, 1, 224, 224)
    assert 0 <= float(attention.min()) <= float(attention.max()) <= 1
    # The toy looks at 0.2 to 0.8 of the frame.
    looked = attention[..., 60:164, 60:164].mean()
    assert float(looked) > 1.1 * float(attention[..., :34, :].mean())
    # Smooth: of a grid of 14 points.
    assert float(attention.diff(dim=3).abs().max()) < 0.1
    assert bool((state.delta.abs() <= problem.limits + 1e-3).all())
    assert float((state.delta / 12).square().mean().sqrt()) <= 0.5005


def test_high_pass_favours_fine_parts_where_the_face_is_fine():
    detail = torch.zeros(1, 1, 224, 224)
    detail[..., :112] = 1
    plain = optimise(toy_problem(detail=detail))
    sharp = optimise(toy_problem(detail=detail), highpass=4.0)

    def fineness(delta, half):
        part = delta[..., half]
        return float(fine_part(part).square().sum() / part.square().sum())

    left, right = slice(0, 112), slice(112, 224)
    assert fineness(sharp, left) > fineness(plain, left) + 0.02
    assert fineness(sharp, left) > fineness(sharp, right) + 0.02


def test_detail_is_found_where_it_is():
    photo = np.full((200, 200, 3), 128, np.uint8)
    photo[:, :100] = noise(200, 100)
    album = Chameleon().problem([photo], [face_at(100, 100, 180)], [toy()])
    detail = detail_map(album)
    assert float(detail.min()) >= 0
    assert float(detail.max()) <= 1
    assert float(detail[..., 40:180, 40:100].mean()) > 10 * float(
        detail[..., 40:180, 125:180].mean()
    )


@pytest.mark.parametrize(("anchor", "sign"), [("near", 1), ("far", -1)])
def test_anchors_push_and_pull(anchor, sign):
    row = torch.nn.functional.normalize(
        torch.randn(1, 16, generator=torch.Generator().manual_seed(3))
    )
    problem = toy_problem(**{anchor: [row]})

    def away(weight):
        (led,) = led_to(problem, optimise(problem, **{anchor: weight}))
        return float(distances(led[None, None], row, problem.ensemble.scales[0]))

    assert sign * away(3.0) > sign * away(0.0) + 0.02


def test_anchors_are_like_the_person_and_unlike(album):
    ensemble = Ensemble([get_surrogate(name) for name in default_surrogates("balanced")])
    generator = torch.Generator().manual_seed(0)
    own = [
        torch.nn.functional.normalize(torch.randn(3, 128, generator=generator)) for _ in range(3)
    ]
    near, far = nearest_and_farthest(ensemble, own)
    assert [row.shape for row in near] == [row.shape for row in far] == [(1, 128)] * 3
    gap = [
        (o.mean(0) - f).square().sum() - (o.mean(0) - n).square().sum()
        for n, f, o in zip(near, far, own, strict=True)
    ]
    assert float(torch.stack(gap).mean()) > 0.2
    # Collins' are at the usual distance of strangers, or farther.
    (mine,), (near_row,), (far_row,) = album.own, album.near, album.far
    similar = [float(1 - (row - mine.mean(0)).square().sum() / 2) for row in (near_row, far_row)]
    assert 0.1 < similar[0] < 0.6
    assert similar[1] < 0


def test_users_own_surrogates_do_without_anchors():
    assert nearest_and_farthest(Ensemble([toy()]), [torch.rand(2, 16)]) == ([], [])


def test_the_seed_decides(face, full):
    again = FaceCloak(**ON).fit_faces(*face)
    np.testing.assert_array_equal(again.deltas, full.deltas)
    np.testing.assert_array_equal(again.flows, full.flows)
    assert again.secret != full.secret
    other = FaceCloak(**ON, seed=1).fit_faces(*face)
    assert float(np.abs(other.deltas.astype(np.float32) - full.deltas).max()) > 1


def test_the_key_comes_back_as_it_was(full, collins, collins_face):
    back = mask_from_bytes(full.to_bytes("word"), "word")
    assert back.facts == full.facts
    np.testing.assert_array_equal(
        put_on(collins, [collins_face], back), put_on(collins, [collins_face], full)
    )


def test_several_photos_of_different_sizes_each_get_views(collins):
    small = np.asarray(Image.fromarray(collins[:300, 80:370]).reduce(2))
    mask = FaceCloak(**ON).fit([collins, small]).mask_
    assert mask.facts.photos == 2
    assert {len(rows) for rows in mask.owner.values()} == {6}


def test_a_grey_photo_gets_grey_views_and_a_grey_mask(collins, collins_face):
    grey = np.repeat(collins.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    mask = FaceCloak(**ON).fit_faces([grey], [collins_face])
    assert float(np.ptp(mask.deltas.astype(np.float32), axis=1).max()) < 0.02
    hidden = put_on(grey, [collins_face], mask, grey=True)
    assert int(np.ptp(hidden, axis=2).max()) == 0


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"views": -1}, UsageError),
        ({"floor": 1.5}, UsageError),
        ({"patches": -0.1}, UsageError),
        ({"far": -1}, UsageError),
        ({"engine": "mirrors"}, RegistryError),
        ({"engine": "arc2face"}, BautaError),
    ],
)
def test_what_cannot_be_is_said(wrong, error, face):
    with pytest.raises(error):
        FaceCloak(**{**QUICK, **wrong}).fit_faces(*face)


def test_the_command_fits_on_one_photo_and_its_key_works(tmp_path, collins):
    photo, key = tmp_path / "me.jpg", tmp_path / "me.mask"
    Image.fromarray(collins).save(photo, quality=92)

    def bauta(*words):
        result = CliRunner().invoke(app, ["mask", *map(str, words), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    told = bauta(
        "fit", photo, "-o", key, "--method", "facecloak", "--engine", "embedded", "--views", 1,
        "--surrogate", "tight-ms1m", "--steps", 3, "--members", 1,
    )  # fmt: skip
    assert (told["method"], told["photos"], told["members"]) == ("facecloak", 1, 1)
    assert bauta("show", key)["surrogates"] == ["tight-ms1m"]
    (worn,) = bauta("apply", key, photo)["photos"]
    (bare,) = bauta("remove", key, worn["written"])["photos"]
    assert bare["chosen"] == [1]
    refused = CliRunner().invoke(
        app, ["mask", "fit", str(photo), "-o", str(key) + "2", "--views", "1"]
    )
    assert refused.exit_code == 2
