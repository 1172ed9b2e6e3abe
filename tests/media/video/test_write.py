"""Writing: read back from the disk, a clip has the same clock, sound and pictures as before."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.errors import MediaError, UsageError
from bauta.media.video import Video, VideoWriter, output_suffix, read_video
from bauta.media.video.read import Frame
from tests.media.video import make
from tests.media.video.test_read import UNEVEN, needs_matrix, resident

MILLISECOND = Fraction(1, 1000)
Change = Callable[[np.ndarray], np.ndarray]


def same(pixels: np.ndarray) -> np.ndarray:
    return pixels


def rewritten(source: Path, target: Path, change: Change = same, **options: object) -> VideoWriter:
    """Write ``source`` to ``target`` with changed pixels; return the writer."""
    with read_video(source) as video, VideoWriter(video, target, **options) as writer:
        for frame in video:
            writer.write(frame, change(frame.pixels))
    return writer


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def clock_of(path: Path) -> list[Fraction]:
    """When the frames are shown, in seconds, by PyAV alone."""
    return [frame.pts * frame.time_base for frame in make.frames_of(path)]


def pixels_of(path: Path) -> list[np.ndarray]:
    with read_video(path) as video:
        return [frame.pixels for frame in video]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize(
    "holds",
    [
        {},
        {"times": UNEVEN, "b_frames": 2},
        {"clock": Fraction(1001, 30000), "times": [0, 1, 2, 5, 6]},
        {"clock": Fraction(1, 90000), "times": [900, 3901, 6905, 9907, 90001]},
        {"clock": Fraction(1, 600), "times": [20, 40, 61, 81]},
    ],
)
def test_timestamps_are_the_same_to_the_tick(holds, suffix, clip, tmp_path):
    source = clip("in" + suffix, **holds)
    rewritten(source, tmp_path / ("out" + suffix))
    assert clock_of(tmp_path / ("out" + suffix)) == clock_of(source)
    with read_video(source) as before, read_video(tmp_path / ("out" + suffix)) as after:
        assert after.facts.variable == before.facts.variable
        if "b_frames" not in holds:  # MP4 counts a length in the order of decoding
            assert after.facts.duration == before.facts.duration


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("a.mkv", {"b_frames": 2}),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus"}),
        ("a.webm", {"codec": "libvpx", "sound": "libopus"}),
        ("a.mkv", {"codec": "libsvtav1", "sound": "flac"}),
        ("a.mkv", {"codec": "libx265", "sound": "libmp3lame"}),
    ],
)
@pytest.mark.parametrize("times", [None, [0, 40, 41, 43, 100, 250, 251, 260, 400]])
def test_matroska_keeps_its_milliseconds(name, holds, times, clip, tmp_path):
    source = clip(name, clock=MILLISECOND, times=times, **holds)
    writer = rewritten(source, tmp_path / ("out" + source.suffix))
    assert clock_of(writer.path) == clock_of(source)
    assert make.packets_of(writer.path, "audio") == make.packets_of(source, "audio")
    with read_video(source) as before, read_video(writer.path) as after:
        assert after.facts.codec == before.facts.codec
        assert writer.notes == []


@pytest.mark.parametrize("name", ["a.avi", "a.ts", "a.flv", "a.mpg"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_other_containers_keep_their_gaps_and_stay_in_step(name, suffix, clip, tmp_path):
    clock = MILLISECOND if name == "a.flv" else Fraction(1, 30)
    codec = {"a.avi": "mpeg4", "a.mpg": "mpeg2video"}.get(name, "libx264")
    sound = {"a.avi": "libmp3lame", "a.mpg": "mp2"}.get(name, "aac")
    source = clip(name, codec=codec, sound=sound, clock=clock, b_frames=2)
    with read_video(source) as video:
        assert output_suffix(video) == ".mp4"
    writer = rewritten(source, tmp_path / ("out" + suffix))
    rounding = Fraction(1, 40000) if suffix == ".mp4" else MILLISECOND
    before, after = clock_of(source), clock_of(writer.path)
    shift = before[0] - after[0]
    for new, old in zip(after, before, strict=True):
        assert new + shift == old if suffix == ".mp4" else abs(new + shift - old) <= rounding
    sound_before, sound_after = (make.packets_of(p, "audio") for p in (source, writer.path))
    header = 7 if name == "a.ts" else 0  # each packet of AAC has one there, which MP4 has none of
    assert [data for *_, data in sound_after] == [data[header:] for *_, data in sound_before]
    # picture and sound moved together, to the tick of the sound
    for new, old in zip(sound_after, sound_before, strict=True):
        assert abs(old[0] - new[0] - shift) <= 2 * rounding
    # the clock of a transport stream starts anywhere, that of a file with its content
    if name in ("a.ts", "a.mpg"):
        assert min(after[0], sound_after[0][0]) == 0
    else:
        assert abs(shift) <= (rounding if suffix == ".mkv" else 0)


def test_mp4_to_matroska_rounds_to_milliseconds_and_stays_in_step(clip, tmp_path):
    source = clip(times=UNEVEN, b_frames=2)
    writer = rewritten(source, tmp_path / "out.mkv")
    before, after = clock_of(source), clock_of(writer.path)
    # AAC starts 1024 samples before the picture, which Matroska cannot say: all move together
    shift = after[0] - before[0]
    assert abs(shift - Fraction(1024, make.RATE)) <= MILLISECOND
    assert len(after) == len(before)
    assert all(
        abs(new - old - shift) <= MILLISECOND for new, old in zip(after, before, strict=True)
    )
    sound_before, sound_after = (make.packets_of(p, "audio") for p in (source, writer.path))
    assert [data for *_, data in sound_after] == [data for *_, data in sound_before]
    assert abs(sound_after[0][0] - sound_before[0][0] - shift) <= MILLISECOND


@pytest.mark.parametrize(
    ("name", "sound"),
    [("a.mp4", "aac"), ("a.mp4", "libmp3lame"), ("a.mp4", "libopus"), ("a.mp4", "flac"),
     ("a.mov", "aac"), ("a.mov", "pcm_s16le"), ("a.mp4", "alac"), ("a.mp4", "ac3")],
)  # fmt: skip
def test_sound_is_copied_byte_by_byte(name, sound, clip, tmp_path):
    source = clip(name, sound=sound, frames=40)
    writer = rewritten(source, tmp_path / ("out" + source.suffix))
    packets = make.packets_of(writer.path, "audio")
    assert packets == make.packets_of(source, "audio")
    assert len(packets) > 10
    with read_video(source) as before, read_video(writer.path) as after:
        assert after.facts.tracks == before.facts.tracks


def test_copied_sound_sounds_the_same(clip, tmp_path):
    source = clip(frames=30)
    writer = rewritten(source, tmp_path / "out.mp4")
    heard = []
    for path in (source, writer.path):
        with av.open(str(path)) as file:
            frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
        heard.append(np.concatenate(frames, axis=1))
    np.testing.assert_array_equal(*heard)
    assert heard[0].shape[1] > make.RATE * 0.9


def test_sound_and_pictures_are_interleaved(clip, tmp_path):
    """A player that reads on never has to hold more than a second of one for the other."""
    source = clip(frames=120, size=(64, 48), gop=60)
    writer = rewritten(source, tmp_path / "out.mp4")
    with av.open(str(writer.path)) as file:
        entries = sorted(
            (entry.pos, stream.index, float(entry.timestamp * stream.time_base))
            for stream in file.streams
            for entry in stream.index_entries
        )
    reached = {0: 0.0, 1: 0.0}
    for _, index, time in entries:
        reached[index] = time
        assert abs(reached[0] - reached[1]) < 1


@pytest.mark.parametrize(
    ("name", "codec", "subtitles"),
    [("a.mp4", "libx264", "mov_text"), ("a.mkv", "libx264", "subrip"),
     ("a.webm", "libvpx-vp9", "webvtt")],
)  # fmt: skip
def test_subtitles_are_copied(name, codec, subtitles, clip, tmp_path):
    sound = "libopus" if name == "a.webm" else "aac"
    source = clip(name, codec=codec, sound=sound, subtitles=subtitles, frames=60)
    writer = rewritten(source, tmp_path / ("out" + source.suffix))
    packets = make.packets_of(writer.path, "subtitle")
    assert packets == make.packets_of(source, "subtitle")
    assert any(b"Auf Wiedersehen" in data for *_, data in packets)
    with read_video(writer.path) as video:
        assert ("subtitle", "deu") in [(one.kind, one.language) for one in video.facts.tracks]


def test_which_tracks_play_by_default_is_kept(clip, tmp_path):
    source = clip("a.mkv", subtitles="subrip")
    writer = rewritten(source, tmp_path / "out.mkv")
    with av.open(str(source)) as before, av.open(str(writer.path)) as after:
        kept = [stream.disposition for stream in after.streams.audio + after.streams.subtitles]
        assert any(disposition & av.stream.Disposition.forced for disposition in kept)
        assert kept == [s.disposition for s in before.streams.audio + before.streams.subtitles]


@needs_matrix
@pytest.mark.parametrize("matrix", [(90, False), (-90, False), (180, False), (0, True), (90, True)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_turned_clips_look_the_same_to_a_player(matrix, suffix, clip, tmp_path):
    degrees, mirrored = matrix
    source = clip(
        "a" + suffix, turned=degrees, mirrored=mirrored, aspect=Fraction(4, 3), frames=4,
        clock=MILLISECOND,
    )  # fmt: skip
    writer = rewritten(source, tmp_path / ("out" + suffix))
    with read_video(source) as before, read_video(writer.path) as after:
        assert before.facts.orientation != 1
        assert after.facts.orientation == 1
        assert after.facts.pixel_aspect == before.facts.pixel_aspect
        for old, new, stored in zip(before, after, make.frames_of(writer.path), strict=True):
            assert make.psnr(new.pixels, old.pixels) > 36
            # no player has anything to turn: the stored picture is the upright one
            assert (stored.width, stored.height) == (old.pixels.shape[1], old.pixels.shape[0])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"),
                                             ("a.mp4", "libx265"), ("a.mkv", "libx265"),
                                             ("a.mp4", "libsvtav1")])  # fmt: skip
def test_the_shape_of_pixels_is_kept(name, codec, clip, tmp_path):
    source = clip(name, codec=codec, aspect=Fraction(16, 11), frames=3)
    writer = rewritten(source, tmp_path / ("out" + source.suffix))
    with read_video(source) as before, read_video(writer.path) as after:
        assert after.facts.pixel_aspect == before.facts.pixel_aspect == Fraction(16, 11)
        assert after.facts.codec == before.facts.codec


def test_other_shapes_of_pixels_than_squares_do_not_go_into_webm(clip, tmp_path):
    source = clip("a.mp4", codec="libsvtav1", aspect=Fraction(4, 3), frames=3, sound="libopus")
    with read_video(source) as video, pytest.raises(MediaError, match="not square"):
        VideoWriter(video, tmp_path / "out.webm")
    writer = rewritten(source, tmp_path / "out.mkv")
    assert writer.notes == ["written in h264, because av1 cannot be"]
    with read_video(writer.path) as video:
        assert video.facts.pixel_aspect == Fraction(4, 3)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "grows"),
    [("a.webm", "libvpx-vp9", "yuv420p", 0), ("a.webm", "libvpx", "yuv420p", 0),
     ("a.mkv", "libsvtav1", "yuv420p", 0), ("a.mp4", "libx264", "yuv444p", 1),
     ("a.avi", "mjpeg", "yuvj420p", 1), ("a.mp4", "libx265", "yuv444p", 1)],
)  # fmt: skip
@pytest.mark.parametrize("size", [(97, 65), (96, 65), (97, 64)])
def test_odd_sizes(name, codec, pixel_format, grows, size, clip, tmp_path):
    source = clip(
        name, codec=codec, pixel_format=pixel_format, size=size, sound=None, clock=Fraction(1, 30),
        frames=4,
    )  # fmt: skip
    with read_video(source) as video:
        suffix = output_suffix(video)
    invert: Change = lambda pixels: np.where(pixels > 127, pixels - 20, pixels + 20)  # noqa: E731  a line says it
    writer = rewritten(source, tmp_path / ("out" + suffix), invert)
    assert any("grew by one" in note for note in writer.notes) == bool(grows)
    width, height = size
    expected = (width + width % 2 * grows, height + height % 2 * grows)
    for new, old in zip(pixels_of(writer.path), pixels_of(source), strict=True):
        assert (new.shape[1], new.shape[0]) == expected
        assert make.psnr(new[:height, :width], invert(old)) > 28
        if expected[0] > width:  # what grew repeats its neighbour, so that no seam shows
            assert np.abs(new[:, width:].astype(int) - new[:, width - 1 : width]).mean() < 12


def test_what_does_not_change_is_not_coded_by_way_of_rgb(clip, tmp_path):
    """Luma and chroma of unchanged parts differ from the source by the encoder alone."""
    source = clip(frames=4, sound=None, options={"crf": "4"})
    for name, change in {
        "same": same,
        "patch": lambda pixels: _patched(pixels, 10, 20, 16, 24),
    }.items():
        writer = rewritten(source, tmp_path / f"{name}.mp4", change, crf=1)
        for new, old in zip(make.frames_of(writer.path), make.frames_of(source), strict=True):
            for i, (after, before) in enumerate(zip(_planes(new), _planes(old), strict=True)):
                scale = 2 if i else 1
                kept = np.ones(before.shape, bool)
                if name == "patch":
                    kept[10 // scale : 26 // scale, 20 // scale : 44 // scale] = False
                assert np.abs(after.astype(int) - before)[kept].mean() < 0.5


def test_changed_parts_are_what_was_asked_for(clip, tmp_path):
    rng = np.random.default_rng(5)
    noise = rng.integers(-12, 13, (64, 96, 1))

    def masked(pixels: np.ndarray) -> np.ndarray:
        out = pixels.astype(int)
        out[11:47, 23:70] += noise[11:47, 23:70]
        return np.clip(out, 0, 255).astype(np.uint8)

    source = clip(frames=6, sound=None)
    rewritten(source, tmp_path / "out.mp4", masked, crf=6)
    for new, old in zip(pixels_of(tmp_path / "out.mp4"), pixels_of(source), strict=True):
        asked = masked(old)
        assert make.psnr(new[11:47, 23:70], asked[11:47, 23:70]) > 34
        difference = (new.astype(float) - old)[11:47, 23:70].mean(axis=2)
        assert np.corrcoef(difference.ravel(), noise[11:47, 23:70, 0].ravel())[0, 1] > 0.9


def test_what_is_covered_leaves_no_trace(clip, tmp_path):
    """Nothing of the chroma of the source shines through a grey bar, be it laid at odd places."""
    source = clip(frames=3, sound=None, options={"crf": "1"})

    def barred(pixels: np.ndarray) -> np.ndarray:
        out = pixels.copy()
        out[13:40, 21:75] = 128
        return out

    rewritten(source, tmp_path / "out.mp4", barred, crf=1)
    for new in pixels_of(tmp_path / "out.mp4"):
        inside = new[16:37, 24:72].astype(int)  # chroma mixes over the edge by a pixel or two
        assert np.abs(inside - 128).max() <= 4


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx", "libvpx-vp9", "libsvtav1"])
def test_quality_is_high_by_default(codec, clip, tmp_path, capfd):
    options = {"crf": "4", "b": "100M"} if codec == "libvpx" else {"crf": "8"}
    source = clip("in.mkv", codec=codec, size=(192, 128), sound=None, options=options)
    capfd.readouterr()  # what encoders say while the clip is made
    rewritten(source, tmp_path / "out.mkv")
    rewritten(source, tmp_path / "rough.mkv", crf=40)
    assert capfd.readouterr() == ("", "")
    before = pixels_of(source)
    fine, rough = (
        [make.psnr(new, old) for new, old in zip(pixels_of(tmp_path / name), before, strict=True)]
        for name in ("out.mkv", "rough.mkv")
    )
    assert min(fine) > 36
    assert np.mean(rough) < np.mean(fine) - 3


@pytest.mark.parametrize(
    ("codec", "colour"),
    [*product(["libx264", "libx265", "libvpx-vp9", "libsvtav1"],
              [(1, 1, 1, 1), (2, 1, 13, 1), (1, 6, 6, 6)]),
     ("libvpx", (1, 6, 6, 5))],  # VP8 knows no other
)  # fmt: skip
def test_every_codec_carries_the_colour_tags(codec, colour, clip, tmp_path):
    source = clip("in.mkv", codec=codec, colour=colour, frames=2, sound=None)
    rewritten(source, tmp_path / "out.mkv", lambda pixels: 255 - pixels)
    with read_video(source) as before, read_video(tmp_path / "out.mkv") as after:
        assert after.facts.colour == before.facts.colour
        tags = before.facts.colour
        assert (tags.range, tags.primaries, tags.transfer, tags.matrix) == colour
        for old, new in zip(before, after, strict=True):
            assert np.abs((255.0 - old.pixels - new.pixels).mean((0, 1))).max() < 0.7


@pytest.mark.parametrize(
    ("name", "codec", "target", "becomes"),
    [("a.mp4", "libx264", "out.mkv", "h264"), ("a.mp4", "libx264", "out.webm", "vp9"),
     ("a.webm", "libvpx-vp9", "out.mp4", "vp9"), ("a.webm", "libvpx", "out.mp4", "h264"),
     ("a.webm", "libvpx-vp9", "out.mov", "h264"), ("a.mkv", "ffv1", "out.webm", "vp9"),
     ("a.mp4", "libx265", "out.webm", "vp9"), ("a.mp4", "libx265", "out.mov", "hevc")],
)  # fmt: skip
def test_the_codec_that_the_container_holds(name, codec, target, becomes, clip, tmp_path):
    sound = None if target == "out.mov" else "libopus"
    source = clip(name, codec=codec, sound=sound, frames=4, clock=MILLISECOND)
    writer = rewritten(source, tmp_path / target)
    with read_video(source) as before, read_video(writer.path) as after:
        assert after.facts.codec == becomes
        changed = before.facts.codec != becomes
        assert writer.notes == (
            [f"written in {becomes}, because {before.facts.codec} cannot be"] if changed else []
        )
        assert len(list(after)) == 4


def test_hevc_carries_the_name_that_apple_reads(clip, tmp_path):
    writer = rewritten(clip(codec="libx265", frames=2), tmp_path / "out.mp4")
    assert b"hvc1" in writer.path.read_bytes()


def test_ten_bits_become_eight_with_a_word(clip, tmp_path):
    source = clip(pixel_format="yuv420p10le", frames=3)
    writer = rewritten(source, tmp_path / "out.mp4")
    assert writer.notes == ["10 bits per sample are rounded to 8"]
    with read_video(writer.path) as video:
        assert video.facts.bit_depth == 8
    for new, old in zip(pixels_of(writer.path), pixels_of(source), strict=True):
        assert make.psnr(new, old) > 38


def test_hdr_is_not_written(clip, tmp_path):
    source = clip(codec="libx265", pixel_format="yuv420p10le", colour=(1, 9, 16, 9), frames=2)
    with read_video(source) as video, pytest.raises(MediaError, match="HDR"):
        VideoWriter(video, tmp_path / "out.mp4")
    assert files(tmp_path) == ["clip.mp4"]


def test_one_frame_and_no_sound(clip, tmp_path):
    source = clip(frames=1, sound=None)
    writer = rewritten(source, tmp_path / "out.mp4")
    assert clock_of(writer.path) == [0]
    with read_video(source) as before, read_video(writer.path) as after:
        assert after.facts.duration == before.facts.duration


@pytest.mark.parametrize("length", [3, 30])
def test_sound_that_is_longer_or_shorter_than_the_pictures(length, clip, tmp_path):
    source = clip(times=[0, 512, 1024, 512 * length])
    with av.open(str(source)) as file, av.open(str(tmp_path / "in.mp4"), "w") as cut:
        # the video of one clip and the sound of another
        long = make.make(tmp_path / "long.mp4", make.Clip(frames=33 - length))
        with av.open(str(long)) as sound:
            video = cut.add_stream_from_template(file.streams.video[0], opaque=True)
            audio = cut.add_stream_from_template(sound.streams.audio[0])
            for packet in file.demux(file.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = video
                    cut.mux(packet)
            for packet in sound.demux(sound.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = audio
                    cut.mux(packet)
    writer = rewritten(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert clock_of(writer.path) == clock_of(tmp_path / "in.mp4")
    assert make.packets_of(writer.path, "audio") == make.packets_of(tmp_path / "in.mp4", "audio")


def written(video: Video, target: Path, indices: list[int]) -> None:
    """Write the frames of these ``indices``, in this order."""
    frames = list(video)
    with VideoWriter(video, target) as writer:
        for index in indices:
            writer.write(frames[index], frames[index].pixels)


@pytest.mark.parametrize(("indices", "due"), [([0, 2], 1), ([0, 0], 1), ([1], 0)])
def test_frames_must_be_written_once_and_in_order(indices, due, clip, tmp_path):
    words = f"frame {indices[-1]} was given where frame {due} is due"
    with read_video(clip()) as video, pytest.raises(UsageError, match=words):
        written(video, tmp_path / "out.mp4", indices)
    assert files(tmp_path) == ["clip.mp4"]


def test_frames_that_are_missing_at_the_end_are_noticed(clip, tmp_path):
    with read_video(clip()) as video, pytest.raises(MediaError, match=r"7 frames .* it has 12"):
        written(video, tmp_path / "out.mp4", list(range(7)))
    assert files(tmp_path) == ["clip.mp4"]


def test_a_pass_that_was_left_early_is_noticed(clip, tmp_path):
    def leave_early(video: Video) -> None:
        with VideoWriter(video, tmp_path / "out.mp4") as writer:
            for frame in video:
                if frame.index == 7:
                    break
                writer.write(frame, frame.pixels)

    with read_video(clip()) as video, pytest.raises(MediaError, match="not read to its end"):
        leave_early(video)
    assert files(tmp_path) == ["clip.mp4"]


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((64, 96, 3), np.float32), np.zeros((96, 64, 3), np.uint8),
     np.zeros((64, 96), np.uint8), [[0]]],
)  # fmt: skip
def test_pixels_of_another_kind_are_refused(pixels, clip, tmp_path):
    source = clip()
    with pytest.raises(UsageError, match="pixels must"):
        rewritten(source, tmp_path / "out.mp4", lambda _: pixels)
    assert files(tmp_path) == ["clip.mp4"]


def test_misuse_of_the_writer(clip, tmp_path):
    with read_video(clip()) as video:
        with pytest.raises(UsageError, match='"private" or "keep"'):
            VideoWriter(video, tmp_path / "out.mp4", metadata="none")
        with pytest.raises(UsageError, match="with block"):
            VideoWriter(video, tmp_path / "out.mp4").write(next(iter(video)), None)
        for name in ("out.avi", "out", "out.jpg"):
            with pytest.raises(MediaError, match=r"let the name end in \.mp4"):
                VideoWriter(video, tmp_path / name)
    with pytest.raises(UsageError, match="was closed"):
        VideoWriter(video, tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("name", "target", "way_out", "holds"),
    [
        ("a.mp4", "out.webm", ".mp4", {}),
        ("a.mkv", "out.mp4", ".mkv", {"subtitles": "subrip"}),
        ("a.mp4", "out.mkv", ".mp4", {"subtitles": "mov_text"}),
        ("a.avi", "out.mp4", ".mkv", {"sound": "adpcm_ms", "clock": Fraction(1, 30)}),
    ],
)
def test_tracks_that_do_not_fit_name_a_way_out(name, target, way_out, holds, clip, tmp_path):
    source = clip(name, **holds)
    with pytest.raises(MediaError, match=f'end in "\\{way_out}"'):
        rewritten(source, tmp_path / target)
    assert files(tmp_path) == [name]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.mp4", ".mp4"), ("a.MOV", ".MOV"), ("a.m4v", ".m4v"), ("a.3gp", ".mp4"), ("a.mkv", ".mkv"),
     ("a.mp4.bin", ".mp4"), ("a.mkv.mp4", ".mkv")],
)  # fmt: skip
def test_a_suffix_that_fits(name, suffix, clip, tmp_path):
    made = clip("made.mkv" if "mkv" in name else "made.mp4", frames=1, sound=None)
    with read_video(made.rename(tmp_path / name)) as video:
        assert output_suffix(video) == suffix


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no count of memory here")
def test_memory_is_flat_while_writing(clip, tmp_path):
    """Once the encoder is full, 150 frames more, of 13 MB, add nothing."""
    source = clip(frames=240, size=(160, 120), gop=50, sound="pcm_s16le")
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    held = []
    with read_video(source) as video, VideoWriter(video, tmp_path / "out.mp4") as writer:
        for frame in video:
            alive.add(frame)
            writer.write(frame, 255 - frame.pixels)
            held.append(resident())
            assert len(alive) <= 2
            # durations of pictures that are in the encoder still, and no sound ahead of them
            assert len(writer._job._pictures._durations) < 90
            tracks = writer._job.tracks
            assert tracks._begin(tracks._next) < frame.seconds + 0.1
    assert held[-1] < held[90] + 3_000_000


def _patched(pixels: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    out = pixels.copy()
    out[top : top + height, left : left + width] = (
        255 - out[top : top + height, left : left + width]
    )
    return out


def _planes(frame: av.VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]
