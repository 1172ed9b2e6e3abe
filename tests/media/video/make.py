"""Clips for the tests: a camera moves over a real photo, with sound, odd clocks and private notes.

PyAV makes them, so that every test states what its clip holds. They are small: 96 x 64 pixels and
a dozen frames unless a test asks for more.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RATE = 44100
TICKS = Fraction(1, 15360)
"""The clock of the clips: 512 ticks are 1/30 s."""

BIT_EXACT = 1 << 23
"""FFmpeg's flag for encoders that do not write their name into what they make."""

EXACT = 0x4 | 0x2000 | 0x40000 | 0x80000
"""Flags of swscale: bicubic, and exact."""

LUMA = {
    1: (0.2126, 0.7152, 0.0722),
    4: (0.30, 0.59, 0.11),
    5: (0.299, 0.587, 0.114),
    6: (0.299, 0.587, 0.114),
    7: (0.212, 0.701, 0.087),
    9: (0.2627, 0.6780, 0.0593),
}
"""Shares of red, green and blue in the luma by the code point of the matrix (ITU-T H.273)."""

SILENT = (0, 2, 2, 2)
"""Colour tags of a file that has none: range, primaries, transfer, matrix (ITU-T H.273)."""


def photo() -> NDArray[np.uint8]:
    """The portrait that Bauta brings along, 512 x 512 RGB."""
    with Image.open(str(resources.files("bauta").joinpath("data/sample.jpg"))) as image:
        return np.asarray(image.convert("RGB"))


