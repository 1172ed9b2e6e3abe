"""Reading: what is told of a clip, and frames that come upright, in order and one by one."""

from __future__ import annotations

import gc
import os
import weakref
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.errors import MediaError, UsageError
from bauta.media.video import TrackFacts, read_video
from bauta.media.video.read import Frame
from tests.media.video import make

TURNED = {
    (None, False): 1, (0, True): 2, (180, False): 3, (180, True): 4,
    (-90, True): 5, (-90, False): 6, (90, True): 7, (90, False): 8,
}  # fmt: skip
UNEVEN = [0, 512, 1100, 1101, 2600, 2700, 4000, 4001, 5000, 7777]
needs_matrix = pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="PyAV before 18 writes no matrix"
)


def test_facts_of_a_clip(clip):
    source = clip(
        "a.mp4", b_frames=2, colour=(1, 1, 1, 1), aspect=Fraction(4, 3), subtitles="mov_text"
    )
    with read_video(source) as video:
        facts = video.facts
        assert repr(video) == f"Video({str(source)!r}, h264, 96 x 64)"
    assert (facts.container, facts.codec, facts.width, facts.height) == ("mov", "h264", 96, 64)
    assert (facts.pixel_format, facts.bit_depth, facts.hdr) == ("yuv420p", 8, False)
    assert (facts.orientation, facts.rotation, facts.mirrored) == (1, 0, False)
    assert facts.pixel_aspect == Fraction(4, 3)
    assert facts.time_base == make.TICKS
    assert (facts.average_rate, facts.base_rate, facts.variable) == (30, 30, False)
    assert (facts.duration, facts.frame_count, facts.interlaced) == (0.4, 12, False)
    assert facts.tracks == (
        TrackFacts(kind="audio", codec="aac", language="und"),
        TrackFacts(kind="subtitle", codec="mov_text", language="deu"),
    )


@pytest.mark.parametrize(
    ("name", "holds", "container", "codec"),
    [
        ("a.mp4", {"codec": "libx265"}, "mov", "hevc"),
        ("a.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}, "mov", "prores"),
        ("a.3gp", {"codec": "h263", "size": (176, 144)}, "mov", "h263"),
        ("a.mkv", {"codec": "libsvtav1", "sound": "flac"}, "matroska", "av1"),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus"}, "matroska", "vp9"),
        ("a.webm", {"codec": "libvpx", "sound": "libopus"}, "matroska", "vp8"),
        ("a.avi", {"codec": "mpeg4", "b_frames": 2, "sound": "pcm_s16le"}, "avi", "mpeg4"),
        ("a.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p", "sound": None}, "avi", "mjpeg"),
        ("a.ts", {"b_frames": 2}, "mpegts", "h264"),
        ("a.m2ts", {}, "mpegts", "h264"),
        ("a.flv", {"b_frames": 2}, "flv", "h264"),
        ("a.mpg", {"codec": "mpeg2video", "sound": "mp2", "b_frames": 2}, "mpeg", "mpeg2video"),
        ("a.wmv", {"codec": "wmv2", "sound": None}, "asf", "wmv2"),
    ],
)
def test_every_container_yields_its_frames_in_order(name, holds, container, codec, clip):
    clock = Fraction(1, 1000) if name.endswith(("mkv", "webm", "flv")) else Fraction(1, 30)
    source = clip(name, clock=clock, **holds)
    with read_video(source) as video:
        assert (video.facts.container, video.facts.codec) == (container, codec)
        frames = list(video)
    assert [frame.index for frame in frames] == list(range(12))
    gaps = [after.seconds - before.seconds for before, after in pairwise(frames)]
    assert max(abs(gap - 1 / 30) for gap in gaps) < 0.0011
    shown = make.camera(make.photo(), 12, holds.get("size", (96, 64)))
    for frame, truth in zip(frames, shown, strict=True):
        # a neighbour in the wrong place would be closer to another picture than to its own
        distances = [np.abs(frame.pixels.astype(int) - other).mean() for other in shown]
        assert distances.index(min(distances)) == frame.index
        assert frame.pixels.shape == truth.shape
    assert video.notes == (
        [] if video.facts.bit_depth == 8 else ["10 bits per sample are rounded to 8"]
    )


