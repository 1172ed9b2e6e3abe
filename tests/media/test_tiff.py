"""TIFF of rarer kinds: layouts, compressions and byte orders that phones do not write."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from bauta.errors import MediaError
from bauta.media import encode_photo, read_photo, tiffdir, tiffdir_write
from tests.media import make

SHORT, LONG = tiffdir.SHORT, tiffdir.LONG


def shorts(*values: int) -> tiffdir.Field:
    return tiffdir.Field(SHORT, struct.pack(f"<{len(values)}H", *values))


def relabelled(samples: np.ndarray, compression: str) -> bytes:
    """16-bit RGB in a compression that only libtiff writes: bytes of a wide grey picture."""
    height, width = samples.shape[:2]
    wide = samples.astype("<u2").view(np.uint8).reshape(height, -1)
    data = make.saved(Image.fromarray(wide), "TIFF", compression=compression)
    main = {256: shorts(width), 258: shorts(16, 16, 16), 262: shorts(2), 277: shorts(3)}
    return tiffdir_write.attach(data, tiffdir.Tree(main=main))


def shifted(photo) -> np.ndarray:
    return np.clip(photo.pixels + np.array([3, -2, 1]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "lzma", *make.ZSTD])
def test_16_bit_colour_in_any_compression_of_libtiff(compression, put, rgb):
    deep = make.sixteen(rgb)
    photo = read_photo(put("a.tif", relabelled(deep, compression)))
    np.testing.assert_array_equal(photo._source.raster.data, deep)
    again = read_photo(put("b.tif", encode_photo(photo, shifted(photo))))
    np.testing.assert_array_equal(again.pixels, shifted(photo))
    assert len(encode_photo(photo, photo.pixels)) < deep.nbytes  # still compressed


def test_premultiplied_alpha_becomes_straight(put, rgb):
    deep = make.sixteen(rgb).astype(np.int64)
    alpha = np.full((*rgb.shape[:2], 1), 65535)
    alpha[:40], alpha[40:50] = 30_000, 0
    multiplied = np.dstack([deep * alpha // 65535, alpha]).astype(np.uint16)
    data = make.tiff_16(multiplied, photometric="rgb", extrasamples=["assocalpha"])
    photo = read_photo(put("a.tif", data))
    assert np.abs(photo.pixels.astype(int) - rgb)[alpha[..., 0] > 0].max() <= 1
    assert (photo.pixels[40:50] == 0).all()
    out = encode_photo(photo, photo.pixels)
    np.testing.assert_array_equal(read_photo(put("b.tif", out)).pixels, photo.pixels)
    with tifffile.TiffFile(io.BytesIO(out)) as file:
        assert [int(kind) for kind in file.pages.first.extrasamples] == [2]
        np.testing.assert_array_equal(file.asarray()[..., 3], alpha[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero(dtype, put, rgb):
    grey = rgb[..., 0] if dtype == np.uint8 else make.sixteen(rgb)[..., 0]
    top = np.iinfo(dtype).max
    data = make.tiff_16((top - grey).astype(dtype), photometric="miniswhite")
    photo = read_photo(put("a.tif", data))
    np.testing.assert_array_equal(photo.pixels[..., 0], rgb[..., 0])
    again = read_photo(put("b.tif", encode_photo(photo, photo.pixels)))
    np.testing.assert_array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "group3", "packbits"])
def test_1_bit_keeps_its_compression(compression, put, rgb):
    image = Image.fromarray(rgb).convert("1")
    photo = read_photo(put("a.tif", make.saved(image, "TIFF", compression=compression)))
    with Image.open(io.BytesIO(encode_photo(photo, photo.pixels))) as again:
        assert again.info["compression"] == compression
        assert again.tobytes() == image.tobytes()


@pytest.mark.parametrize("quality", [40, 75, 92])
def test_jpeg_inside_tiff_keeps_its_quality(quality, put, rgb):
    data = make.saved(Image.fromarray(rgb), "TIFF", compression="jpeg", quality=quality)
    photo = read_photo(put("a.tif", data))
    assert photo._source.quality == pytest.approx(quality, abs=1)
    out = encode_photo(photo, shifted(photo))
    assert 0.85 < len(out) / len(data) < 1.2


def test_predictor_stays(put, rgb):
    for predictor in (1, 2):
        data = make.saved(Image.fromarray(rgb), "TIFF", compression="tiff_lzw",
                          tiffinfo={317: predictor})  # fmt: skip
        photo = read_photo(put(f"{predictor}.tif", data))
        with Image.open(io.BytesIO(encode_photo(photo, shifted(photo)))) as again:
            assert again.tag_v2.get(317, 1) == predictor


def test_planar_16_bit_in_a_rare_compression_is_refused_by_name(put, rgb):
    planes = np.moveaxis(make.sixteen(rgb), -1, 0).copy()
    data = make.tiff_16(planes, photometric="rgb", planarconfig="separate", compression="zlib")
    lzw = tiffdir_write.attach(data, tiffdir.Tree(main={259: shorts(5)}))
    with pytest.raises(MediaError, match="compressed 16-bit TIFF is not supported"):
        read_photo(put("a.tif", lzw))


def test_palette_and_grey_with_alpha_stay(put, rgb):
    image = Image.fromarray(rgb).quantize(100).convert("PA")
    photo = read_photo(put("pa.tif", make.saved(image, "TIFF")))
    np.testing.assert_array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def test_fields_that_claim_the_whole_file_do_not_fill_the_memory():
    filler = bytes(200_000)
    count = 4000
    fields = b"".join(struct.pack("<HHII", 700 + i, 1, 190_000, 8) for i in range(count))
    table = struct.pack("<H", count) + fields + bytes(4)
    blob = b"II*\0" + struct.pack("<I", 8 + len(filler)) + filler + table
    assert len(tiffdir.Reader(blob).tree().main) == 1
