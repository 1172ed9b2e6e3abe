"""Properties over sizes, modes, orientations and broken bytes: nothing crashes, nothing is lost."""

import functools
import re
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bauta.errors import ImageTooLargeError, MediaError
from bauta.media import (
    describe_metadata,
    encode_photo,
    exif_words,
    jpeg_segments,
    output_suffix,
    png_chunks,
    read_photo,
    webp_chunks,
)
from bauta.media import exif as exif_module
from bauta.media.cmyk import shift, to_rgb
from bauta.media.metadata import kept_xmp, photoshop_blocks
from bauta.media.palette import requantise
from bauta.media.raster import Raster, change, to_8bit
from tests.media import make

EXACT = [
    name
    for name in make.NAMES
    if name not in make.LOSSY | make.BILEVEL | make.PALETTE | make.KEYED and "CMYK" not in name
]
PORTRAIT = Path(__file__).parent / "portrait.heic"
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=150, suppress_health_check=list(HealthCheck))


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Smooth or noisy, so that every filter and predictor has something to do."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height, width, 3))
    slope = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)[..., None] + [0, 40, 90]
    return np.where(rng.random() < 0.5, noise, (slope + noise // 16) % 256).astype(np.uint8)


def read(suffix: str, data: bytes, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"photo{suffix}"
        path.write_bytes(data)
        return read_photo(path, **options)


@functools.cache
def small_files() -> dict[str, tuple[str, bytes]]:
    files = {name: build() for name, build in make.kinds(make.face(24, 19)).items()}
    files["jpeg-exif"] = (".jpg", make.turned(*files["jpeg-RGB"], 6))
    files["png-exif"] = (".png", make.turned(*files["png-RGB"], 5))
    files["webp-exif"] = (".webp", make.turned(*files["webp-RGBA"], 8))
    files["heic"] = (".heic", PORTRAIT.read_bytes())
    return files


@quick
@given(st.sampled_from(make.NAMES), st.integers(1, 33), st.integers(1, 33),
       st.integers(1, 8), seeds)  # fmt: skip
def test_an_unchanged_photo_comes_back_the_same(name, height, width, orientation, seed):
    suffix, data = make.kinds(picture(seed, height, width))[name]()
    photo = read(suffix, make.turned(suffix, data, orientation))
    turns = suffix in (".jpg", ".png", ".webp", ".tif") and name != "tiff-big"
    sides = (width, height) if turns and orientation >= 5 else (height, width)
    assert photo.pixels.shape == (*sides, 3)
    again = read(suffix, encode_photo(photo, photo.pixels))
    if name != "tiff-jpeg":
        np.testing.assert_array_equal(again.pixels, photo.pixels)
    assert (again.format, again.grey) == (photo.format, photo.grey)
    assert again._source.orientation == photo._source.orientation


@quick
@given(st.sampled_from(EXACT), st.integers(1, 33), st.integers(1, 33), st.integers(1, 8), seeds)
def test_any_change_comes_back_exactly(name, height, width, orientation, seed):
    suffix, data = make.kinds(picture(seed, height, width))[name]()
    photo = read(suffix, make.turned(suffix, data, orientation))
    assume(photo._source.raster.colour != "palette")  # a small grey GIF holds only what it needs
    new = picture(seed + 1, *photo.pixels.shape[:2])
    if photo._source.raster.colour == "grey":
        new = np.repeat(new[..., :1], 3, axis=2)
    again = read(suffix, encode_photo(photo, new))
    np.testing.assert_array_equal(again.pixels, new)
    before, after = photo._source.raster.alpha, again._source.raster.alpha
    if before is not None and after is not None:
        np.testing.assert_array_equal(after, before)
    assert before is None or after is not None or before.min() == np.iinfo(before.dtype).max


def check_damaged(name: str, suffix: str, data: bytes) -> None:
    """Either a MediaError, or a photo that can be described, written and read again."""
    try:
        photo = read(suffix, data, max_pixels=1_000_000)
    except MediaError:
        return
    describe_metadata(photo)
    for policy in ("private", "keep"):
        out = encode_photo(photo, photo.pixels, metadata=policy)
        assert read(output_suffix(photo), out).pixels.shape == photo.pixels.shape
    new = photo.pixels.copy()
    new[::2, ::3] ^= 5
    if photo._source.raster.colour != "bilevel":
        encode_photo(photo, new)


def test_a_jpeg_segment_with_an_impossible_length_is_not_carried_over():
    suffix, whole = small_files()["jpeg-L"]
    at = whole.index(b"\xff\xc4") + 1  # the first Huffman tables become a marker of no meaning
    check_damaged("jpeg-L", suffix, whole[:at] + b"\xdc" + whole[at + 4 :])


@settings(quick, max_examples=600)
@given(st.data())
def test_damaged_files_never_crash(data):
    name = data.draw(st.sampled_from(sorted(small_files())))
    suffix, whole = small_files()[name]
    broken = bytearray(whole)
    near = st.integers(0, min(len(whole), 400) - 1) | st.integers(0, len(whole) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(near)
        kind = data.draw(st.sampled_from(["flip", "set", "cut", "insert", "remove"]))
        if kind == "flip":
            broken[at % len(broken)] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "set":
            broken[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
        elif kind == "cut":
            broken = broken[: max(at, 1)]
        elif kind == "insert":
            broken[at:at] = data.draw(st.binary(max_size=12))
        else:
            del broken[at : at + data.draw(st.integers(1, 12))]
        broken = broken or bytearray(b"\0")
    check_damaged(name, suffix, bytes(broken))


@settings(quick, max_examples=200)
@given(st.sampled_from(sorted(small_files())), st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused_or_whole(name, part):
    suffix, whole = small_files()[name]
    try:
        photo = read(suffix, whole[: int(len(whole) * part)])
    except MediaError:
        return
    np.testing.assert_array_equal(photo.pixels, read(suffix, whole).pixels)


MAGIC = [
    *(b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF87a", b"BM", b""),
    *(b"RIFF\x20\0\0\0WEBPVP8 ", b"RIFF\x20\0\0\0WEBPVP8L", b"RIFF\x20\0\0\0WEBPVP8X"),
    *(b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0", b"\0\0\0\x18ftypheic"),
]


@settings(quick, max_examples=400)
@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_random_bytes_never_crash(magic, rest):
    check_damaged("random", ".jpg", magic + rest)


@settings(quick, max_examples=300)
@given(st.data(), st.sampled_from("<>"), st.integers(1, 8))
def test_exif_of_any_bytes(data, order, turn):
    block = bytearray(make.exif_block(orientation=turn, order=order))
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(block) - 1))
        block[at : at + 2] = data.draw(st.binary(max_size=3))
    damaged = bytes(block)
    tree = exif_module.parse(damaged)
    list(exif_words.words(tree))
    for cleaned in (exif_module.private_block(damaged), exif_module.kept_block(damaged)):
        kept = exif_module.parse(cleaned)
        assert not kept.thumbnail
        assert not re.search(rb"\xff\xd8\xff[\xc0-\xfe]", cleaned)
        assert exif_module.orientation(kept) == exif_module.orientation(tree)
    private = exif_module.private_block(damaged)
    assert not exif_module.parse(private).gps
    assert len(private) < 200


@settings(quick, max_examples=300)
@given(st.binary(max_size=200))
def test_small_parsers_of_any_bytes(blob):
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        exif_module.kept_block(head + blob)
        exif_module.private_block(head + blob)
    photoshop_blocks(b"8BIM" + blob, keep=True)
    kept_xmp(blob + b":Thumbnails" + blob)
    assert 0 <= webp_chunks.lossy_quality(blob) <= 100
    webp_chunks.canvas(blob)


@quick
@given(st.lists(st.tuples(st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xFE]), st.binary(max_size=50))))
def test_jpeg_segments_round_trip(app):
    picture_part = jpeg_segments.split(small_files()["jpeg-RGB"][1]).picture
    again = jpeg_segments.split(jpeg_segments.join(app, picture_part))
    assert again.app == app
    assert again.picture == picture_part
    assert not again.trailing


def unfiltered(rows: bytes, height: int, stride: int, step: int) -> np.ndarray:
    """Undo PNG filters by the letter of the specification."""
    out = np.zeros((height, stride), np.uint8)
    for y in range(height):
        kind, *line = rows[y * (stride + 1) : (y + 1) * (stride + 1)]
        for x, value in enumerate(line):
            a = int(out[y, x - step]) if x >= step else 0
            b = int(out[y - 1, x]) if y else 0
            c = int(out[y - 1, x - step]) if y and x >= step else 0
            p = a + b - c
            paeth = min((a, b, c), key=lambda near: abs(p - near))
            guess = [0, a, b, (a + b) // 2, paeth][kind]
            out[y, x] = (value + guess) % 256
    return out


@settings(quick, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 4), seeds)
def test_the_16_bit_png_encoder_by_the_specification(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 65536, (height, width, channels)).astype(np.uint16)
    if seed % 2:
        samples = np.cumsum(samples % 300, axis=seed % 4 // 2).astype(np.uint16)
    chunks = dict(png_chunks.encode_16(samples))
    assert chunks[b"IHDR"][8:10] == bytes([16, [0, 0, 4, 2, 6][channels]])
    rows = zlib.decompress(chunks[b"IDAT"])
    step = channels * 2
    raw = unfiltered(rows, height, width * step, step)
    decoded = raw.reshape(-1).view(">u2").reshape(samples.shape)
    np.testing.assert_array_equal(decoded, samples)


def test_16_bits_to_8_and_back_for_every_value():
    every = np.arange(65536, dtype=np.uint16)[None]
    eight = to_8bit(every)
    np.testing.assert_array_equal(eight, np.rint(every / 257).astype(np.uint8))
    for step in (-255, -20, -1, 1, 7, 255):
        target = np.clip(eight.astype(int) + step, 0, 255).astype(np.uint8)
        old, new = (np.repeat(plane[..., None], 3, 2) for plane in (eight, target))
        moved = change(Raster("grey", every), old, new)
        np.testing.assert_array_equal(to_8bit(moved.samples), target)


@quick
@given(st.sampled_from([np.uint8, np.uint16]), seeds)
def test_cmyk_reaches_every_colour_that_black_allows(dtype, seed):
    top = int(np.iinfo(dtype).max)
    rng = np.random.default_rng(seed)
    inks = rng.integers(0, top + 1, (6, 7, 4)).astype(dtype)
    inks[0, :, 3] = [0, 1, top // 2, top - 1, top, 0, 0]
    inks[1] = rng.choice([0, top], (7, 4))
    wanted = rng.integers(0, top + 1, (6, 7, 3))
    delta = (wanted - to_rgb(inks).astype(int)).astype(np.int32)
    delta[2] = 0
    moved = shift(inks, delta)
    light = top - inks[..., 3:].astype(int)
    reached = np.where(delta == 0, to_rgb(inks), np.minimum(wanted, light))
    np.testing.assert_array_equal(to_rgb(moved), reached)
    np.testing.assert_array_equal(moved[..., 3], inks[..., 3])
    np.testing.assert_array_equal(moved[2], inks[2])


@quick
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 300), seeds)
def test_palettes_keep_alpha_and_few_colours(height, width, colours, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, (colours, 4)).astype(np.uint8)
    table[:, 3] = rng.choice([0, 80, 255], colours)
    rgba = table[rng.integers(0, colours, (height, width))]
    indices, palette = requantise(rgba)
    assert len(palette) <= 256
    back = palette[indices]
    np.testing.assert_array_equal(back[..., 3], rgba[..., 3])
    if len(np.unique(rgba.reshape(-1, 4), axis=0)) <= 256:
        np.testing.assert_array_equal(back, rgba)


@pytest.mark.parametrize("levels", [1, 2, 200, 256])
def test_palettes_with_many_levels_of_alpha(levels):
    rng = np.random.default_rng(levels)
    rgba = rng.integers(0, 256, (60, 70, 4)).astype(np.uint8)
    rgba[..., 3] = rng.integers(0, levels, (60, 70)) * (255 // max(1, levels - 1))
    indices, palette = requantise(rgba)
    assert len(palette) <= 256
    np.testing.assert_array_equal(palette[indices][..., 3], rgba[..., 3])


@settings(quick, max_examples=60)
@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_header_sizes_are_believed_before_decoding(width, height):
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\2\0\0\0"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 40)), (b"IEND", b"")]
    assume(width * height > 10_000)
    with pytest.raises(ImageTooLargeError):
        read(".png", png_chunks.join(chunks), max_pixels=10_000)