def test_frames_are_read_only_arrays_of_the_decoded_picture(clip):
    source = clip(sound=None, options={"crf": "1"})
    with read_video(source) as video:
        for frame, truth in zip(video, make.camera(make.photo(), 12, (96, 64)), strict=True):
            assert (frame.pixels.dtype, frame.pixels.shape) == (np.uint8, (64, 96, 3))
            assert frame.pixels.flags.c_contiguous
            assert not frame.pixels.flags.writeable
            assert make.psnr(frame.pixels, truth) > 30
            assert frame.pts == frame.index * 512
            assert frame.duration == 512
            assert frame.seconds == pytest.approx(frame.index / 30)


def as_players_show(picture: av.VideoFrame) -> np.ndarray:
    """The picture with every pixel moved by the display matrix of the file, as the format says."""
    rgb = picture.to_ndarray(format="rgb24")
    rows, columns = np.indices(rgb.shape[:2])
    a, b, c, d = 1, 0, 0, 1
    for item in picture.side_data:
        if item.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = np.frombuffer(item, np.int32)[:5] // 65536
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    out = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    out[y, x] = rgb
    return out


@needs_matrix
@pytest.mark.parametrize(("matrix", "orientation"), TURNED.items())
def test_frames_come_upright(matrix, orientation, clip):
    degrees, mirrored = matrix
    source = clip(turned=degrees, mirrored=mirrored, frames=2, aspect=Fraction(3, 2))
    stored = make.frames_of(source)
    with read_video(source) as video:
        facts = video.facts
        assert facts.orientation == orientation
        assert facts.rotation in (0, 90, 180, 270)
        sideways = orientation > 4
        assert (facts.width, facts.height) == ((64, 96) if sideways else (96, 64))
        assert facts.stored_size == (96, 64)
        assert facts.pixel_aspect == (Fraction(2, 3) if sideways else Fraction(3, 2))
        for frame, plain in zip(video, stored, strict=True):
            expected = as_players_show(plain)
            assert frame.pixels.shape == expected.shape
            assert make.psnr(frame.pixels, expected) > 30


@needs_matrix
def test_the_matrix_means_what_its_words_say(clip):
    """90 degrees counter-clockwise, then compared with the photo itself, not with our own turn."""
    source = clip(turned=90, frames=1, sound=None, options={"crf": "1"})
    shown = make.camera(make.photo(), 1, (96, 64))[0]
    with read_video(source) as video:
        assert (video.facts.rotation, video.facts.mirrored) == (270, False)
        assert make.psnr(next(iter(video)).pixels, np.rot90(shown)) > 30
    source = clip("b.mp4", turned=0, mirrored=True, frames=1, sound=None, options={"crf": "1"})
    with read_video(source) as video:
        assert (video.facts.rotation, video.facts.mirrored) == (0, True)
        assert make.psnr(next(iter(video)).pixels, shown[:, ::-1]) > 30


def test_uneven_timestamps_are_told_and_kept(clip):
    with read_video(clip(times=UNEVEN, b_frames=2)) as video:
        assert video.facts.variable
        assert [frame.pts for frame in video] == UNEVEN
    ms = [0, 33, 67, 100, 133, 167, 200, 233, 267, 300]
    with read_video(clip("a.mkv", times=ms, clock=Fraction(1, 1000))) as video:
        assert not video.facts.variable  # rounded to milliseconds, not uneven
        assert [frame.pts for frame in video] == ms


def test_several_passes_also_at_once(clip):
    with read_video(clip(b_frames=2)) as video:
        assert video.frames_read is None
        first = [frame.pixels for frame in video]
        assert video.frames_read == 12
        for one, other, pixels in zip(video, video, first, strict=True):
            np.testing.assert_array_equal(one.pixels, pixels)
            np.testing.assert_array_equal(other.pixels, pixels)


def test_leaving_the_context_ends_all_passes(clip):
    with read_video(clip()) as video:
        frames = iter(video)
        next(frames)
    with pytest.raises(StopIteration):
        next(frames)
    with pytest.raises(UsageError, match="was closed"):
        iter(video)