def camera(
    picture: NDArray[np.uint8], count: int, size: tuple[int, int], *, turn: float = 0.5
) -> list[NDArray[np.uint8]]:
    """Frames (H, W, 3) of a camera that pans over ``picture``, zooms in and turns.

    Args:
        picture: (H, W, 3) uint8 RGB.
        count: how many frames.
        size: (width, height) of the frames in pixels.
        turn: degrees per frame.

    """
    image = Image.fromarray(picture)
    width, height = size
    frames = []
    for i in range(count):
        scale = 2.2 * 0.995**i
        angle = math.radians(turn * i)
        a, b = scale * math.cos(angle), scale * math.sin(angle)
        x = picture.shape[1] / 2 - a * width / 2 + b * height / 2 + 2 * i
        y = picture.shape[0] / 3 - b * width / 2 - a * height / 2 + i
        moved = image.transform(
            size, Image.Transform.AFFINE, (a, -b, x, b, a, y), Image.Resampling.BICUBIC
        )
        frames.append(np.asarray(moved))
    return frames


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What a clip holds; see :func:`make`.

    Attributes:
        frames: how many pictures, unless ``times`` are given.
        size: (width, height) of the stored pictures in pixels.
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the samples' format.
        clock: seconds per tick of the timestamps.
        times: timestamps in ticks; None for 30 frames per second.
        sound: FFmpeg's name of the encoder of a sine of 440 Hz; None for no sound.
        subtitles: FFmpeg's name of the codec of two lines of text; None for none.
        colour: range, primaries, transfer and matrix, in the code points of H.273.
        aspect: width of a pixel by its height.
        turned: degrees counter-clockwise by which a player turns the picture; None for no matrix.
        mirrored: whether it mirrors it as well.
        b_frames: most B-frames in a row.
        gop: most frames from one key frame to the next.
        tags: tags of the container.
        track_tags: tags of the video track.
        chapters: titles of chapters.
        telemetry: bytes of a data track; None for none.
        cover: whether there is a cover picture.
        second: whether there is a second, smaller video track.
        options: options of the encoder.
        container: options of the container.

    """

    frames: int = 12
    size: tuple[int, int] = (96, 64)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    clock: Fraction = TICKS
    times: Sequence[int] | None = None
    sound: str | None = "aac"
    subtitles: str | None = None
    colour: tuple[int, int, int, int] = SILENT
    aspect: Fraction | None = None
    turned: int | None = None
    mirrored: bool = False
    b_frames: int = 0
    gop: int = 12
    tags: dict[str, str] = field(default_factory=dict)
    track_tags: dict[str, str] = field(default_factory=dict)
    chapters: Sequence[str] = ()
    telemetry: bytes | None = None
    cover: bool = False
    second: bool = False
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)


def make(path: Path, clip: Clip = Clip(), shown: Sequence[NDArray[np.uint8]] = ()) -> Path:
    """Write ``clip`` to ``path``, in the container that its suffix names; return ``path``.

    Args:
        path: the file to make.
        clip: what it holds.
        shown: the pictures (H, W, 3), as they are stored; those of :func:`camera` if empty.

    """
    pictures = shown or camera(photo(), len(clip.times or range(clip.frames)), clip.size)
    times = clip.times or [round(i / (30 * clip.clock)) for i in range(len(pictures))]
    with av.open(str(path), "w", container_options=clip.container) as file:
        file.metadata.update(clip.tags)
        if clip.chapters:
            file.set_chapters(_chapters(clip.chapters))
        video = _video(file, clip)
        length = float((times[-1] - times[0]) * clip.clock) + 1 / 30
        others = [*_sound(file, clip, length), *_extras(file, clip, length)]
        packets = []
        for picture, time in zip(pictures, times, strict=True):
            packets += video.encode(_frame(picture, clip, time))
        packets += video.encode(None)
        for packet in sorted([*packets, *others], key=_when):
            file.mux(packet)
    return path


def _when(packet: av.Packet) -> Fraction:
    return packet.dts * packet.time_base


def _video(file: av.container.OutputContainer, clip: Clip) -> av.VideoStream:
    stream = file.add_stream(clip.codec, 30, options=dict(clip.options), time_base=clip.clock)
    stream.width, stream.height = clip.size
    stream.pix_fmt = clip.pixel_format
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size, context.max_b_frames = clip.gop, clip.b_frames
    context.color_range, context.color_primaries = clip.colour[:2]
    context.color_trc, context.colorspace = clip.colour[2:]
    if clip.aspect:
        context.sample_aspect_ratio = clip.aspect
    if clip.turned is not None:
        stream.set_display_rotation(clip.turned, hflip=clip.mirrored)
    stream.metadata.update(clip.track_tags)
    return stream


def _frame(picture: NDArray[np.uint8], clip: Clip, time: int) -> av.VideoFrame:
    """The picture in the samples of the clip, by the matrix and the range that its tags name."""
    full = clip.colour[0] == 2 or clip.pixel_format.startswith("yuvj")
    if clip.pixel_format.startswith("yuv"):
        frame = _whole_chroma(picture, LUMA.get(clip.colour[3], LUMA[6]), full=full)
    else:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    levels = 2 if full else 1
    frame = frame.reformat(
        format=clip.pixel_format,
        src_color_range=levels,
        dst_color_range=levels,
        interpolation=EXACT,
    )
    frame.pts, frame.time_base = time, clip.clock
    return frame


def _whole_chroma(
    picture: NDArray[np.uint8], luma: tuple[float, float, float], *, full: bool
) -> av.VideoFrame:
    """4:4:4 by the formulas of H.273, which swscale does not follow to the level in full range."""
    rgb = picture.astype(np.float64) / 255
    y = rgb @ np.array(luma)
    cb, cr = (rgb[..., 2] - y) / (2 - 2 * luma[2]), (rgb[..., 0] - y) / (2 - 2 * luma[0])
    low, span, chroma = (0, 255, 255) if full else (16, 219, 224)
    planes = [low + span * y, 128 + chroma * cb, 128 + chroma * cr]
    frame = av.VideoFrame(picture.shape[1], picture.shape[0], "yuv444p")
    for plane, samples in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = np.clip(np.rint(samples), 0, 255)
    return frame


def _sound(file: av.container.OutputContainer, clip: Clip, length: float) -> list[av.Packet]:
    if clip.sound is None:
        return []
    rate = 48000 if clip.sound == "libopus" else RATE
    stream = file.add_stream(clip.sound, rate, layout="mono")
    stream.codec_context.flags |= BIT_EXACT
    kind = stream.codec_context.codec.audio_formats[0].name
    wave = np.sin(2 * np.pi * 440 * np.arange(round(rate * length)) / rate)
    samples = av.AudioFrame.from_ndarray(
        (wave * 8000).astype(np.int16)[None], format="s16", layout="mono"
    )
    samples.sample_rate, samples.pts, samples.time_base = rate, 0, Fraction(1, rate)
    resampler = av.AudioResampler(kind, "mono", rate, stream.codec_context.frame_size or 1024)
    frames = [*resampler.resample(samples), *resampler.resample(None)]
    return [packet for frame in [*frames, None] for packet in stream.encode(frame)]


def _extras(file: av.container.OutputContainer, clip: Clip, length: float) -> list[av.Packet]:
    packets = []
    if clip.subtitles:
        packets += _subtitles(file, clip.subtitles, length)
    if clip.telemetry:
        packets.append(_packet(file.add_data_stream("bin_data"), clip.telemetry, 0, length))
    if clip.second:
        packets += _second(file)
    if clip.cover:
        packets += _cover(file)
    return packets


def _packet(stream: av.stream.Stream, data: bytes, start: float, length: float) -> av.Packet:
    packet = av.Packet(data)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round(length * 1000)
    packet.is_keyframe = True
    return packet


def _subtitles(file: av.container.OutputContainer, codec: str, length: float) -> list[av.Packet]:
    stream = file.add_mux_stream(codec, time_base=Fraction(1, 1000))
    stream.metadata.update({"language": "deu", "title": "SUBTITLE-SECRET"})
    stream.disposition = av.stream.Disposition.forced
    lines = (b"Guten Tag", b"Auf Wiedersehen")
    if codec == "mov_text":
        lines = tuple(len(line).to_bytes(2, "big") + line for line in lines)
    half = length / 2
    return [_packet(stream, line, i * half, half * 0.9) for i, line in enumerate(lines)]


def _second(file: av.container.OutputContainer) -> list[av.Packet]:
    stream = file.add_stream("mpeg4", 30)
    stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
    frame = av.VideoFrame.from_ndarray(camera(photo(), 1, (32, 32))[0]).reformat(format="yuv420p")
    frame.pts = 0
    return [*stream.encode(frame), *stream.encode(None)]


def cover() -> bytes:
    """The bytes of a cover picture."""
    out = io.BytesIO()
    Image.fromarray(photo()).resize((32, 32)).save(out, "JPEG")
    return out.getvalue()


def _cover(file: av.container.OutputContainer) -> list[av.Packet]:
    if file.format.name == "matroska":
        file.add_attachment("cover.jpg", "image/jpeg", cover())
        file.add_attachment("SECRET.ttf", "application/x-truetype-font", b"FONT-SECRET")
        return []
    stream = file.add_mux_stream("mjpeg", width=32, height=32)
    stream.disposition = av.stream.Disposition.attached_pic
    return [_packet(stream, cover(), 0, 0)]


def _chapters(titles: Sequence[str]) -> list[av.container.core.Chapter]:
    return [
        {"id": i, "start": 100 * i, "end": 100 * (i + 1), "time_base": Fraction(1, 1000),
         "metadata": {"title": title}}
        for i, title in enumerate(titles)
    ]  # fmt: skip


def frames_of(path: Path) -> list[av.VideoFrame]:
    """All pictures of the first video track, decoded by PyAV alone."""
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def packets_of(path: Path, kind: str) -> list[tuple[Fraction | None, int | None, bytes]]:
    """Time in seconds, duration in ticks and content of all packets of the tracks of ``kind``."""
    with av.open(str(path)) as file:
        streams = [stream for stream in file.streams if stream.type == kind]
        return [
            (packet.pts * packet.time_base, packet.duration, bytes(packet))
            for packet in file.demux(*streams)
            if packet.pts is not None
        ]


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Peak signal to noise ratio in dB of two pictures of 8 bits."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))
