"""New pixels in old samples: exactly those samples change that the new pixels touch."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.media.orient import upright
from bauta.media.video.change import changed_planes, padded
from bauta.media.video.colour import Coding, encoded, planes_of, rgb_of
from bauta.media.video.read import Frame
from tests.media.video import make

CODING = Coding(6, False)
SIZES = [(96, 64), (97, 65), (96, 65), (97, 64), (1, 1), (2, 1), (1, 2), (3, 3)]


def frame_of(size: tuple[int, int], orientation: int = 1) -> Frame:
    """A frame of the photo, as the reader would make it."""
    picture = make._frame(make.camera(make.photo(), 1, size)[0], make.Clip(colour=(1, 6, 6, 6)), 0)
    pixels = upright(rgb_of(picture, CODING), orientation)
    return Frame(0, pixels, 0, 512, Fraction(1, 15360), picture)


@pytest.mark.parametrize("size", SIZES)
def test_chroma_is_weighted_around_the_even_columns(size):
    """Every sample against the sum that its words describe, edges repeated."""
    width, height = size
    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    red, green, blue = make.LUMA[6]
    luma = rgb @ np.array([red, green, blue])
    y, cb, cr = encoded(rgb, CODING)
    np.testing.assert_array_equal(y, np.rint(16 + luma * 219 / 255))
    for samples, channel, share in ((cb, 2, blue), (cr, 0, red)):
        assert samples.shape == (-(-height // 2), -(-width // 2))
        difference = (rgb[..., channel] - luma) / (2 - 2 * share)
        for row, column in np.ndindex(samples.shape):
            total = sum(
                weight * difference[min(r, height - 1), min(max(c, 0), width - 1)]
                for r in (2 * row, 2 * row + 1)
                for c, weight in ((2 * column - 1, 1), (2 * column, 2), (2 * column + 1, 1))
            )
            assert abs(128 + total / 8 * 224 / 255 - samples[row, column]) < 0.51


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [0, 1, 7, 400])
def test_what_changes_is_as_if_the_whole_picture_were_coded_and_the_rest_stays(size, count):
    frame = frame_of(size)
    height, width = frame.pixels.shape[:2]
    rng = np.random.default_rng(count)
    pixels = frame.pixels.copy()
    rows, columns = rng.integers(0, height, count), rng.integers(0, width, count)
    pixels[rows, columns] = 255 - pixels[rows, columns]
    changed = (pixels != frame.pixels).any(axis=2)
    blocks = np.zeros((-(-height // 2), -(-width // 2)), bool)
    for row, column in zip(*np.nonzero(changed), strict=True):
        blocks[row // 2, column // 2] = True
    result = changed_planes(frame, pixels, CODING, 1)
    old, new = planes_of(frame._picture, CODING), encoded(pixels, CODING)
    for i, where in enumerate((changed, blocks, blocks)):
        np.testing.assert_array_equal(result[i], np.where(where, new[i], old[i]))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_samples_are_turned_as_the_pixels_are(orientation):
    frame = frame_of((96, 64), orientation)
    y, cb, cr = changed_planes(frame, frame.pixels, CODING, orientation)
    red, green, blue = make.LUMA[6]
    luma = 16 + frame.pixels @ np.array([red, green, blue]) * 219 / 255
    assert np.abs(y - luma).mean() < 0.5
    _, other_cb, other_cr = encoded(frame.pixels, CODING)
    assert make.psnr(cb, other_cb) > 38
    assert make.psnr(cr, other_cr) > 38


def test_odd_pictures_grow_by_their_last_row_and_column():
    planes = planes_of(frame_of((97, 65))._picture, CODING)
    y, cb, cr = padded(planes)
    assert y.shape == (66, 98)
    assert cb.shape == cr.shape == (33, 49)
    np.testing.assert_array_equal(y[65, :97], planes[0][64])
    np.testing.assert_array_equal(y[:65, 97], planes[0][:, 96])