def test_the_folder_may_change_meanwhile(clip, tmp_path, monkeypatch):
    clip("a.mp4", frames=3)
    monkeypatch.chdir(tmp_path)
    with read_video("a.mp4") as video:
        (tmp_path / "below").mkdir()
        monkeypatch.chdir(tmp_path / "below")
        assert len(list(video)) == 3


@pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "100%d.mp4", "ünï cödé.mp4", "-.mp4"])
def test_any_name_is_a_file_name(name, clip, tmp_path, monkeypatch):
    clip("a.mp4", frames=2).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with read_video(name) as video:
        assert len(list(video)) == 2


def test_a_recording_of_a_browser_that_tells_no_length(clip):
    source = clip(
        "a.webm", codec="libvpx", sound="libopus", clock=Fraction(1, 1000), container={"live": "1"},
        times=[3, 40, 71, 72, 300],
    )  # fmt: skip
    with read_video(source) as video:
        assert (video.facts.duration, video.facts.frame_count) == (None, None)
        assert [frame.pts for frame in video] == [3, 40, 71, 72, 300]
        assert video.notes == []


def test_one_frame_is_a_video(clip):
    with read_video(clip(frames=1, sound=None)) as video:
        assert [frame.pts for frame in video] == [0]
        assert not video.facts.variable


def test_of_two_video_tracks_the_larger_is_read(clip):
    with read_video(clip("a.mkv", second=True, cover=True)) as video:
        assert (video.facts.width, video.facts.height) == (96, 64)
        assert len(list(video)) == 12


def test_fields_and_deep_samples_are_noted(clip):
    with read_video(clip(options={"x264-params": "tff=1"})) as video:
        assert video.facts.interlaced
        assert any("fields" in note for note in video.notes)
    with read_video(clip("b.mp4", pixel_format="yuv420p10le")) as video:
        assert video.facts.bit_depth == 10
        assert video.notes == ["10 bits per sample are rounded to 8"]
        assert next(iter(video)).pixels.dtype == np.uint8


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_tells_its_facts_but_yields_no_frames(transfer, clip):
    source = clip(codec="libx265", pixel_format="yuv420p10le", colour=(1, 9, transfer, 9), frames=2)
    with read_video(source) as video:
        assert video.facts.hdr
        assert video.facts.colour.transfer == transfer
        with pytest.raises(MediaError, match="convert it to SDR"):
            iter(video)


def test_missing_and_backward_timestamps_are_mended(clip, monkeypatch):
    class Picture:
        """A decoded picture with another timestamp."""

        def __init__(self, picture, pts):
            self._picture, self.pts = picture, pts

        def __getattr__(self, name):
            return getattr(self._picture, name)

    given = [0, None, 1024, 900, None, 4096]
    source = clip(frames=6, sound=None)
    with read_video(source) as video:
        real = read_video.__globals__["pictures"]

        def broken(*args):
            for picture, pts in zip(real(*args), given, strict=True):
                yield Picture(picture, pts)

        monkeypatch.setitem(read_video.__globals__, "pictures", broken)
        assert [frame.pts for frame in video] == [0, 512, 1024, 1025, 1537, 4096]
        assert video.notes == ["3 timestamps were missing or ran backwards"]


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no count of memory here")
def test_memory_is_flat_in_the_length_of_the_clip(clip):
    """50 frames of 160 x 120 against 400, of which the 350 more would take 30 MB."""
    held = {}
    for count in (50, 400):
        source = clip(f"{count}.mp4", frames=count, size=(160, 120), gop=50, b_frames=2, sound=None)
        with read_video(source) as video:
            next(iter(video))  # what is loaded once
            gc.collect()
            before = resident()
            alive: weakref.WeakSet[Frame] = weakref.WeakSet()
            most = 0
            for frame in video:
                alive.add(frame)
                most = max(most, len(alive))
            held[count] = resident() - before
        assert video.frames_read == count
        assert most <= 2  # the one before lives on until the loop's name is given to the next
    assert held[400] < held[50] + 6_000_000
