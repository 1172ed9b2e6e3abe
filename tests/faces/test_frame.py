"""From photo to canvas and back: nothing changes that may not, and both renderings agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.faces.frame import CANVAS_FRAME_SIDE, FRAME_SIZE, cut_canvas, render
from bauta.faces.geometry import apply, invert
from bauta.faces.rendering import render_into_photo
from tests.faces.make import face_at, moved, noise

SIZE = 64
MASK = torch.ones(1, 1, SIZE, SIZE)


def deltas(count: int, size: float = 8.0, seed: int = 0, side: int = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(count, 3, side, side, generator=generator) - 1) * size


def change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.abs(after.astype(np.int16) - before)


def outside(face: Face, shape: tuple[int, ...], margin: float) -> NDArray[np.bool_]:
    """Pixels that lie more than ``margin`` (in frame sides) outside the face's frame."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    unit = apply(invert(face.frame), np.stack([xs.ravel(), ys.ravel()], axis=1).astype(float))
    out = (unit < -margin) | (unit > 1 + margin)
    return out.any(axis=1).reshape(shape[:2])


@st.composite
def scenes(draw):
    """A photo and up to four faces on it, over its border, or wholly outside."""
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    place, side = st.floats(-60, 150), st.floats(8, 160)
    faces = draw(st.lists(st.builds(face_at, place, place, side, st.floats(-180, 180)), max_size=4))
    return noise(height, width, draw(st.integers(0, 99))), faces


@settings(max_examples=40)
@given(scenes())
def test_a_zero_perturbation_changes_nothing(scene):
    pixels, faces = scene
    zero = torch.zeros(len(faces), 3, SIZE, SIZE)
    out = render_into_photo(pixels, faces, zero, MASK, limit=8)
    np.testing.assert_array_equal(out, pixels)
    assert not np.shares_memory(out, pixels)


@settings(max_examples=40)
@given(scenes(), st.integers(1, 12))
def test_no_sample_changes_by_more_than_the_limit_nor_outside_all_frames(scene, limit):
    pixels, faces = scene
    before = pixels.copy()
    some = deltas(len(faces), 40)
    out = render_into_photo(pixels, faces, some, MASK, limit=limit)
    np.testing.assert_array_equal(pixels, before)
    assert change(pixels, out).max(initial=0) <= limit
    # A bilinear sample reaches half a pixel of the frame beyond its edge, a cubic one 1.5.
    beyond = np.ones(pixels.shape[:2], dtype=bool)
    for face in faces:
        beyond &= outside(face, pixels.shape, 2 / SIZE)
    assert not change(pixels, out)[beyond].any()


def test_a_limit_between_two_grey_levels_holds_after_rounding():
    pixels = np.full((60, 60, 3), 128, dtype=np.uint8)
    high = torch.full((1, 3, SIZE, SIZE), 20.0)
    out = render_into_photo(pixels, [face_at(30, 30, 50)], high, MASK, limit=8.6)
    assert change(pixels, out).max() <= 8.6


