"""JPEG: the tables, sampling and scans of the source, and files cut or put together."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from bauta.media import encode_photo, jpeg_coding, jpeg_segments, photo_from_array, read_photo
from tests.media import make

STANDARD_60 = Image.open(io.BytesIO(make.saved(Image.new("RGB", (8, 8)), "JPEG", quality=60)))


def opened(data: bytes) -> JpegImagePlugin.JpegImageFile:
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return image


def touched(photo) -> np.ndarray:
    new = photo.pixels.copy()
    new[30:50, 30:50] = np.clip(new[30:50, 30:50].astype(int) + 5, 0, 255)
    return new


def tables_used(image: JpegImagePlugin.JpegImageFile) -> list[list[int]]:
    return [list(image.quantization[layer[3]]) for layer in image.layer]


@pytest.mark.parametrize("quality", [35, 75, 90, 100])
@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_tables_sampling_and_scans_stay(quality, sampling, progressive, put, rgb):
    data = make.saved(Image.fromarray(rgb), "JPEG", quality=quality, subsampling=sampling,
                      progressive=progressive)  # fmt: skip
    photo = read_photo(put("a.jpg", data))
    out = encode_photo(photo, touched(photo))
    before, after = opened(data), opened(out)
    assert tables_used(after) == tables_used(before)
    assert [layer[1:3] for layer in after.layer] == [layer[1:3] for layer in before.layer]
    assert bool(after.info.get("progressive")) == progressive
    assert 0.85 < len(out) / len(data) < 1.2


def test_three_different_tables_stay(put, rgb):
    tables = [[n + 1 + i for i in range(64)] for n in (0, 20, 40)]
    data = make.saved(Image.fromarray(rgb), "JPEG", qtables=tables, subsampling=0)
    photo = read_photo(put("a.jpg", data))
    assert tables_used(opened(encode_photo(photo, touched(photo)))) == tables_used(opened(data))


def test_tables_beyond_8_bits_stay(put, rgb):
    data = make.saved(Image.fromarray(rgb), "JPEG", qtables=[[300] * 64], subsampling=0)
    photo = read_photo(put("a.jpg", data))
    assert tables_used(opened(encode_photo(photo, touched(photo))))[0] == [300] * 64


@pytest.mark.parametrize(
    ("luma", "chroma", "expected"),
    [((1, 1), (1, 1), 0), ((2, 1), (1, 1), 1), ((2, 2), (1, 1), 2), ((1, 2), (1, 1), 0),
     ((4, 1), (1, 1), 1), ((4, 2), (1, 1), 2), ((2, 2), (1, 2), 1), ((2, 2), (2, 2), 0),
     ((4, 4), (1, 1), 2)],
)  # fmt: skip
def test_sampling_is_never_coarser_than_the_source(luma, chroma, expected):
    layers = [(1, *luma, 0), (2, *chroma, 1), (3, *chroma, 1)]
    assert jpeg_coding._sampling(layers) == expected


def test_huffman_tables_are_optimised_where_the_source_has_them_so(put, rgb):
    for optimise in (False, True):
        data = make.saved(Image.fromarray(rgb), "JPEG", quality=88, optimize=optimise)
        assert jpeg_segments.split(data).optimised == optimise
        photo = read_photo(put(f"{optimise}.jpg", data))
        assert jpeg_segments.split(encode_photo(photo, touched(photo))).optimised == optimise


def test_rgb_jpeg_stays_rgb(put, every):
    photo = read_photo(put("a.jpg", every["jpeg-rgb"][1]))
    out = opened(encode_photo(photo, touched(photo)))
    assert out.info["adobe_transform"] == 0
    assert "jfif" not in out.info
    difference = np.asarray(out.convert("RGB")).astype(int) - touched(photo)
    assert np.abs(difference).mean() < 1.5


def test_cmyk_without_adobe_mark_does_not_get_one(put, every):
    data = every["jpeg-CMYK"][1]
    assert jpeg_segments.split(data).all(0xEE, b"Adobe")
    segments = jpeg_segments.split(data)
    bare = jpeg_segments.join([], segments.picture)
    for name, content, marked in (("with", data, True), ("without", bare, False)):
        photo = read_photo(put(f"{name}.jpg", content))
        out = encode_photo(photo, touched(photo))
        assert bool(jpeg_segments.split(out).all(0xEE, b"Adobe")) == marked
        again = read_photo(put(f"{name}-out.jpg", out)).pixels
        assert np.abs(again.astype(int) - touched(photo)).mean() < 3


def test_ycck_is_written_as_cmyk(put, every):
    """Pillow cannot write YCCK; the inks must come out the same all the same."""
    segments = jpeg_segments.split(every["jpeg-CMYK"][1])
    mark = b"Adobe\0\x64\0\0\0\0\2"
    photo = read_photo(put("a.jpg", jpeg_segments.join([(0xEE, mark)], segments.picture)))
    out = encode_photo(photo, touched(photo))
    assert opened(out).info["adobe_transform"] == 0
    again = read_photo(put("b.jpg", out)).pixels
    assert np.abs(again.astype(int) - touched(photo)).mean() < 6


def test_ycck_does_not_use_the_tables_of_its_chroma_for_inks(put, every, rgb):
    tables = [[2] * 64, [40] * 64]
    with Image.open(io.BytesIO(every["jpeg-CMYK"][1])) as image:
        data = make.saved(image, "JPEG", qtables=tables)
    mark = b"Adobe\0\x64\0\0\0\0\2"
    ycck = jpeg_segments.join([(0xEE, mark)], jpeg_segments.split(data).picture)
    photo = read_photo(put("a.jpg", ycck))
    assert tables_used(opened(encode_photo(photo, touched(photo)))) == [tables[0]] * 4


def test_reserved_segments_are_not_copied(every):
    data = every["jpeg-RGB"][1]
    hidden = b"\xff\xf5\0\x0cJPG-SECRET"
    segments = jpeg_segments.split(data[:2] + hidden + data[2:])
    assert segments.picture == jpeg_segments.split(data).picture


def test_segments_of_a_file_without_end():
    whole = make.saved(Image.new("RGB", (30, 30)), "JPEG")
    for length in (2, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(ValueError, match="ends before"):
            jpeg_segments.split(whole[:length])


@pytest.mark.parametrize("progressive", [False, True])
def test_noise_of_highest_quality_is_written(progressive, put):
    """Pillow cannot optimise or interleave what does not fit its buffer."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    data = make.saved(Image.fromarray(noise), "JPEG", qtables=[[1] * 64], subsampling=0)
    photo = read_photo(put("noise.jpg", data))
    out = read_photo(put("out.jpg", encode_photo(photo, photo.pixels ^ 1)))
    assert np.abs(out.pixels.astype(int) - (photo.pixels ^ 1)).mean() < 1
    plain = photo_from_array(noise, format="JPEG")
    assert encode_photo(plain, noise[::-1].copy())


