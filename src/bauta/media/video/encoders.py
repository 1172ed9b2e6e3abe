"""Which codec a video is written with, and how well."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from bauta.errors import MediaError


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An encoder, and settings by which its pictures can hardly be told from their source.

    Attributes:
        codec: FFmpeg's name of the codec.
        name: FFmpeg's name of the encoder.
        crf: constant quality, on the scale of the encoder; smaller is better. Those of the table
            give about 42 dB on a noisy photo that a camera pans over.
        options: further options of the encoder.
        bit_rate: upper limit in bits per second, where the encoder needs one; 0 for none.
        odd_sizes: whether pictures may have an odd width or height.
        tag: the codec's name within MP4 and MOV, if it is not FFmpeg's choice.

    """

    codec: str
    name: str
    crf: int
    options: Mapping[str, str] = field(default_factory=dict)
    bit_rate: int = 0
    odd_sizes: bool = False
    tag: str | None = None


_VPX = {"deadline": "good", "cpu-used": "4"}
_ENCODERS = {
    "h264": Encoder(codec="h264", name="libx264", crf=15, options={"preset": "medium"}),
    "hevc": Encoder(
        codec="hevc",
        name="libx265",
        crf=16,
        options={"preset": "fast", "x265-params": "log-level=none:info=0"},
        tag="hvc1",  # players of Apple take no other
    ),
    "vp8": Encoder(
        codec="vp8",
        name="libvpx",
        crf=8,
        options=_VPX,
        bit_rate=200_000_000,
        odd_sizes=True,
    ),
    "vp9": Encoder(
        codec="vp9",
        name="libvpx-vp9",
        crf=13,
        options={**_VPX, "row-mt": "1"},
        odd_sizes=True,
    ),
    "av1": Encoder(codec="av1", name="libsvtav1", crf=10, options={"preset": "8"}, odd_sizes=True),
}

# What each container may hold; the first is for sources in none of these codecs.
_HELD = {
    "mp4": ("h264", "hevc", "av1", "vp9"),
    "mov": ("h264", "hevc"),
    "matroska": ("h264", "hevc", "vp8", "vp9", "av1"),
    "webm": ("vp9", "vp8", "av1"),
}
_STRETCHED = {"h264", "hevc"}


def encoder_for(codec: str, muxer: str, *, square: bool) -> Encoder:
    """Return the encoder for a source in ``codec``: the same codec, if the container may hold it.

    Args:
        codec: FFmpeg's name of the source's codec.
        muxer: FFmpeg's name of the container that is written.
        square: whether the pixels are square. For others only H.264 and HEVC will do in Matroska,
            where PyAV writes no shape of the pixels.

    Raises:
        MediaError: WebM cannot hold pixels that are not square, or PyAV came without the encoder.

    """
    import av

    # SVT-AV1 talks on the standard error, and knows no other switch; 1 is for errors alone.
    os.environ.setdefault("SVT_LOG", "1")
    held = _HELD[muxer]
    if not square and muxer in ("matroska", "webm"):
        held = tuple(one for one in held if one in _STRETCHED)
    if not held:
        raise MediaError(
            "pixels that are not square cannot be written as WebM: "
            'let the name end in ".mp4" or ".mkv"'
        )
    encoder = _ENCODERS[codec if codec in held else held[0]]
    if encoder.name not in av.codecs_available:
        raise MediaError(
            f"the installed PyAV has no encoder {encoder.name}: pip install 'bauta[video]', or "
            "give the output another suffix"
        )
    return encoder
