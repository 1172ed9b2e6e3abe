"""What is left out of a written video, what stays, and that the bytes of the file agree."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed (extra video)")

from bauta.media.video import describe_metadata, read_video
from bauta.media.video.findings import findings_of
from bauta.media.video.tags import kept_tags, kept_track_tags
from tests.media.video import make
from tests.media.video.test_write import rewritten

PHONE = {
    "com.apple.quicktime.location.ISO6709": "+52.5200+013.4050+034.000/",
    "com.apple.quicktime.make": "MAKE-SECRET",
    "com.apple.quicktime.model": "MODEL-SECRET",
    "com.apple.quicktime.software": "SOFTWARE-SECRET",
    "com.apple.quicktime.creationdate": "2024-05-06T07:08:09+0200",
    "com.apple.quicktime.content.identifier": "IDENTIFIER-SECRET",
    "com.android.serial": "SERIAL-SECRET",
    "title": "TITLE-SECRET",
    "artist": "ARTIST-SECRET",
    "comment": "COMMENT-SECRET",
    "mood": "MOOD-SECRET",
    "creation_time": "2024-05-06T07:08:09.000000Z",
}
PHONE_WORDS = {
    "GPS position", "camera make and model", "software", "date and time", "serial number",
    "unique number of the clip", "title", "name of the author or owner", "comment or description",
    "other notes (mood)", "chapters", "hidden data track (GoPro MET)",
    "notes inside the pictures (of the camera or the encoder)",
}  # fmt: skip
SECRETS = (
    b"SECRET", b"+52.52", b"2024-05", b"com.apple", b"com.android", b"CHAPTER", b"GoPro", b"gpmd",
    b"\xff\xd8\xff", b"Lavf", b"Lavc", b"x264", b"x265",
)  # fmt: skip
ALL_TAGS = {"container": {"movflags": "use_metadata_tags"}}


def phone_clip(clip, name: str = "phone.mp4", **holds: object) -> Path:
    return clip(
        name, tags=PHONE, track_tags={"handler_name": "HANDLER-SECRET"},
        chapters=["CHAPTER-SECRET one", "CHAPTER-SECRET two"], **holds,
    )  # fmt: skip


def made_in(path: Path) -> int:
    """The time of creation in the head of an MP4 file, in seconds since 1904."""
    data = path.read_bytes()
    at = data.index(b"mvhd")
    return int.from_bytes(data[at + 8 : at + 12], "big")


@pytest.mark.parametrize("name", ["phone.mp4", "phone.mov"])
def test_nothing_private_is_left_in_the_bytes(name, clip, tmp_path):
    telemetry = b"TELEMETRY-SECRET" if name == "phone.mp4" else None
    source = phone_clip(clip, name, telemetry=telemetry, subtitles="mov_text", **ALL_TAGS)
    present = source.read_bytes() + make.cover()
    gone = [secret for secret in SECRETS if secret in present]
    assert {b"SECRET", b"+52.52", b"com.apple", b"CHAPTER", b"x264"} <= set(gone)
    writer = rewritten(source, tmp_path / ("out" + source.suffix))
    data = writer.path.read_bytes()
    assert [secret for secret in SECRETS if secret in data] == []
    assert made_in(source) > 0
    assert made_in(writer.path) == 0


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("phone.mkv", "libx264", "aac"), ("phone.mkv", "libx265", "aac"),
     ("phone.webm", "libvpx-vp9", "libopus"), ("phone.mkv", "libsvtav1", "libopus")],
)  # fmt: skip
def test_nothing_private_is_left_in_matroska(name, codec, sound, clip, tmp_path):
    webm = name.endswith("webm")  # which holds neither covers nor MPEG-4
    source = clip(
        name, codec=codec, sound=sound, subtitles="webvtt" if webm else "subrip", tags=PHONE,
        track_tags={"title": "TRACK-SECRET"}, chapters=["CHAPTER-SECRET"], cover=not webm,
        second=not webm,
    )  # fmt: skip
    assert (b"FONT-SECRET" in source.read_bytes()) is not webm
    data = rewritten(source, tmp_path / ("out" + source.suffix)).path.read_bytes()
    # FFmpeg signs Matroska files with its name, but without its version
    left = [secret for secret in SECRETS if secret in data.replace(b"Lavf", b"")]
    assert left == []
    assert data.count(b"Lavf") == 2


def test_every_private_thing_is_listed(clip, tmp_path):
    source = phone_clip(clip, telemetry=b"TELEMETRY", **ALL_TAGS)
    with read_video(source) as video:
        found = describe_metadata(video)
    assert set(found) == {*PHONE_WORDS, "hidden data track"}  # titles of chapters are such a track
    writer = rewritten(source, tmp_path / "out.mp4")
    with read_video(writer.path) as video:
        assert describe_metadata(video) == []


def test_further_tracks_and_attached_files_are_listed(clip, tmp_path):
    source = clip("a.mkv", second=True, cover=True, subtitles="subrip")
    with read_video(source) as video:
        found = describe_metadata(video)
    assert {"a further video track", "cover picture", "attached files", "title"} <= set(found)
    writer = rewritten(source, tmp_path / "out.mkv")
    with av.open(str(writer.path)) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio", "subtitle"]
    with read_video(writer.path) as video:
        assert describe_metadata(video) == []


@pytest.mark.parametrize("policy", ["private", "keep"])
def test_cover_pictures_never_stay(policy, clip, tmp_path):
    source = clip(cover=True, tags={"title": "A title"})
    assert make.cover() in source.read_bytes()
    with read_video(source) as video:
        assert "cover picture" in describe_metadata(video)
    writer = rewritten(source, tmp_path / "out.mp4", metadata=policy)
    assert b"\xff\xd8\xff" not in writer.path.read_bytes()


@pytest.mark.parametrize("name", ["phone.mp4", "phone.mov", "phone.mkv"])
def test_tags_stay_on_request_but_no_second_picture(name, clip, tmp_path):
    telemetry = b"TELEMETRY-SECRET" if name == "phone.mp4" else None
    holds = ALL_TAGS if name != "phone.mkv" else {"cover": True}
    source = phone_clip(clip, name, telemetry=telemetry, **holds)
    writer = rewritten(source, tmp_path / ("out" + source.suffix), metadata="keep")
    data = writer.path.read_bytes()
    assert make.cover() not in data
    assert b"TELEMETRY-SECRET" not in data
    with av.open(str(source)) as before, av.open(str(writer.path)) as after:
        kept = {key.lower(): value for key, value in after.metadata.items()}
        for key, value in PHONE.items():
            assert kept[key.lower()] == value
        titles = [chapter["metadata"]["title"] for chapter in after.chapters()]
        assert titles == [chapter["metadata"]["title"] for chapter in before.chapters()]
        tags = after.streams.video[0].metadata
        assert "HANDLER-SECRET" in tags.values()
        assert len(after.streams.video) == 1
        assert not after.streams.attachments


def test_apple_reads_tags_that_have_apples_names_only_if_they_were_written_so(clip, tmp_path):
    """Ordinary tags stay in the place where players look for them."""
    source = clip(tags={"title": "A title", "comment": "A comment"})
    writer = rewritten(source, tmp_path / "out.mp4", metadata="keep")
    data = writer.path.read_bytes()
    assert b"\xa9nam" in data
    assert b"mdta" not in data


def test_the_language_of_sound_stays(clip, tmp_path):
    path = tmp_path / "in.mp4"
    source = clip(subtitles="mov_text")
    with av.open(str(source)) as file, av.open(str(path), "w") as out:
        streams = {}
        for stream in file.streams:
            streams[stream.index] = out.add_stream_from_template(stream, opaque=True)
        streams[1].metadata["language"] = "fra"
        for packet in file.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
    writer = rewritten(path, tmp_path / "out.mp4")
    with read_video(writer.path) as video:
        assert video.facts.tracks[0].language == "fra"


def test_tags_that_no_longer_fit_are_never_kept():
    tags = {
        "major_brand": "qt  ", "ENCODER": "Lavf", "DURATION": "00:00:01", "BPS-eng": "100",
        "NUMBER_OF_FRAMES": "3", "_STATISTICS_TAGS": "BPS", "rotate": "90", "title": "T",
        "language": "deu",
    }  # fmt: skip
    assert kept_tags(tags, keep=True) == {"title": "T", "language": "deu"}
    assert kept_tags(tags, keep=False) == {}
    assert kept_track_tags(tags, keep=True) == {"title": "T", "language": "deu"}
    assert kept_track_tags(tags, keep=False) == {"language": "deu"}


def test_plain_clips_have_nothing_to_list(clip):
    with read_video(clip("a.ts", codec="mpeg2video", sound="mp2", clock=Fraction(1, 30))) as video:
        assert describe_metadata(video) == []
    assert findings_of.__doc__


def shifted(source: Path, target: Path, seconds: Fraction) -> Path:
    """Move all packets so that the first ``seconds`` are cut off by an edit list."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        added = [out.add_stream_from_template(stream, opaque=True) for stream in file.streams]
        for packet in file.demux():
            if packet.dts is not None:
                ticks = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = added[packet.stream_index]
                out.mux(packet)
    return target


