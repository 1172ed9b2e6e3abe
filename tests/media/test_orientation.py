"""The eight orientations: upright pixels in, the stored order and its tag kept on writing."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from bauta.media import encode_photo, read_photo
from bauta.media.orient import as_stored, upright
from tests.media import make

FORMATS = ["jpeg", "png", "png16", "webp", "tiff", "tiff-lzw", "tiff16", "tiff-grey"]


def turned_file(kind: str, orientation: int, rgb: np.ndarray) -> tuple[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(rgb)
    if kind == "jpeg":
        return ".jpg", make.saved(image, "JPEG", quality=95, exif=exif)
    if kind == "png":
        return ".png", make.saved(image, "PNG", exif=exif)
    if kind == "png16":
        return ".png", make.png_16(make.sixteen(rgb), exif.tobytes()[6:])
    if kind == "webp":
        return ".webp", make.saved(image, "WEBP", lossless=True, exif=exif)
    if kind == "tiff16":
        return ".tif", make.tiff_16(make.sixteen(rgb), photometric="rgb",
                                    extratags=[(274, "H", 1, orientation, True)])  # fmt: skip
    image = image.convert("L") if kind == "tiff-grey" else image
    options = {"compression": "tiff_lzw"} if kind == "tiff-lzw" else {}
    return ".tif", make.saved(image, "TIFF", exif=exif, **options)


def tag_and_size(data: bytes) -> tuple[int, tuple[int, int]]:
    """The orientation tag, and the size of the stored picture."""
    with Image.open(io.BytesIO(data)) as image:
        tag, size = image.getexif()[0x0112], image.size
        if image.format == "TIFF" and tag >= 5:
            size = size[::-1]  # Pillow reports TIFF as it will be turned
        return tag, size


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
def test_orientation_is_applied_and_kept(kind, orientation, put, rgb):
    suffix, data = turned_file(kind, orientation, rgb)
    photo = read_photo(put("in" + suffix, data))
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    if "16" not in kind:
        np.testing.assert_array_equal(photo.pixels, expected)
    else:
        assert photo.pixels.shape == expected.shape
        assert np.abs(photo.pixels - expected.astype(int)).max() <= 1

    new = photo.pixels.copy()  # a mark near the upper left corner of the upright picture
    new[8:24, 16:40] = np.clip(new[8:24, 16:40].astype(int) + 20, 0, 255)
    out = encode_photo(photo, new)
    again = read_photo(put("out" + suffix, out)).pixels
    assert tag_and_size(out) == tag_and_size(data) == (orientation, (131, 97))
    if kind == "jpeg":
        difference = np.abs(again.astype(int) - photo.pixels).mean(axis=2)
        assert difference[10:22, 18:38].mean() > 10
        assert difference[60:, 60:].mean() < 1.5
    else:
        np.testing.assert_array_equal(again, new)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4), (1, 3, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_turning_and_turning_back(orientation, shape, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    there = upright(array, orientation)
    assert there.flags.c_contiguous
    np.testing.assert_array_equal(as_stored(there, orientation), array)
    np.testing.assert_array_equal(upright(array[:, ::-1], orientation), upright(
        np.ascontiguousarray(array[:, ::-1]), orientation))  # fmt: skip


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_senseless_orientation_counts_as_upright(value, put, rgb):
    exif = Image.Exif()
    exif[0x0112] = value
    photo = read_photo(put("odd.png", make.saved(Image.fromarray(rgb), "PNG", exif=exif)))
    np.testing.assert_array_equal(photo.pixels, rgb)
    out = encode_photo(photo, photo.pixels)
    np.testing.assert_array_equal(read_photo(put("out.png", out)).pixels, rgb)
