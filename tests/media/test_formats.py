"""Every format and mode: what is read, what an unchanged and a changed photo become."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from bauta.errors import MediaError, UsageError
from bauta.media import encode_photo, photo_from_array, png_chunks, read_photo, write_photo
from tests.media import make

LOSSLESS = [name for name in make.NAMES if name not in make.LOSSY | make.BILEVEL]
EXACT = [name for name in LOSSLESS if name not in make.PALETTE | make.KEYED | {"tiff-CMYK16"}]
DEEP = [name for name in make.NAMES if "16" in name and name != "png-P-16"]


def changed(pixels: np.ndarray, *, grey: bool, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.integers(-9, 10, (*pixels.shape[:2], 1 if grey else 3))
    noise[: pixels.shape[0] // 3] = 0
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def with_pillow(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return ImageOps.exif_transpose(image)


def stored(data: bytes, suffix: str) -> tuple[str, np.ndarray]:
    """Mode and samples, read by other code than Bauta's."""
    if suffix == ".tif":
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            if page.compression in (1, 8):
                array = page.asarray()
                array = np.moveaxis(array, 0, -1) if page.planarconfig == 2 else array
                return f"{page.photometric}", array
    image = with_pillow(data)
    return image.mode, np.asarray(image)


@pytest.mark.parametrize("name", make.NAMES)
def test_reads_the_picture(name, every, put, rgb):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    assert photo.pixels.shape == rgb.shape
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert not photo.pixels.flags.writeable
    assert photo.grey == (name in make.GREY | make.BILEVEL)
    expected = rgb
    if photo.grey:
        assert (np.ptp(photo.pixels, axis=2) == 0).all()
        expected = np.asarray(Image.fromarray(rgb).convert("L").convert("RGB"))
        if "16" in name:
            expected = np.repeat(rgb[..., 1:2], 3, axis=2)
    if "CMYK" not in name and name not in make.BILEVEL:
        shown = visible(name, data)
        far = np.abs(photo.pixels.astype(int) - expected)[shown].mean()
        assert far < (0.01 if name in EXACT else 6)


def visible(name: str, data: bytes) -> np.ndarray:
    """Where the picture can be seen: lossy WebP forgets the colour of what is transparent."""
    image = with_pillow(data) if name == "webp-RGBA" else None
    return np.asarray(image)[..., 3] > 0 if image else np.s_[:]


@pytest.mark.parametrize("name", ["tiff-CMYK", "jpeg-CMYK"])
def test_cmyk_is_converted_as_pillow_does(name, every, put):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    expected = np.asarray(with_pillow(data).convert("RGB"))
    np.testing.assert_array_equal(photo.pixels, expected)


@pytest.mark.parametrize("name", make.NAMES)
@pytest.mark.parametrize("policy", ["private", "keep"])
def test_unchanged_pixels_keep_every_sample(name, policy, every, put, tmp_path):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    out = tmp_path / f"out{suffix}"
    write_photo(photo, photo.pixels, out, metadata=policy)
    if name == "tiff-jpeg":  # the one kind that has to be compressed again
        assert np.abs(read_photo(out).pixels - photo.pixels.astype(int)).mean() < 2
        return
    np.testing.assert_array_equal(read_photo(out).pixels, photo.pixels)
    mode, samples = stored(data, suffix)
    mode_now, samples_now = stored(out.read_bytes(), suffix)
    assert mode_now == mode
    np.testing.assert_array_equal(samples_now, samples)


@pytest.mark.parametrize("name", EXACT)
def test_changed_pixels_come_back_exactly(name, every, put, tmp_path):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = changed(photo.pixels, grey=photo.grey)
    if name == "tiff-CMYK":  # no channel can be brighter than its black ink allows
        new = np.minimum(new, 255 - np.asarray(with_pillow(data))[..., 3:])
    out = tmp_path / f"out{suffix}"
    write_photo(photo, new, out)
    again = read_photo(out)
    np.testing.assert_array_equal(again.pixels, new)
    assert again.grey == photo.grey
    assert stored(out.read_bytes(), suffix)[0] == stored(data, suffix)[0]


