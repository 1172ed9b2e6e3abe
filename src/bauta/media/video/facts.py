"""What is known of a video before its frames are read."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

_PQ, _HLG = 16, 18
_QUARTER_TURNS = {1: 0, 2: 0, 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}


@dataclass(frozen=True, kw_only=True)
class ColourTags:
    """How the samples of a video stand for colours, in the code points of ITU-T H.273.

    Attributes:
        range: 1 for limited ("TV", luma 16-235), 2 for full ("PC", 0-255), 0 if the file is silent.
        primaries: for example 1 for BT.709, 9 for BT.2020, 12 for Display P3; 2 if silent.
        transfer: for example 1 for BT.709, 13 for sRGB, 16 for PQ, 18 for HLG; 2 if silent.
        matrix: for example 1 for BT.709, 5 and 6 for BT.601, 9 for BT.2020; 0 for RGB; 2 if silent.

    """

    range: int = 0
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2

    @property
    def hdr(self) -> bool:
        """Whether the brightness goes beyond that of ordinary screens: PQ (HDR10) or HLG."""
        return self.transfer in (_PQ, _HLG)


@dataclass(frozen=True, kw_only=True)
class TrackFacts:
    """A sound or subtitle track.

    Attributes:
        kind: which of the two.
        codec: FFmpeg's name of the codec, such as "aac"; None if FFmpeg does not know it.
        language: ISO 639 code, such as "deu"; None if the file is silent.

    """

    kind: Literal["audio", "subtitle"]
    codec: str | None
    language: str | None


@dataclass(frozen=True, kw_only=True)
class VideoFacts:
    """What the file says about itself and its first picture.

    Attributes:
        container: FFmpeg's name of the container: "mov" (MP4, too), "matroska" (WebM, too), "avi",
            "mpegts", "mpeg", "flv" or "asf".
        codec: FFmpeg's name of the video codec, such as "h264".
        width: width of the upright picture in pixels.
        height: height of the upright picture in pixels.
        orientation: how the stored picture is turned and mirrored to be upright, 1 to 8, in the
            meaning of EXIF.
        pixel_aspect: width of one pixel of the upright picture by its height; 1 if square.
        pixel_format: FFmpeg's name of the format of the samples, such as "yuv420p".
        bit_depth: bits per sample.
        colour: colour tags, as the file has them.
        hdr: whether the picture is HDR (PQ, HLG or Dolby Vision).
        interlaced: whether the first picture consists of two fields.
        time_base: seconds per tick of the timestamps.
        average_rate: frames per second on average; None if unknown.
        base_rate: lowest rate at which all timestamps can be told apart, as FFmpeg guesses it from
            the first frames; None if unknown.
        variable: whether the distances between the first 300 timestamps differ by more than the
            rounding of the container.
        duration: length in seconds as the container says; None if it is silent.
        frame_count: number of frames as the container says; None if it is silent.
        tracks: sound and subtitle tracks.

    """

    container: str
    codec: str
    width: int
    height: int
    orientation: int
    pixel_aspect: Fraction
    pixel_format: str
    bit_depth: int
    colour: ColourTags
    hdr: bool
    interlaced: bool
    time_base: Fraction
    average_rate: Fraction | None
    base_rate: Fraction | None
    variable: bool
    duration: float | None
    frame_count: int | None
    tracks: tuple[TrackFacts, ...]

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which a player turns the stored picture: 0, 90, 180 or 270."""
        return _QUARTER_TURNS[self.orientation]

    @property
    def mirrored(self) -> bool:
        """Whether a player mirrors the stored picture left to right before it turns it."""
        return self.orientation in (2, 4, 5, 7)

    @property
    def sideways(self) -> bool:
        """Whether the stored picture lies on its side: its width is the height of the upright."""
        return self.orientation >= 5

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height in pixels of the picture as it is stored."""
        return (self.height, self.width) if self.sideways else (self.width, self.height)
