"""Videos in and out: frame by frame, the sound untouched, and private what is private."""

from bauta.media.video.facts import ColourTags, TrackFacts, VideoFacts
from bauta.media.video.kinds import VIDEO_SUFFIXES, is_video
from bauta.media.video.read import (
    DEFAULT_MAX_PIXELS,
    Frame,
    Video,
    describe_metadata,
    read_video,
)
from bauta.media.video.write import VideoWriter, output_suffix

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "VIDEO_SUFFIXES",
    "ColourTags",
    "Frame",
    "TrackFacts",
    "Video",
    "VideoFacts",
    "VideoWriter",
    "describe_metadata",
    "is_video",
    "output_suffix",
    "read_video",
]