@pytest.mark.parametrize("name", DEEP)
def test_16_bit_samples_move_by_257_per_step(name, every, put):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = changed(photo.pixels, grey=photo.grey)
    delta = new.astype(int) - photo.pixels
    raster = photo._source.raster
    before = raster.data.astype(int)
    path = put("out" + suffix, encode_photo(photo, new))
    after_raster = read_photo(path)._source.raster
    after = after_raster.data.astype(int)
    assert after_raster.data.dtype == np.uint16
    if raster.alpha is not None:
        np.testing.assert_array_equal(after_raster.alpha, raster.alpha)
    same = (delta == 0).all(axis=2)
    assert same.any()
    np.testing.assert_array_equal(after[same], before[same])
    if "CMYK" not in name:
        step = delta[..., 0] if photo.grey else delta
        np.testing.assert_array_equal(after, np.clip(before + 257 * step, 0, 65535))


@pytest.mark.parametrize("name", [n for n in make.NAMES if "A" in n.split("-", 1)[1]])
def test_alpha_is_untouched(name, every, put, rgb):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = changed(photo.pixels, grey=photo.grey)
    after = read_photo(put("out" + suffix, encode_photo(photo, new)))._source.raster.alpha
    expected = make.alpha_of(rgb)
    scale = 257 if after.dtype == np.uint16 else 1
    np.testing.assert_array_equal(after, expected.astype(int) * scale)


@pytest.mark.parametrize(
    "name", ["png-P-index", "png-P-levels", "gif-P-index", *sorted(make.KEYED)]
)
def test_transparency_without_alpha_channel_is_untouched(name, every, put):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = changed(photo.pixels, grey=photo.grey)
    out = encode_photo(photo, new)
    before = np.asarray(with_pillow(data).convert("RGBA"))[..., 3]
    after = np.asarray(with_pillow(out).convert("RGBA"))[..., 3]
    assert (before == 0).any()
    np.testing.assert_array_equal(after, before)
    seen = before > 0
    pixels = read_photo(put("out" + suffix, out)).pixels
    assert np.abs(pixels.astype(int) - new)[seen].mean() < 3.5


@pytest.mark.parametrize("name", sorted(make.PALETTE))
def test_palettes_are_made_anew_only_for_changes(name, every, put):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = changed(photo.pixels, grey=False)
    again = read_photo(put("out" + suffix, encode_photo(photo, new)))
    assert with_pillow(encode_photo(photo, new)).mode == "P"
    seen = photo._source.raster.palette[photo._source.raster.data][..., 3] > 0
    assert np.abs(again.pixels.astype(int) - new)[seen].mean() < 3.5
    few = photo.pixels // 64 * 64  # at most 64 colours: a palette holds them exactly
    exact = read_photo(put("few" + suffix, encode_photo(photo, few)))
    np.testing.assert_array_equal(exact.pixels[seen], few[seen])


@pytest.mark.parametrize("name", sorted(make.LOSSY))
def test_lossy_kinds_stay_close_and_comparable_in_size(name, every, put):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = photo.pixels.copy()
    new[40:60, 50:80] = np.clip(new[40:60, 50:80].astype(int) + 6, 0, 255)
    out = encode_photo(photo, new)
    again = read_photo(put("out" + suffix, out))
    assert np.abs(again.pixels.astype(int) - new).mean() < 3
    lifted = (again.pixels.astype(int) - photo.pixels)[44:56, 55:75].mean()
    assert 3 < lifted < 9
    assert 0.8 < len(out) / len(data) < 1.25
    assert with_pillow(out).mode == with_pillow(data).mode


@pytest.mark.parametrize("name", sorted(make.BILEVEL))
def test_one_bit_pictures_refuse_changes(name, every, put, tmp_path):
    suffix, data = every[name]
    photo = read_photo(put("photo" + suffix, data))
    new = photo.pixels.copy()
    new[0, 0] ^= 1
    with pytest.raises(MediaError, match="greyscale first"):
        write_photo(photo, new, tmp_path / f"out{suffix}")
    assert not (tmp_path / f"out{suffix}").exists()


