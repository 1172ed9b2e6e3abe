"""Files that are refused: each with its own error, and words that say what to do."""

import io
import os
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from bauta.errors import (
    AnimatedImageError,
    CorruptImageError,
    ImageTooLargeError,
    MediaError,
    MissingExtraError,
    NotAnImageError,
)
from bauta.media import png_chunks, read_photo
from tests.media import make


def frames(kind: str, **options) -> bytes:
    first, second = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    return make.saved(first, kind, save_all=True, append_images=[second], **options)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_and_pages_are_refused(kind, put):
    with pytest.raises(AnimatedImageError, match="save one"):
        read_photo(put("moving", frames(kind)))


def test_16_bit_animation_is_refused(put, rgb):
    chunks = png_chunks.split(make.png_16(make.sixteen(rgb)))
    control = [(b"acTL", struct.pack(">II", 2, 0))]
    with pytest.raises(AnimatedImageError):
        read_photo(put("a.png", png_chunks.join([chunks[0], *control, *chunks[1:]])))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_a_single_frame_is_a_photo(kind, put):
    photo = read_photo(put("still", make.saved(Image.new("RGB", (20, 10), "red"), kind,
                                               save_all=True)))  # fmt: skip
    assert photo.pixels.shape == (10, 20, 3)


def test_a_tiff_with_a_thumbnail_page_is_a_photo(put, rgb):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(rgb, photometric="rgb", metadata=None)
        writer.write(rgb[::4, ::4].copy(), photometric="rgb", metadata=None, subfiletype=1)
    photo = read_photo(put("a.tif", out.getvalue()))
    np.testing.assert_array_equal(photo.pixels, rgb)


@pytest.mark.parametrize("name", make.NAMES)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.98])
def test_truncated_files_are_refused(name, part, every, put):
    suffix, data = every[name]
    with pytest.raises(CorruptImageError, match="copy it again"):
        read_photo(put("cut" + suffix, data[: int(len(data) * part)]))


@pytest.mark.parametrize("name", [n for n in make.NAMES if n.startswith("png")])
def test_png_damage_is_always_noticed(name, every, put):
    suffix, data = every[name]
    rng = np.random.default_rng(3)
    for _ in range(20):
        broken = bytearray(data)
        broken[rng.integers(8, len(data))] ^= 1 << rng.integers(8)
        with pytest.raises((CorruptImageError, ImageTooLargeError)):
            read_photo(put("broken" + suffix, bytes(broken)))


@pytest.mark.parametrize("name", make.NAMES)
def test_pictures_above_the_limit_are_refused(name, every, put, rgb):
    suffix, data = every[name]
    path = put("large" + suffix, data)
    pixels = rgb.shape[0] * rgb.shape[1]
    with pytest.raises(ImageTooLargeError, match="raise max_pixels"):
        read_photo(path, max_pixels=pixels - 1)
    assert read_photo(path, max_pixels=pixels).width == rgb.shape[1]


def test_a_decompression_bomb_is_refused_before_it_is_decoded(put):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    bomb = png_chunks.join([(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")])
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageTooLargeError):
        read_photo(put("bomb.png", bomb))
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_file_beyond_all_measure_is_not_even_read(put, tmp_path):
    path = tmp_path / "huge.bmp"
    path.write_bytes(b"BM")
    os.truncate(path, 1 << 40)  # a sparse file of a terabyte
    with pytest.raises(ImageTooLargeError):
        read_photo(path)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [(b"", NotAnImageError, "is empty"), (b"hello, world" * 9, NotAnImageError, "not an image"),
     (b"%PDF-1.7 ....", NotAnImageError, "not an image"), (b"BM", CorruptImageError, "BMP"),
     (b"\xff\xd8\xff", CorruptImageError, "JPEG"), (b"RIFF\0\0\0\0WEBP", CorruptImageError, "WEBP"),
     (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", NotAnImageError, "not an image")],
)  # fmt: skip
def test_what_is_no_image(content, error, words, put):
    with pytest.raises(error, match=words):
        read_photo(put("thing.jpg", content))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        read_photo(tmp_path / "nothing.jpg")
    with pytest.raises(MediaError, match="is a folder"):
        read_photo(tmp_path)
    with pytest.raises(MediaError, match="cannot read"):
        read_photo("nul\0byte.jpg")
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    with pytest.raises(MediaError, match="cannot read"):
        read_photo(loop)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(MediaError, match="not an ordinary file"):
            read_photo(tmp_path / "pipe.jpg")


def test_files_without_permission(put, every, monkeypatch):
    path = put("secret.png", every["png-RGB"][1])

    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # not chmod: for root it would change nothing
    with pytest.raises(MediaError, match="check its permissions"):
        read_photo(path)


def test_camera_raw_files_are_refused(put, every):
    data = every["tiff-RGB"][1]
    with pytest.raises(NotAnImageError, match="export it as JPEG"):
        read_photo(put("photo.NEF", data))
    out = io.BytesIO()
    tifffile.imwrite(out, make.face(), photometric="rgb", metadata=None,
                     extratags=[(50706, "B", 4, (1, 4, 0, 0), True)])  # fmt: skip
    with pytest.raises(NotAnImageError, match="export it as JPEG"):
        read_photo(put("dng-under-another-name.tif", out.getvalue()))


@pytest.mark.parametrize("dtype", [np.float32, np.uint32, np.int16])
def test_tiff_of_other_number_types_is_refused(dtype, put):
    out = io.BytesIO()
    tifffile.imwrite(out, np.zeros((20, 30), dtype), metadata=None)
    with pytest.raises(MediaError):
        read_photo(put("science.tif", out.getvalue()))


def test_errors_name_the_file_and_keep_the_cause(put):
    path = put("holiday.jpg", b"\xff\xd8\xff\xe0" + bytes(50))
    with pytest.raises(CorruptImageError, match=r"holiday\.jpg") as caught:
        read_photo(path)
    assert caught.value.__cause__ is not None


def test_heic_without_its_extra(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MissingExtraError, match=r"bauta\[heif\]"):
        read_photo(put("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"))


def test_warnings_of_the_decoders_stay_inside(put, rgb):
    info = PngImagePlugin.PngInfo()
    chunks = png_chunks.split(make.saved(Image.fromarray(rgb), "PNG", pnginfo=info))
    chunks.insert(1, (b"acTL", struct.pack(">II", 0, 0)))  # Pillow warns: invalid APNG
    path = put("warns.png", png_chunks.join(chunks))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        read_photo(path)
    assert leaked == []
    with pytest.warns(UserWarning, match="Invalid APNG"), Image.open(path) as image:
        image.load()


def test_threads_leave_the_warning_filters_as_they_were(put, every):
    path = put("a.png", every["png-RGB"][1])
    before = list(warnings.filters)
    errors = []

    def work() -> None:
        try:
            for _ in range(15):
                read_photo(path)
        except Exception as error:  # reported by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(warnings.filters) == before