def test_an_unchanged_photo_is_not_compressed_again(put, every):
    data = every["jpeg-progressive"][1]
    photo = read_photo(put("a.jpg", data))
    before = jpeg_segments.split(data).picture
    assert jpeg_segments.split(encode_photo(photo, photo.pixels)).picture == before
    assert jpeg_segments.split(encode_photo(photo, touched(photo))).picture != before


def test_unchanged_blocks_hardly_move(put, rgb):
    photo = read_photo(put("a.jpg", make.saved(Image.fromarray(rgb), "JPEG", quality=85)))
    new = touched(photo)
    again = read_photo(put("b.jpg", encode_photo(photo, new))).pixels.astype(int)
    outside = np.ones(rgb.shape[:2], bool)
    outside[16:64, 16:64] = False
    assert np.abs(again - photo.pixels)[outside].mean() < 0.2


def test_long_profiles_are_split_and_joined(put, rgb):
    profile = make.icc_profile() + bytes(150_000)
    data = make.saved(Image.fromarray(rgb), "JPEG", icc_profile=profile)
    photo = read_photo(put("a.jpg", data))
    for pixels in (photo.pixels, touched(photo)):
        assert opened(encode_photo(photo, pixels)).info["icc_profile"] == profile
    app = jpeg_segments.icc_segments(profile)
    joined = jpeg_segments.join(app, jpeg_segments.split(data).picture)
    assert opened(joined).info["icc_profile"] == profile


def test_junk_and_padding_between_segments_is_skipped(put, every):
    data = every["jpeg-RGB"][1]
    padded = data[:2] + b"\xff\xff" + data[2:]
    photo = read_photo(put("a.jpg", padded))
    np.testing.assert_array_equal(photo.pixels, read_photo(put("b.jpg", data)).pixels)
    assert jpeg_segments.split(padded).picture == jpeg_segments.split(data).picture


def test_restart_markers_survive_the_copy(put, rgb):
    data = make.saved(Image.fromarray(rgb), "JPEG", restart_marker_blocks=3)
    assert any(bytes([0xFF, 0xD0 + i]) in data for i in range(8))
    photo = read_photo(put("a.jpg", data))
    again = read_photo(put("b.jpg", encode_photo(photo, photo.pixels)))
    np.testing.assert_array_equal(again.pixels, photo.pixels)


def test_webp_quality_is_read_from_the_bitstream(put, rgb):
    for quality, (name, size) in itertools.product((30, 60, 80, 95), {"a": 131, "b": 64}.items()):
        picture = Image.fromarray(rgb[:, :size])
        data = make.saved(picture, "WEBP", quality=quality)
        photo = read_photo(put(f"{name}{quality}.webp", data))
        assert photo._source.quality == pytest.approx(quality, abs=5)
        out = encode_photo(photo, touched(photo)[:, :size])
        assert 0.85 < len(out) / len(data) < 1.2


def test_webp_stays_lossless_or_lossy(put, every):
    for name, kind in [("webp-RGB", b"VP8 "), ("webp-lossless-RGBA", b"VP8L")]:
        photo = read_photo(put(f"{name}.webp", every[name][1]))
        out = encode_photo(photo, touched(photo))
        assert kind in out[:80]
        assert (b"VP8 " in out[:80]) != (b"VP8L" in out[:80])