def test_grey_takes_the_mean_of_three_differences(put, every):
    photo = read_photo(put("grey.png", every["png-L"][1]))
    new = photo.pixels.copy()
    new[50, 50] = np.clip(photo.pixels[50, 50] + np.array([0, 1, 1]), 0, 255)
    new[51, 51] = np.clip(photo.pixels[51, 51] - np.array([0, 0, 1]), 0, 255)
    again = read_photo(put("out.png", encode_photo(photo, new))).pixels
    assert (again[50, 50] == photo.pixels[50, 50] + 1).all()
    assert (again[51, 51] == photo.pixels[51, 51]).all()


def test_cmyk_keeps_black_and_unchanged_inks(put, every):
    photo = read_photo(put("ink.tif", every["tiff-CMYK"][1]))
    new = changed(photo.pixels, grey=False)
    before = np.asarray(with_pillow(every["tiff-CMYK"][1]))
    after = np.asarray(with_pillow(encode_photo(photo, new)))
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    same = new == photo.pixels
    np.testing.assert_array_equal(after[..., :3][same], before[..., :3][same])
    assert (after != before).any()


def test_low_bit_grey_gets_eight_bits_only_for_changes(put, tmp_path, rgb):
    levels = np.asarray(Image.fromarray(rgb).convert("L")) // 16 * 17
    path = put("four.png", make.png_low(levels // 17, bits=4, key=5))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels[..., 0], levels)
    assert encode_photo(photo, photo.pixels)[24] == 4  # bit depth in the PNG header
    new = np.clip(photo.pixels + 3, 0, 255).astype(np.uint8)
    out = encode_photo(photo, new)
    assert out[24] == 8
    alpha = np.asarray(with_pillow(out).convert("LA"))[..., 1]
    np.testing.assert_array_equal(alpha == 0, levels == 5 * 17)


def test_photo_from_array_writes_every_format(rgb, tmp_path):
    for name, suffix in [("PNG", "png"), ("TIFF", "tif"), ("BMP", "bmp"), ("webp", "webp")]:
        photo = photo_from_array(rgb, format=name)
        write_photo(photo, rgb[::-1], tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read_photo(tmp_path / f"a.{suffix}").pixels, rgb[::-1])
    photo = photo_from_array(rgb, format="JPEG")
    write_photo(photo, photo.pixels, tmp_path / "a.jpg")
    assert np.abs(read_photo(tmp_path / "a.jpg").pixels - rgb.astype(int)).mean() < 3


def test_photo_from_array_owns_its_pixels(rgb):
    source = rgb.copy()
    photo = photo_from_array(source)
    source[:] = 0
    np.testing.assert_array_equal(photo.pixels, rgb)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0] = 1


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)),
     np.zeros((0, 4, 3), np.uint8), [[0, 0, 0]]],
)  # fmt: skip
def test_wrong_arrays_are_refused(pixels, rgb):
    with pytest.raises(UsageError):
        photo_from_array(pixels)
    with pytest.raises(UsageError):
        encode_photo(photo_from_array(rgb), pixels)


def test_wrong_words_are_refused(rgb, tmp_path):
    photo = photo_from_array(rgb)
    with pytest.raises(UsageError, match="choose one of"):
        photo_from_array(rgb, format="GIF")
    with pytest.raises(UsageError, match="keep the photo's shape"):
        encode_photo(photo, rgb[1:])
    with pytest.raises(UsageError, match="private"):
        write_photo(photo, rgb, tmp_path / "a.png", metadata="none")


def test_a_black_and_white_photo_stored_as_rgb_counts_as_grey(put, rgb):
    grey = Image.fromarray(rgb).convert("L").convert("RGB")
    assert read_photo(put("bw.jpg", make.saved(grey, "JPEG", quality=95))).grey
    almost = np.asarray(grey).copy()
    almost[1, 1, 2] ^= 1  # one coloured pixel that a sparse look would miss
    assert not read_photo(put("almost.png", make.saved(Image.fromarray(almost), "PNG"))).grey