@pytest.mark.parametrize("frames", [30, 35])
def test_what_was_cut_off_does_not_come_back(frames, clip, tmp_path):
    """A trimmed clip hides its start, but holds it, at a key frame or not; the written does not."""
    source = shifted(clip(frames=60, gop=10), tmp_path / "trimmed.mp4", Fraction(frames, 30))
    hidden = [data for time, _, data in make.packets_of(source, "audio") if time < -0.2]
    assert len(hidden) > 30
    with read_video(source) as video:
        assert "pictures that were cut off, but are still in the file" in describe_metadata(video)
        assert len(list(video)) == 60 - frames
        assert video.notes == []
    writer = rewritten(source, tmp_path / "out.mp4")
    data = writer.path.read_bytes()
    assert not any(packet in data for packet in hidden)
    before, after = (make.packets_of(path, "audio") for path in (source, writer.path))
    assert [packet for packet in after if packet[0] >= 0] == [p for p in before if p[0] >= 0]
    assert [frame.pts for frame in make.frames_of(writer.path)] == [
        512 * i for i in range(60 - frames)
    ]
    with av.open(str(source)) as one, av.open(str(writer.path)) as other:
        heard = [
            np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
            for file in (one, other)
        ]
    length = min(samples.shape[1] for samples in heard)
    np.testing.assert_allclose(
        heard[0][:, -length:], heard[1][:, -length:], atol=3e-3
    )  # AAC draws noise
