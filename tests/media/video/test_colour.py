"""Colours: decoded by the stream's own matrix and range, and coded back to the same samples."""

from __future__ import annotations

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.errors import MediaError
from bauta.media.video import VideoWriter, read_video
from bauta.media.video.colour import Coding, coding_of, encoded, planes_of, rgb_of
from bauta.media.video.facts import ColourTags
from tests.media.video import make

CODINGS = [(matrix, full) for matrix in make.LUMA for full in (False, True)]


def reference(y: np.ndarray, cb: np.ndarray, cr: np.ndarray, matrix: int, full: bool) -> np.ndarray:
    """RGB of samples of equal size, by the formula of H.273, without rounding."""
    red, green, blue = make.LUMA[matrix]
    low, luma, chroma = (0, 255, 255) if full else (16, 219, 224)
    y, cb, cr = (y - low) / luma, (cb - 128.0) / chroma, (cr - 128.0) / chroma
    r = y + 2 * (1 - red) * cr
    b = y + 2 * (1 - blue) * cb
    g = (y - red * r - blue * b) / green
    return np.clip(255 * np.stack([r, g, b], axis=-1), 0, 255)


def picture(pixel_format: str, seed: int = 1) -> av.VideoFrame:
    """A picture of flat patches, so that chroma looks the same at every size."""
    frame = av.VideoFrame(64, 48, pixel_format)
    rng = np.random.default_rng(seed)
    for i, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        low, high = ((60, 190), (108, 148), (108, 148))[i]
        patches = rng.integers(low, high, (1 if i else 3, 1 if i else 4))
        shape = (plane.height // len(patches), plane.width // patches.shape[1])
        rows[:, : plane.width] = np.kron(patches, np.ones(shape))
    return frame


def samples(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize(("matrix", "full"), CODINGS)
def test_rgb_is_that_of_the_recommendations(pixel_format, matrix, full):
    frame = picture(pixel_format)
    y, cb, cr = (plane.astype(float) for plane in samples(frame))
    cb, cr = (np.full_like(y, plane[0, 0]) for plane in (cb, cr))
    decoded = rgb_of(frame, Coding(matrix, full))
    assert np.abs(decoded - reference(y, cb, cr, matrix, full)).max() <= 1


@pytest.mark.parametrize(("matrix", "full"), CODINGS)
def test_coding_undoes_decoding(matrix, full):
    frame = picture("yuv420p", seed=2)
    planes = encoded(rgb_of(frame, Coding(matrix, full)), Coding(matrix, full))
    for new, old in zip(planes, samples(frame), strict=True):
        assert np.abs(new.astype(int) - old).max() <= 1
        assert abs((new.astype(int) - old).mean()) < 0.75


@pytest.mark.parametrize(("matrix", "full"), CODINGS)
def test_a_photo_keeps_its_colours(matrix, full):
    photo = make.photo()
    frame = make.camera(photo, 1, (96, 64))[0]
    levels = (2 if full else 1, 2, 2, matrix)
    decoded = make._frame(frame, make.Clip(colour=levels), 0)
    coding = Coding(matrix, full)
    back = encoded(rgb_of(decoded, coding), coding)
    for new, old, worst in zip(back, samples(decoded), (0.1, 0.3, 0.3), strict=True):
        assert abs((new.astype(float) - old).mean()) < worst
        assert make.psnr(new, old) > 40


@pytest.mark.parametrize(
    ("tags", "width", "height", "expected"),
    [
        (ColourTags(), 720, 576, Coding(6, False)),
        (ColourTags(), 640, 480, Coding(6, False)),
        (ColourTags(), 1280, 534, Coding(1, False)),
        (ColourTags(), 720, 1280, Coding(1, False)),
        (ColourTags(matrix=1), 320, 240, Coding(1, False)),
        (ColourTags(matrix=5), 1920, 1080, Coding(5, False)),
        (ColourTags(matrix=9, range=2), 320, 240, Coding(9, True)),
        (ColourTags(matrix=0, range=2), 320, 240, Coding(6, True)),
    ],
)
def test_silent_files_are_taken_as_players_take_them(tags, width, height, expected):
    assert coding_of(tags, width, height, "a") == expected


@pytest.mark.parametrize("matrix", [8, 10, 14])
def test_unusual_matrices_are_refused(matrix):
    with pytest.raises(MediaError, match=r"convert it to BT\.709"):
        coding_of(ColourTags(matrix=matrix), 320, 240, "a")


def test_stored_samples_stay_as_they_are():
    for pixel_format in ("yuv420p", "yuvj420p"):
        frame = picture(pixel_format, seed=3)
        coding = Coding(6, pixel_format == "yuvj420p")
        for new, old in zip(planes_of(frame, coding), samples(frame), strict=True):
            np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize(
    "colour", [(1, 1, 1, 1), (2, 1, 1, 1), (1, 6, 6, 6), (2, 5, 6, 5), (1, 9, 14, 9), make.SILENT]
)
def test_the_tags_decide_and_are_kept(colour, clip, tmp_path):
    source = clip(colour=colour, frames=3, options={"crf": "1"})
    shown = make.camera(make.photo(), 3, (96, 64))
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mp4") as writer:
        tags = video.facts.colour
        assert (tags.range, tags.primaries, tags.transfer, tags.matrix) == colour
        for frame, truth in zip(video, shown, strict=True):
            assert np.abs((frame.pixels.astype(float) - truth).mean((0, 1))).max() < 0.35
            writer.write(frame, frame.pixels + np.uint8(0))
    with read_video(tmp_path / "out.mp4") as again:
        assert again.facts.colour == tags


@pytest.mark.parametrize("colour", [(1, 1, 1, 1), (2, 1, 1, 1), (1, 6, 6, 6), (2, 5, 6, 5)])
def test_wholly_changed_pictures_get_no_colour_cast(colour, clip, tmp_path):
    source = clip(colour=colour, frames=3, options={"crf": "1"})
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mp4", crf=1) as writer:
        wanted = []
        for frame in video:
            wanted.append(np.clip(frame.pixels.astype(int) + 9, 9, 240).astype(np.uint8))
            writer.write(frame, wanted[-1])
    with read_video(tmp_path / "out.mp4") as again:
        for frame, pixels in zip(again, wanted, strict=True):
            assert np.abs((frame.pixels.astype(float) - pixels).mean((0, 1))).max() < 0.35
            assert make.psnr(frame.pixels, pixels) > 33


def test_rgb_inside_a_video_becomes_bt709_or_bt601(clip, tmp_path):
    source = clip(
        "a.mkv", codec="libx264rgb", pixel_format="rgb24", colour=(2, 1, 13, 0), sound=None
    )
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mkv", crf=1) as writer:
        assert video.facts.pixel_format == "gbrp"
        pixels = []
        for frame in video:
            pixels.append(frame.pixels)
            writer.write(frame, frame.pixels)
    with read_video(tmp_path / "out.mkv") as again:
        assert again.facts.colour.matrix == 6
        for frame, before in zip(again, pixels, strict=True):
            assert np.abs((frame.pixels.astype(float) - before).mean((0, 1))).max() < 0.35


def test_a_player_takes_a_turned_silent_clip_for_what_it_was(clip, tmp_path):
    """640 x 480 is BT.601 to a player, 480 x 640 would be BT.709, so the file says which."""
    source = clip(size=(640, 480), turned=90, frames=1, sound=None)
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mp4") as writer:
        assert video.facts.colour.matrix == 2
        for frame in video:
            before = frame.pixels
            writer.write(frame, before)
    with read_video(tmp_path / "out.mp4") as again:
        assert again.facts.colour.matrix == 6
        assert np.abs((next(iter(again)).pixels.astype(float) - before).mean((0, 1))).max() < 0.5
