"""Web pages of one file that ask the network for nothing: what all of Bauta's share."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import escape
from importlib import metadata, resources
from string import Template


class Html(str):
    """Text that is HTML already; every other string is escaped on its way into a page."""

    __slots__ = ()


@dataclass(frozen=True)
class Parts:
    """Templates in a file of the package, each after a line ``<!-- part: name -->``.

    Attributes:
        package: where the file is.
        file: its name.

    """

    package: str
    file: str

    @cached_property
    def _templates(self) -> Mapping[str, Template]:
        text = resources.files(self.package).joinpath(self.file).read_text("utf-8")
        pieces = re.split(r"<!-- part: (\w+) -->\n", text)[1:]
        return {
            name: Template(body.strip())
            for name, body in zip(pieces[::2], pieces[1::2], strict=True)
        }

    def fill(self, part: str, **values: object) -> Html:
        """Fill a part in; what is no :class:`Html` is escaped."""
        safe = {k: v if isinstance(v, Html) else escape(str(v)) for k, v in values.items()}
        return Html(self._templates[part].substitute(safe))

    def text(self, part: str) -> Html:
        """A part as it stands."""
        return Html(self._templates[part].template)


_parts = Parts("bauta.audit", "document.html")


def join(pieces: Iterable[Html]) -> Html:
    """One piece after the other, each on lines of its own."""
    return Html("\n".join(pieces))


def document(
    heading: str, title: str, body: Html, *, style: Html, script: Html, created: datetime
) -> str:
    """Return a whole page, which runs its own script and no other.

    Args:
        heading: what kind of page it is.
        title: what this one is about.
        body: its sections.
        style: CSS beside what all pages share.
        script: JavaScript.
        created: when, in UTC.

    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _parts.fill(
        "document",
        script_hash=f"sha256-{digest}",
        version=version(),
        heading=heading,
        title=title,
        style=join([_parts.text("look"), style]),
        created=created.isoformat(timespec="seconds"),
        created_text=f"{created:%Y-%m-%d, %H:%M} UTC",
        body=body,
        script=script,
    )


def version() -> str:
    """Return the version of Bauta that is running."""
    return metadata.version("bauta")
