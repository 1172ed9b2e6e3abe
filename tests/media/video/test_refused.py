"""Files that are no video, broken or too large: each with its own error and words of advice."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.errors import (
    CorruptVideoError,
    ImageTooLargeError,
    MediaError,
    NotAVideoError,
)
from bauta.media.video import VideoWriter, read_video
from bauta.media.video.demux import packets
from bauta.media.video.tally import Tally
from tests.media import make as photos
from tests.media.video import make
from tests.media.video.test_write import clock_of, rewritten

FIRST = {"container": {"movflags": "faststart"}}
"""An index at the start of the file, so that a part of it can be opened."""


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    part = path.with_name("cut" + path.suffix)
    part.write_bytes(data[: int(len(data) * share)])
    return part


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"hello, world" * 99, "not a video"), (b"%PDF-1.7 ...", "not a video"),
     (b"PK\3\4" + bytes(500), "not a video"),
     (b"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n", "not a video"),
     (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
     (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", "treat it as a photo"),
     (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "treat it as a photo")],
)  # fmt: skip
def test_what_is_no_video(content, words, put):
    with pytest.raises(NotAVideoError, match=words):
        read_video(put("thing.mp4", content))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_pictures_are_no_videos_even_if_they_move(kind, put):
    first, second = (Image.new("RGB", (32, 32), colour) for colour in ("red", "blue"))
    moving = {} if kind in ("JPEG", "BMP") else {"save_all": True, "append_images": [second]}
    with pytest.raises(NotAVideoError, match="is a picture, not a video"):
        read_video(put("a.mp4", photos.saved(first, kind, **moving)))


def test_missing_files_folders_and_pipes(tmp_path):
    with pytest.raises(MediaError, match="no such file"):
        read_video(tmp_path / "nothing.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        read_video(tmp_path)
    with pytest.raises(MediaError, match="cannot read"):
        read_video("nul\0byte.mp4")
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(MediaError, match="cannot read"):
        read_video(loop)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")
        with pytest.raises(MediaError, match="not an ordinary file"):
            read_video(tmp_path / "pipe.mp4")


def test_files_without_permission(clip, monkeypatch):
    path = clip()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # not chmod: for root it would change nothing
    with pytest.raises(MediaError, match="check its permissions"):
        read_video(path)


def only(source: Path, target: Path, kind: str) -> Path:
    """Copy the tracks of one ``kind`` alone."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        chosen = [stream for stream in file.streams if stream.type == kind]
        added = {one.index: out.add_stream_from_template(one, opaque=True) for one in chosen}
        for packet in file.demux(*chosen):
            if packet.dts is not None:
                packet.stream = added[packet.stream_index]
                out.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_alone_is_no_video(suffix, clip, tmp_path):
    with pytest.raises(NotAVideoError, match="no moving picture"):
        read_video(only(clip("a" + suffix), tmp_path / ("sound" + suffix), "audio"))


def test_sound_with_a_cover_is_no_video(clip, tmp_path):
    sound = only(clip("a.mkv"), tmp_path / "sound.mkv", "audio")
    with av.open(str(sound)) as file, av.open(str(tmp_path / "covered.mkv"), "w") as out:
        stream = out.add_stream_from_template(file.streams.audio[0])
        out.add_attachment("cover.jpg", "image/jpeg", make.cover())
        for packet in file.demux():
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    with pytest.raises(NotAVideoError, match="no moving picture"):
        read_video(tmp_path / "covered.mkv")


@pytest.mark.parametrize("sound", [False, True])
def test_a_video_without_frames(sound, clip, tmp_path):
    path = tmp_path / "empty.mkv"
    with av.open(str(clip("a.mkv"))) as file, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", 30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        heard = out.add_stream_from_template(file.streams.audio[0])
        out.start_encoding()
        for packet in file.demux(file.streams.audio[0]):
            if sound and packet.dts is not None:
                packet.stream = heard
                out.mux(packet)
    words = "no picture that can be decoded" if sound else "damaged or truncated"
    with pytest.raises(CorruptVideoError, match=words):
        read_video(path)


def test_an_unknown_codec(clip, tmp_path):
    source = clip("a.mp4", sound=None)
    source.write_bytes(source.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(MediaError, match=r"convert it to H\.264"):
        read_video(source)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6])
def test_without_its_index_an_mp4_cannot_be_read(share, clip):
    with pytest.raises(CorruptVideoError, match="copy it again"):
        read_video(cut(clip(), share))