def turned(pixels: NDArray[np.uint8], how: str) -> NDArray[np.uint8]:
    kind, _, amount = how.partition(" ")
    if kind == "quarter":
        return np.ascontiguousarray(np.rot90(pixels, int(amount)))
    return np.asarray(Image.fromarray(pixels).rotate(int(amount), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("how", ["quarter 0", "quarter 1", "quarter 2", "quarter 3", "roll 12"])
def test_real_faces_however_turned(collins: NDArray[np.uint8], how: str):
    photo = turned(collins, how)
    (face,) = find_faces(photo)
    same = render_into_photo(photo, [face], torch.zeros(1, 3, SIZE, SIZE), MASK, limit=8)
    np.testing.assert_array_equal(same, photo)
    out = render_into_photo(photo, [face], deltas(1), MASK, limit=8)
    changed = change(photo, out)
    far = outside(face, photo.shape, 2 / SIZE)
    near = ~outside(face, photo.shape, -2 / SIZE)
    assert not changed[far].any()
    assert changed[near].any(axis=1).mean() > 0.9


def test_a_face_cut_by_the_border(collins: NDArray[np.uint8], collins_face: Face):
    """Cutting the photo changes nothing about the part that is left."""
    whole = render_into_photo(collins, [collins_face], deltas(1), MASK, limit=8)
    part = np.ascontiguousarray(collins[100:, 220:])
    cut = render_into_photo(part, [moved(collins_face, -220, -100)], deltas(1), MASK, limit=8)
    difference = change(whole[100:, 220:], cut)
    # Shifted landmarks round differently, so a few sums fall on the other side of a half.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    assert change(part, cut).any()


def test_where_faces_overlap_the_sum_counts_and_is_limited():
    pixels = np.full((120, 160, 3), 128, dtype=np.uint8)
    # Left and right touch only the middle one, which is added last: all three form one group.
    faces = [face_at(50, 60, 50), face_at(110, 60, 50), face_at(80, 60, 60)]
    up = torch.full((3, 3, SIZE, SIZE), 5.0)
    out = render_into_photo(pixels, faces, up, MASK, limit=8).astype(int) - 128
    assert out[60, [62, 98, 80, 30], 0].tolist() == [8, 8, 5, 5]
    up[2] = -5.0
    opposed = render_into_photo(pixels, faces, up, MASK, limit=8).astype(int) - 128
    assert opposed[60, [62, 98, 80], 0].tolist() == [0, 0, -5]
    other_way = render_into_photo(pixels, faces[::-1], up.flip(0), MASK, limit=8)
    np.testing.assert_array_equal(other_way.astype(int) - 128, opposed)


def test_each_face_has_its_own_mask():
    pixels = np.full((60, 130, 3), 128, dtype=np.uint8)
    faces = [face_at(30, 30, 50), face_at(95, 30, 50)]
    masks = torch.stack([torch.zeros(1, SIZE, SIZE), torch.ones(1, SIZE, SIZE)])
    out = render_into_photo(pixels, faces, deltas(2), masks, limit=8)
    np.testing.assert_array_equal(out[:, :62], pixels[:, :62])
    assert change(pixels, out)[:, 75:115].any()


def test_samples_never_wrap_round():
    pixels = np.zeros((60, 60, 3), dtype=np.uint8)
    pixels[30:] = 255
    wild = deltas(1, 60)
    out = render_into_photo(pixels, [face_at(30, 30, 70)], wild, MASK, limit=60)
    assert out[:30].max() <= 60
    assert out[30:].min() >= 195


def test_grey_stays_grey():
    grey = np.repeat(noise(80, 80)[:, :, :1], 3, axis=2)
    faces = [face_at(30, 40, 60, 20), face_at(50, 40, 60)]
    out = render_into_photo(grey, faces, deltas(2, 20), MASK, limit=8, grey=True)
    assert (out == out[:, :, :1]).all()
    assert change(grey, out).any()


@settings(max_examples=15)
@given(st.floats(40, CANVAS_FRAME_SIDE - 1), st.floats(-180, 180), st.integers(0, 99))
def test_the_canvas_shows_what_the_photo_will_hold(side, roll, seed):
    """A face small enough for scale 1: optimised and written pixels are the same."""
    photo = noise(260, 260, seed)
    face = face_at(140, 120, side, roll)
    canvas = cut_canvas([photo], [face])
    assert canvas.scales.tolist() == [1]
    delta, mask = deltas(1, 8, seed, FRAME_SIZE), torch.ones(1, 1, FRAME_SIZE, FRAME_SIZE)
    added = render(delta, mask, canvas.canvas_to_frame(FRAME_SIZE), canvas.images.shape[-1])
    expected = (canvas.images + added * canvas.inside).clamp(0, 255)
    written = render_into_photo(photo, [face], delta, mask, limit=8)
    seen = cut_canvas([written], [face]).images
    inside = canvas.inside.expand_as(seen) > 0
    # Half a grey level is the rounding to whole ones.
    assert float((expected - seen)[inside].abs().max()) < 0.51


def test_the_canvas_holds_the_photo_unchanged_and_knows_its_border():
    photo = noise(100, 90)
    canvas = cut_canvas([photo], [face_at(10, 50, 60)])
    inside = canvas.inside[0, 0] > 0
    assert 0 < int(inside.sum()) < inside.numel()
    assert not canvas.images[0][:, ~inside].any()
    rows, columns = inside.nonzero().T
    block = canvas.images[
        0, :, int(rows.min()) : int(rows.max()) + 1, int(columns.min()) : int(columns.max()) + 1
    ]
    height, width = block.shape[1:]
    block = block.permute(1, 2, 0).numpy()
    # The window is where the frame is: 60 px about (10, 50), a pixel wider on each side.
    tops = [t for t in range(15, 25) if np.array_equal(photo[t : t + height, :width], block)]
    assert len(tops) == 1


def test_large_faces_are_scaled_down_in_place():
    """The middle of a bright square stays in the middle of the frame."""
    photo = np.zeros((900, 900, 3), dtype=np.uint8)
    face = face_at(450, 430, 700, 10)
    photo[400:461, 420:481] = 200
    canvas = cut_canvas([photo], [face])
    assert float(canvas.scales[0]) == pytest.approx(CANVAS_FRAME_SIDE / 700, rel=0.01)
    at = apply(canvas.frame_to_canvas[0].double().numpy(), np.array([[0.5, 0.5]]))[0]
    ys, xs = np.mgrid[: canvas.images.shape[-2], : canvas.images.shape[-1]]
    weight = canvas.images[0, 0].double().numpy()
    centre = (weight * xs).sum() / weight.sum(), (weight * ys).sum() / weight.sum()
    np.testing.assert_allclose(centre, at, atol=0.05)


def test_a_batch_is_its_faces_one_by_one():
    photos = [noise(120, 150, 1), noise(300, 300, 2), noise(60, 60, 3)]
    faces = [face_at(70, 60, 80, 9), face_at(140, 150, 270, -30), face_at(5, 55, 40)]
    batch = cut_canvas(photos, faces)
    for index, (photo, face) in enumerate(zip(photos, faces, strict=True)):
        single = cut_canvas([photo], [face])
        side = single.images.shape[-1]
        assert batch.images.shape[-1] % 16 == 0
        torch.testing.assert_close(batch.images[index, :, :side, :side], single.images[0])
        torch.testing.assert_close(batch.frame_to_canvas[index], single.frame_to_canvas[0])
        assert batch.images[index].sum() == pytest.approx(single.images.sum())
        assert batch.inside[index].sum() == single.inside.sum()
        assert batch[index : index + 1].scales == single.scales
