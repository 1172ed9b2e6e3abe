"""HEIC, from a file that pillow-heif 1.8 made of the test portrait (64 x 48, EXIF made up).

Its samples are stored lying and carry a rotation, as those of a phone do.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bauta.errors import AnimatedImageError, CorruptImageError, ImageTooLargeError, MediaError
from bauta.media import describe_metadata, encode_photo, output_suffix, read_photo, write_photo
from tests.media import make

pytest.importorskip("pi_heif")

FILE = Path(__file__).parent / "portrait.heic"


@pytest.fixture(scope="module")
def photo():
    return read_photo(FILE)


def test_reads_upright(photo):
    expected = np.rot90(make.face(48, 64), -1)
    assert photo.format == "HEIC"
    assert photo.pixels.shape == (64, 48, 3)
    assert np.abs(photo.pixels - expected.astype(int)).mean() < 8


def test_is_written_as_jpeg(photo, tmp_path):
    assert photo.output_format == "JPEG"
    assert output_suffix(photo) == ".jpg"
    with pytest.raises(MediaError, match=r'end in "\.jpg"'):
        write_photo(photo, photo.pixels, tmp_path / "out.heic")
    write_photo(photo, photo.pixels, tmp_path / "out.jpg")
    again = read_photo(tmp_path / "out.jpg")
    assert again.format == "JPEG"
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 3


@pytest.mark.parametrize("policy", ["private", "keep"])
def test_metadata_and_orientation(policy, photo):
    found = describe_metadata(photo)
    for item in ("GPS position", "camera serial number", "date and time", "XMP data"):
        assert item in found
    out = encode_photo(photo, photo.pixels, metadata=policy)
    assert (b"SERIAL123" in out) == (policy == "keep")
    assert (b"secret" in out) == (policy == "keep")
    with Image.open(io.BytesIO(out)) as image:
        assert image.getexif().get(0x0112, 1) == 1  # already upright
        assert image.size == (48, 64)
        assert image.info["icc_profile"][36:40] == b"acsp"


def test_refusals(put):
    data = FILE.read_bytes()
    with pytest.raises(ImageTooLargeError):
        read_photo(FILE, max_pixels=64 * 48 - 1)
    with pytest.raises(AnimatedImageError):
        read_photo(put("live.heic", data.replace(b"ftypheic", b"ftypmsf1")))
    with pytest.raises(CorruptImageError):
        read_photo(put("cut.heic", data[:1500]))
    with pytest.raises(CorruptImageError):  # this one crashes pi_heif 1.4
        read_photo(put("item.heic", data.replace(b"Exif\0", b"\x9cxif\0", 1)))
