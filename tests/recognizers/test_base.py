"""Adapters: crops, similarity, batches, and which recognizers there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bauta.engine.transforms import Jitter
from bauta.errors import RegistryError, UsageError
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import about_centre, apply, compose, compose_maps, invert
from bauta.recognizers import zoo
from bauta.recognizers.base import (
    affine_crop,
    crop_from_template,
    similarity,
    similarity_matrix,
)
from bauta.recognizers.crops import ARCFACE_TEMPLATE
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.settings import PRESETS
from tests.faces.make import face_at, noise

VECTORS = arrays(np.float64, (3, 5), elements=st.floats(-4, 4))


@given(VECTORS, VECTORS)
def test_similarity_is_one_minus_half_the_squared_distance(a, b):
    matrix = similarity_matrix(a, b)
    for i in range(3):
        direct = 1 - np.linalg.norm(a[i] - b, axis=1) ** 2 / 2
        np.testing.assert_allclose(matrix[i], direct, atol=1e-9)
    rows = similarity(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(rows, np.diag(matrix), atol=1e-9)


def test_for_unit_vectors_it_is_the_cosine():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(2, 7)) for _ in range(2))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    np.testing.assert_allclose(similarity_matrix(a, b), a @ b.T)
    assert float(similarity(torch.tensor([0.6]), torch.tensor([0.0]))) == pytest.approx(0.82)


def test_a_crop_puts_landmarks_at_its_template():
    template = np.array([[30.0, 30.0], [80.0, 32.0], [55.0, 85.0]])
    in_frame = np.array([[0.4, 0.4], [0.6, 0.41], [0.5, 0.62]])
    exact = apply(invert(affine_crop(100, (0.3, 0.3), 0.4).to_frame), in_frame)
    crop = crop_from_template(100, exact, in_frame)
    np.testing.assert_allclose(apply(crop.from_frame, in_frame), exact, atol=1e-9)
    fitted = crop_from_template(100, template, in_frame)
    off = apply(fitted.from_frame, in_frame) - template
    assert np.abs(off).max() < 12


def test_mobilefacenets_crop_is_arcfaces(monkeypatch):
    crop = crop_from_template(112, ARCFACE_TEMPLATE, face_frame("yunet5"))
    assert np.abs(apply(crop.from_frame, face_frame("yunet5")) - ARCFACE_TEMPLATE).max() < 4


def face_frame(scheme):
    face = face_at(0.5, 0.5, 1.0, scheme=scheme)
    return face.landmarks.astype(np.float64)


def test_crops_show_the_face_however_the_photo_is_turned():
    """One picture under two frames: the crops are the same."""
    ys, xs = np.mgrid[:240, :240]
    smooth = 128 + 60 * np.sin(xs / 17) + 60 * np.cos(ys / 23)
    photo = np.repeat(smooth[:, :, None], 3, axis=2).astype(np.uint8)
    crop = affine_crop(64, (0.2, 0.2), 0.6)
    straight, turned = face_at(120, 119, 150), face_at(120, 120, 150, -90)
    # np.rot90 takes (x, y) to (y, W - 1 - x), a turn by -90 degrees.
    photos = [photo, np.ascontiguousarray(np.rot90(photo))]
    canvas = cut_canvas(photos, [straight, face_at(119, 119, 150, -90)])
    a, b = crop.take(canvas, canvas.images)
    del turned
    assert float((a - b).abs().max()) < 0.1


def test_variants_and_jitter():
    canvas = cut_canvas([noise(90, 90, 1), noise(90, 90, 2)], [face_at(45, 45, 80)] * 2)
    crop = affine_crop(32, (0.25, 0.25), 0.5)
    plain = crop.take(canvas, canvas.images)
    many = canvas.images.repeat_interleave(3, dim=0)
    still = Jitter(scale=1, rotation=0, shift=0).draw(3, torch.Generator()).repeat(2, 1, 1)
    unmoved = crop.take(canvas, many, still)
    torch.testing.assert_close(unmoved, plain.repeat_interleave(3, dim=0), rtol=0, atol=0.02)
    shift = torch.tensor([[[1.0, 0, 4 / 32], [0, 1.0, 0]]]).repeat(2, 1, 1)
    moved = crop.take(canvas, canvas.images, shift)
    torch.testing.assert_close(moved[..., :-4], plain[..., 4:], rtol=0, atol=0.02)


def test_jitter_turns_about_the_crops_centre():
    turn = torch.tensor([[[0.0, -1.5, 0], [1.5, 0.0, 0]]], dtype=torch.float64)
    fixed = apply(about_centre(turn, 33)[0].numpy(), np.array([[16.0, 16.0], [17.0, 16.0]]))
    np.testing.assert_allclose(fixed, [[16, 16], [16, 17.5]])


@given(arrays(np.float64, (2, 2, 3), elements=st.floats(-9, 9)))
def test_batched_composition_is_composition(maps):
    batched = compose_maps(*torch.from_numpy(maps)[:, None])[0].numpy()
    np.testing.assert_allclose(batched, compose(*maps), atol=1e-9)


def test_batches_do_not_matter(collins, collins_face, hopper, hopper_face):
    dlib = get_surrogate("dlib")
    photos, faces = [collins, hopper], [collins_face, hopper_face]
    both = dlib.embed(photos, faces)
    alone = np.concatenate([dlib.embed([p], [f]) for p, f in zip(photos, faces, strict=True)])
    # Measured: 3e-6, from the canvas' padding.
    np.testing.assert_allclose(both, alone, atol=5e-5)
    assert dlib.embed([], []).shape[0] == 0
    a, b = similarity_matrix(both, both)[0]
    assert a == 1
    assert b < dlib.threshold


def test_a_surrogate_needs_gradients():
    with pytest.raises(UsageError, match="no gradients"):
        get_surrogate("dlib-native")
    with pytest.raises(RegistryError, match=r"did you mean .*dlib"):
        get_recognizer("dlibb")


def test_judges_that_share_weights_say_so():
    assert get_recognizer("dlib").network_id == get_recognizer("dlib-native").network_id
    assert get_recognizer("dlib") is get_recognizer("dlib")


def test_without_thresholds_the_message_names_the_command():
    class Unknown(type(get_recognizer("dlib-native"))):
        name = "unheard-of"

    with pytest.raises(UsageError, match="bauta recognizers evaluate unheard-of"):
        _ = Unknown().threshold


@pytest.mark.parametrize("preset", PRESETS)
def test_default_surrogates_do_not_judge(preset: str):
    team = zoo.default_surrogates(preset)
    others = ["tight-dlib"] if preset == "fast" else ["tight-ms1m", "loose-ms1m"]
    assert team == ["loose-dlib", *others]
    judges = zoo.default_judges()
    assert "dlib-native" in judges
    assert not set(team) & set(judges)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_built_in_judge_is_kin_of_no_default_surrogate(preset: str):
    assert zoo.BUILT_IN_JUDGE in zoo.default_judges()
    judge = get_recognizer(zoo.BUILT_IN_JUDGE).lineage
    assert judge == {zoo.BUILT_IN_JUDGE, "faceplugin"}
    for name in zoo.default_surrogates(preset):
        assert judge.isdisjoint(get_recognizer(name).lineage)


def test_what_is_fetched_only_judges(monkeypatch: pytest.MonkeyPatch):
    here = ["dlib", "dlib-native", "loose-dlib", "mobilefacenet-ms1m", "tight-judge"]
    monkeypatch.setattr(zoo, "installed", lambda: here)
    assert zoo.default_judges() == ["dlib-native", "mobilefacenet-ms1m", "tight-judge"]
    for preset in PRESETS:
        assert "mobilefacenet-ms1m" not in zoo.default_surrogates(preset)


def test_without_the_shipped_networks_dlib_is_the_surrogate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zoo, "installed", lambda: ["dlib-native"])
    assert zoo.default_surrogates("balanced") == ["dlib"]


def test_without_its_file_a_recognizer_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr("bauta.weights.records.data_folder", lambda: tmp_path)
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path))
    assert "mobilefacenet-ms1m" not in zoo.installed()
    assert "mobilefacenet-ms1m" in zoo.recognizers.names()


def test_lineage_goes_down_to_the_first_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {
        "copy": {"recipe": {"teachers": ["dlib", "mobilefacenet-ms1m"]}},
        "copy-of-copy": {"recipe": {"teachers": ["copy"], "start": ""}},
        "grown": {"recipe": {"teachers": [], "start": "dlib"}},
    }
    monkeypatch.setattr(zoo, "shipped_names", lambda: list(cards))
    monkeypatch.setattr(zoo, "locate", lambda name: Path(f"{name}.safetensors"))
    monkeypatch.setattr(zoo, "read_card", lambda path: cards[path.stem])
    assert zoo.lineage_of("dlib-native") == {"dlib-resnet"}
    assert zoo.lineage_of("copy") == {"copy", "dlib-resnet", "mobilefacenet-ms1m"}
    assert zoo.lineage_of("copy-of-copy") == {"copy-of-copy"} | zoo.lineage_of("copy")
    assert zoo.lineage_of("grown") == {"grown", "dlib-resnet"}
    assert get_recognizer("dlib").lineage == {"dlib-resnet"}
