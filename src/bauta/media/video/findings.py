"""Plain words for the private things in a video, as :mod:`bauta.media.metadata` has for photos."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bauta.media.metadata import plain_list
from bauta.media.video.demux import listed
from bauta.media.video.side import side_data

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# Words for the keys of tags: the first line that has a part of the key in it counts.
_WORDS = {
    "GPS position": ("location", "iso6709", "xyz", "gps", "loci", "latitude", "longitude"),
    "serial number": ("serial", "firmware"),
    "unique number of the clip": ("identifier", "uuid", "umid", "unique", "file_id"),
    "camera make and model": ("make", "model", "manufacturer", "vendor", "camera", "lens"),
    "date and time": ("date", "time", "year"),
    "software": ("encoder", "software", "android.version", "writing", "application", "handler"),
    "XMP data": ("xmp",),
    "title": ("title", "headline", "show", "episode", "album", "track"),
    "name of the author or owner": (
        "artist", "author", "copyright", "creator", "composer", "director", "owner", "producer",
        "performer", "publisher",
    ),
    "comment or description": (
        "comment", "description", "synopsis", "lyrics", "keywords", "genre", "category", "grouping",
    ),
}  # fmt: skip
# What every file has, says nothing of anybody, or has a place of its own in the facts.
_HARMLESS = {
    "major_brand", "minor_version", "compatible_brands", "language", "duration", "rotate",
    "alpha_mode", "stereo_mode", "encoder_options",
}  # fmt: skip
_DULL_VALUES = {
    "", "VideoHandler", "SoundHandler", "SubtitleHandler", "DataHandler", "[0][0][0][0]", "FFMP",
    "Lavf",
}  # fmt: skip
_CUT_OFF = "pictures that were cut off, but are still in the file"
_STATISTICS = ("_statistics_", "bps", "number_of_")
_IN_PICTURES = {
    "SEI_UNREGISTERED": "notes inside the pictures (of the camera or the encoder)",
    "A53_CC": "closed captions inside the pictures",
}


def findings_of(
    container: "InputContainer", stream: "VideoStream", picture: "av.VideoFrame"
) -> list[str]:
    """Name in plain words what the policy "private" leaves out.

    Args:
        container: the open file.
        stream: the video stream that is shown.
        picture: the first picture of it.

    """
    return plain_list(
        [
            *_words(container.metadata),
            *(word for one in container.streams for word in _track(one, stream)),
            *(["chapters"] if container.chapters() else []),
            *([_CUT_OFF] if stream.frames > listed(container, stream, stream.frames) else []),
            *(_IN_PICTURES[kind] for kind in side_data(picture) if kind in _IN_PICTURES),
        ]
    )


def _words(tags: dict[str, str]) -> Iterator[str]:
    for key, value in tags.items():
        name = key.lower()
        if name in _HARMLESS or name.startswith(_STATISTICS) or value in _DULL_VALUES:
            continue
        marked = (word for word, marks in _WORDS.items() if any(mark in name for mark in marks))
        yield "title" if name == "name" else next(marked, f"other notes ({key})")


def _track(one: "Stream", shown: "VideoStream") -> Iterator[str]:
    """Words for the tags of a track, or for the track itself where it is never written."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    if one.type in ("audio", "subtitle") or one.index == shown.index:
        yield from _words(one.metadata)
    elif one.type == "video":
        yield "cover picture" if one.disposition & still else "a further video track"
    elif one.type == "attachment":
        yield "attached files"
    else:
        handler = one.metadata.get("handler_name", "")
        yield "hidden data track" if handler in _DULL_VALUES else f"hidden data track ({handler})"
