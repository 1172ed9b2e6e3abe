"""Photos in and out: read, write back in kind, and keep private what is private."""

from bauta.media.atomic import atomic_write
from bauta.media.photo import (
    Photo,
    describe_metadata,
    is_grey,
    output_suffix,
    photo_from_array,
)
from bauta.media.read import DEFAULT_MAX_PIXELS, read_photo, read_photo_bytes
from bauta.media.write import encode_photo, write_photo

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Photo",
    "atomic_write",
    "describe_metadata",
    "encode_photo",
    "is_grey",
    "output_suffix",
    "photo_from_array",
    "read_photo",
    "read_photo_bytes",
    "write_photo",
]