@pytest.mark.parametrize(
    ("name", "holds"), [("a.mp4", FIRST), ("a.mkv", {}), ("a.ts", {}), ("a.webm", {})]
)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_of_a_clip_that_breaks_off_the_frames_that_are_there_are_kept(
    name, holds, share, clip, tmp_path
):
    if name == "a.webm":
        holds = {"codec": "libvpx-vp9", "sound": "libopus"}
    whole = clip(name, frames=60, gop=6, **holds)
    part = cut(whole, share)
    with read_video(part) as video:
        assert not any("early" in note for note in video.notes)  # not known before a full pass
        suffix = ".mp4" if name == "a.ts" else part.suffix
        with VideoWriter(video, tmp_path / ("out" + suffix)) as writer:
            for frame in video:
                writer.write(frame, frame.pixels)
        if name != "a.ts":  # whose length nothing tells but its own last packet
            assert any("ends early" in note for note in writer.notes)
    times = clock_of(whole)
    kept = clock_of(writer.path)
    assert 60 * share - 15 < len(kept) < 60
    shift = times[0] - kept[0]
    assert [time + shift for time in kept] == times[: len(kept)]


def test_damage_in_the_middle_is_told(clip):
    source = clip("a.mkv", frames=40, gop=5, sound=None)
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(3)
    for at in rng.integers(len(data) // 3, len(data), 60):
        data[at] ^= 1 << rng.integers(8)
    source.write_bytes(data)
    with read_video(source) as video:
        frames = list(video)
        assert 5 < len(frames) <= 40
        assert any("damaged" in note or "early" in note for note in video.notes)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_random_damage_never_ends_in_anything_but_a_media_error(name, clip, tmp_path):
    data = clip(name, frames=6, size=(64, 48)).read_bytes()
    rng = np.random.default_rng(7)
    for i in range(40):
        broken = bytearray(data)
        for at in rng.integers(0, len(data) if i % 2 else 700, 6):
            broken[at] = rng.integers(256)
        path = tmp_path / f"broken{i}{name[1:]}"
        path.write_bytes(broken)
        try:
            with read_video(path, max_pixels=100_000) as video:
                for frame in video:
                    assert frame.pixels.shape == (video.facts.height, video.facts.width, 3)
        except MediaError:
            pass


def test_sound_that_breaks_off_is_told(clip, tmp_path):
    source = clip("a.mkv", frames=30)
    part = cut(source, 0.7)
    writer = rewritten(part, tmp_path / "out.mkv")
    assert any("ends early" in note for note in writer.notes)
    packets = make.packets_of(writer.path, "audio")
    assert packets == make.packets_of(source, "audio")[: len(packets)]


def test_pictures_beyond_the_limit_are_refused(clip):
    source = clip()
    with pytest.raises(ImageTooLargeError, match="raise max_pixels"):
        read_video(source, max_pixels=96 * 64 - 1)
    with read_video(source, max_pixels=96 * 64) as video:
        assert len(list(video)) == 12


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    """Four million pixels in 2 kB, in a container that claims 16 x 16."""
    black = np.zeros((2000, 2000, 3), np.uint8)
    clip = make.Clip(size=(2000, 2000), sound=None, options={"preset": "ultrafast"})
    bomb = make.make(tmp_path / "bomb.mp4", clip, [black])
    data = bomb.read_bytes()
    assert len(data) < 40_000
    at = data.index(struct.pack(">HH", 2000, 2000), data.index(b"avc1"))
    bomb.write_bytes(data[:at] + struct.pack(">HH", 16, 16) + data[at + 4 :])
    with pytest.raises(ImageTooLargeError, match="2000 x 2000"):
        read_video(bomb, max_pixels=500_000)


def test_a_picture_that_changes_its_size_is_refused(tmp_path, clip):
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", 30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        time = 0
        for size in ((96, 64), (64, 96)):
            part = make.make(tmp_path / f"{size[0]}.ts", make.Clip(size=size, sound=None))
            with av.open(str(part)) as file:
                for packet in file.demux():
                    if packet.dts is not None:
                        packet.stream = stream
                        packet.pts = packet.dts = time
                        time += 2000
                        out.mux(packet)
    with read_video(path) as video, pytest.raises(MediaError, match="changes the size"):
        list(video)


def test_errors_name_the_file_and_keep_the_cause(clip):
    with pytest.raises(CorruptVideoError, match=r"cut\.mp4") as caught:
        read_video(cut(clip(), 0.5))
    assert isinstance(caught.value.__cause__, av.FFmpegError)


def test_a_file_that_cannot_be_read_on_ends_there(clip):
    """What FFmpeg raises between two packets ends the pass, with a note."""

    class Failing:
        """An open file that breaks after three packets."""

        def __init__(self, container: object) -> None:
            self._container = container

        def demux(self, *streams: object) -> object:
            for _, packet in zip(range(3), self._container.demux(*streams), strict=False):
                yield packet
            raise av.InvalidDataError(1, "cannot be read")

    tally = Tally()
    with av.open(str(clip(sound=None))) as container:
        read = list(packets(Failing(container), container.streams, tally))
    assert len(read) == 3
    assert tally.words() == ["the file ends early: what is there was read"]