def test_compression_and_resolution_of_tiff_stay(put, rgb):
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "raw", *make.ZSTD):
        data = make.saved(Image.fromarray(rgb), "TIFF", compression=name, dpi=(300, 150))
        photo = read_photo(put(f"{name}.tif", data))
        image = with_pillow(encode_photo(photo, changed(photo.pixels, grey=False)))
        assert image.info["compression"] == name
        assert image.info["dpi"] == (300, 150)


def test_icc_profile_and_resolution_stay(put, rgb):
    profile = make.icc_profile()
    for kind, suffix in [("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif"), ("WEBP", ".webp")]:
        options = {"icc_profile": profile} | ({} if kind == "WEBP" else {"dpi": (240, 240)})
        photo = read_photo(put("a" + suffix, make.saved(Image.fromarray(rgb), kind, **options)))
        for pixels in (photo.pixels, changed(photo.pixels, grey=False)):
            image = with_pillow(encode_photo(photo, pixels))
            assert image.info["icc_profile"] == profile
            if kind != "WEBP":
                assert image.info["dpi"] == pytest.approx((240, 240), abs=0.01)
    bmp = read_photo(put("a.bmp", make.saved(Image.fromarray(rgb), "BMP", dpi=(240, 240))))
    assert with_pillow(encode_photo(bmp, bmp.pixels)).info["dpi"] == pytest.approx((240, 240), 0.01)


def interlaced(samples: np.ndarray) -> bytes:
    """An Adam7 PNG (without filters), which neither Pillow nor Bauta writes."""
    height, width, channels = samples.shape
    depth = samples.dtype.itemsize * 8
    passes = [(0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2),
              (1, 2, 0, 1)]  # fmt: skip
    rows = b""
    for top, down, left, across in passes:
        part = samples[top::down, left::across].astype(f">u{depth // 8}")
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return png_chunks.join(chunks)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (97, 131)])
def test_interlaced_png(channels, dtype, size, put):
    rng = np.random.default_rng(channels)
    samples = rng.integers(0, np.iinfo(dtype).max + 1, (*size, channels)).astype(dtype)
    photo = read_photo(put("a.png", interlaced(samples)))
    raster = photo._source.raster
    colours = samples[..., :1] if channels < 3 else samples[..., :3]
    expected = np.rint(colours / 257) if dtype == np.uint16 else colours
    np.testing.assert_array_equal(photo.pixels, np.broadcast_to(expected, (*size, 3)))
    if channels in (2, 4):
        np.testing.assert_array_equal(raster.alpha, samples[..., -1])
    new = changed(photo.pixels, grey=True) if channels < 3 else changed(photo.pixels, grey=False)
    again = read_photo(put("b.png", encode_photo(photo, new)))
    np.testing.assert_array_equal(again.pixels, new)


def test_display_chunks_of_png_stay(put, rgb):
    plain = make.saved(Image.fromarray(rgb), "PNG")
    chunks = png_chunks.split(plain)
    chunks[1:1] = [(b"gAMA", bytes([0, 0, 177, 143])), (b"sRGB", b"\1"), (b"sBIT", b"\5\6\5")]
    photo = read_photo(put("g.png", png_chunks.join(chunks)))
    kinds = [kind for kind, _ in png_chunks.split(encode_photo(photo, photo.pixels))]
    assert {b"gAMA", b"sRGB", b"sBIT"} <= set(kinds)
    assert kinds.index(b"gAMA") < kinds.index(b"IDAT")
    new = changed(photo.pixels, grey=False)
    kinds = [kind for kind, _ in png_chunks.split(encode_photo(photo, new))]
    assert b"gAMA" in kinds
    assert b"sBIT" not in kinds  # no longer true


def test_a_file_is_told_by_its_content(put, every, tmp_path):
    photo = read_photo(put("really-a-png.jpg", every["png-RGB"][1]))
    assert photo.format == "PNG"
    with pytest.raises(MediaError, match=r'end in "\.png"'):
        write_photo(photo, photo.pixels, tmp_path / "out.jpg")
    write_photo(photo, photo.pixels, tmp_path / "out.dat")
    assert (tmp_path / "out.dat").read_bytes().startswith(b"\x89PNG")
