"""Tags of containers and tracks: which are written under each policy."""

from collections.abc import Mapping

# What describes the source's file and no longer fits, or is written anew.
_OF_THE_FILE = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "duration", "rotate", "xmp",
    "encoder_options",
}  # fmt: skip
_STATISTICS = ("_statistics_", "bps", "number_of_")


def kept_tags(tags: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    """Return those of ``tags`` that are written: all that still fit with ``keep``, else none."""
    if not keep:
        return {}
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in _OF_THE_FILE and not key.lower().startswith(_STATISTICS)
    }


def kept_track_tags(tags: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    """Like :func:`kept_tags`, for a track: its language stays, so that players can choose it."""
    language = {key: tags[key] for key in ("language",) if key in tags}
    return language | kept_tags(tags, keep=keep)
