"""The report of an album: JSON for programs, one self-contained web page for people."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageOps

from bauta.albums.album import AlbumReport
from bauta.albums.manifest import Entry
from bauta.audit.document import Html, Parts, document, join, version
from bauta.audit.report import report_files
from bauta.errors import BautaError
from bauta.media import read_photo
from bauta.media.atomic import atomic_write

_parts = Parts("bauta.albums", "page.html")
#: Verdicts, the worst first, with what they mean.
_GROUPS = (
    ("failed", "Failed", "Nothing was written; what to do is said beside each."),
    ("recognisable", "Still recognisable", "An independent judge still takes them for the person."),
    ("unjudged", "Unknown", "No independent judge knew the person, so nothing is proven."),
    ("weakened", "Partly hidden", "Some other photos of the person still match."),
    ("faceless", "Without a face", "No face was found, so nothing was written."),
    ("protected", "Protected", "No independent judge that knew the person recognises them."),
)
#: So many photos of a group are shown; all are named.
_PICTURES = 24
#: Lists of up to so many names are open.
_OPEN = 50
_SIDE = 220


def write_album_report(album: AlbumReport, path: Path, *, overwrite: bool = True) -> list[Path]:
    """Write what came of an album, as JSON, as a web page, or as both.

    The page is one file that asks the network for nothing. It names files by their place in the
    album, and shows the worst of each kind before and after, small and without metadata.

    Args:
        album: what came of it.
        path: "x.json" writes JSON, "x.html" the page, and "x" both.
        overwrite: replace existing reports.

    Raises:
        UsageError: another suffix.
        MediaError: a report cannot be written.

    """
    targets, created = report_files(path), datetime.now(UTC)
    for target in targets:
        if target.suffix.lower() == ".json":
            content = {"bauta": version(), "created": created.isoformat(), **album.to_json()}
            text = json.dumps(content, indent=2, default=str) + "\n"
        else:
            text = _page(album, created)
        atomic_write(target, text.encode("utf-8", "replace"), overwrite=overwrite)
    return targets


def _page(album: AlbumReport, created: datetime) -> str:
    groups = [(key, title, about, _members(album, key)) for key, title, about in _GROUPS]
    counts = join(
        _parts.fill("count", key=key, count=f"{len(members):,}", title=title)
        for key, title, _, members in groups
        if members
    )
    body = join(
        [
            _parts.fill("counts", counts=counts),
            *(
                _parts.fill(
                    "group",
                    key=key,
                    title=title,
                    about=about,
                    count=f"{len(members):,}",
                    pictures=_pictures(members, album),
                    rows=join(_row(entry, album.folder) for entry in members),
                    # Where nothing is to be seen, names are all that there is.
                    open="open" if len(members) <= _OPEN and members[0].status != "done" else "",
                )
                for key, title, about, members in groups
                if members
            ),
        ]
    )
    return document(
        "Album report", f"{len(album.entries):,} files", body,
        style=_parts.text("style"), script=_parts.text("script"), created=created,
    )  # fmt: skip


def _members(album: AlbumReport, key: str) -> list[Entry]:
    if key in ("failed", "faceless"):
        return album.named(key)
    done = [entry for entry in album.named("done") if entry.verdict == key]
    return sorted(done, key=lambda entry: -_matches(entry))


def _matches(entry: Entry) -> float:
    """The largest share of other photos that an independent judge still matches."""
    return max((float(m) for m in _deciding(entry)), default=0.0)


def _deciding(entry: Entry) -> Iterable[float]:
    for face in entry.report.get("faces", ()):
        for score in face.get("scores", ()):
            if score.get("independent") and face.get("chosen", True):
                yield score.get("matches", score.get("matched", 0)) or 0


def _row(entry: Entry, folder: Path) -> Html:
    faces = sum(bool(face.get("chosen", True)) for face in entry.report.get("faces", ()))
    error = entry.error.replace(str(folder / entry.name), Path(entry.name).name)
    about = error or (f"{faces} face" + ("" if faces == 1 else "s"))
    if entry.status == "done":
        about += f", up to {_matches(entry):.0%} of other photos match"
    return _parts.fill("row", name=entry.name, about=about, seconds=f"{entry.seconds:.1f} s")


def _pictures(members: list[Entry], album: AlbumReport) -> Html:
    shown: list[Html] = []
    for entry in members:
        if len(shown) == _PICTURES or entry.status != "done":
            break
        try:
            before, after = (
                _small(file) for file in (album.folder / entry.name, album.output / entry.written)
            )
        except BautaError:
            continue  # A video, or gone meanwhile.
        shown.append(_parts.fill("pair", name=entry.name, before=before, after=after))
    return join(shown)


def _small(file: Path) -> Html:
    """A picture of a photo, without its metadata."""
    image = ImageOps.contain(Image.fromarray(read_photo(file).pixels), (_SIDE, _SIDE))
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="JPEG", quality=85)
    return Html("data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode())
