"""The public names, what an import costs, and what happens without PyAV."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bauta.media.video
from bauta.errors import MissingExtraError, NotAVideoError
from bauta.media.video import VIDEO_SUFFIXES, is_video, read_video

HEADS = {
    "mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "mov": b"\0\0\0\x14ftypqt  \0\0\2\0qt  ",
    "old": b"\0\0\0\x08wide\0\0\1\0mdat",
    "mkv": b"\x1a\x45\xdf\xa3" + bytes(40),
    "avi": b"RIFF\0\0\1\0AVI LIST",
    "ts": (b"G" + bytes(187)) * 5,
    "m2ts": (bytes(4) + b"G" + bytes(187)) * 5,
    "mpg": b"\0\0\1\xba" + bytes(40),
    "flv": b"FLV\1\5" + bytes(40),
    "wmv": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(40),
}


def test_public_names():
    assert sorted(bauta.media.video.__all__) == [
        "ColourTags", "DEFAULT_MAX_PIXELS", "Frame", "TrackFacts", "VIDEO_SUFFIXES", "Video",
        "VideoFacts", "VideoWriter", "describe_metadata", "is_video", "output_suffix", "read_video",
    ]  # fmt: skip
    for name in bauta.media.video.__all__:
        assert getattr(bauta.media.video, name).__doc__


def test_import_is_quiet_and_leaves_pyav_for_later():
    code = "import sys, bauta.media.video; print([m for m in ('torch', 'av') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.parametrize("kind", HEADS)
def test_without_its_extra(kind, put, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    path = put("clip.bin", HEADS[kind])
    assert is_video(path)
    with pytest.raises(MissingExtraError, match=r"pip install 'bauta\[video\]'"):
        read_video(path)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"GIF89a",
     b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"],
)  # fmt: skip
def test_what_is_a_picture_whatever_its_name(content, put):
    assert not is_video(put("thing.mp4", content))


@pytest.mark.parametrize("content", [b"", b"hello " * 200, b"Good " * 100])
def test_what_is_nothing_goes_by_its_name(content, put):
    """Who gives something for a video is to hear that it is none, not that it is no photo."""
    path = put("thing.mp4", content)
    assert is_video(path)
    with pytest.raises(NotAVideoError):
        read_video(path)
    assert not is_video(put("thing.jpg", content))


def test_names_decide_where_there_is_no_content(tmp_path):
    for suffix in VIDEO_SUFFIXES:
        assert suffix == suffix.lower()
        assert is_video(tmp_path / f"nothing{suffix.upper()}")
    assert is_video("nul\0.mp4")
    for name in ("a.jpg", "a.heic", "a", "a.mp4.txt", "mp4"):
        assert not is_video(tmp_path / name)
    (tmp_path / "folder.mp4").mkdir()
    assert not is_video(tmp_path / "folder.mp4")
