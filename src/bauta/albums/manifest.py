"""The manifest: what has been done in an output folder, line by line, as it is done.

A line is written and flushed to the disk before and after every file. Whenever a run is killed,
the next one knows what is done, what was begun, and what is not its own.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from bauta.errors import MediaError, UsageError
from bauta.media.atomic import atomic_write, claimed, writing
from bauta.plain import build, table_of

#: Folder in the output that holds manifest and lock.
FOLDER = ".bauta"
_FILE = "album.jsonl"
_VERSION = 1
Status = Literal["begun", "done", "faceless", "failed"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a file of the album.

    Attributes:
        name: its path in the album, with slashes.
        status: "begun", "done", "faceless" (nothing was written) or "failed".
        source: SHA-256 of the original.
        settings: digest of how it was protected.
        written: path of the protected file in the output, with slashes.
        output: SHA-256 of the protected file; empty unless it is done.
        verdict: of the report; empty unless it is done.
        error: why it failed.
        seconds: how long it took.
        report: of the photo or video, plain data.

    """

    name: str
    status: Status
    source: str
    settings: str
    written: str = ""
    output: str = ""
    verdict: str = ""
    error: str = ""
    seconds: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that nothing outside of the output folder is meant.

        Raises:
            ValueError: the path of the protected file leads out of it.

        """
        path = PurePosixPath(self.written)
        if path.is_absolute() or ".." in path.parts or "\0" in self.written:
            raise ValueError(f"{self.written!r} is not within the folder")


class Manifest:
    """The manifest of an output folder, held by one run at a time.

    Use it as a context; entering reads what is there and takes the lock.

    Args:
        output: the output folder; it is made.

    Raises:
        UsageError: another run works in this folder, or its manifest is another program's.
        MediaError: the folder cannot be written.

    """

    def __init__(self, output: Path) -> None:
        self.folder = output / FOLDER
        self.entries: dict[str, Entry] = {}
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Manifest:
        self._held.enter_context(claimed(self.folder, name=self.folder.parent))
        try:
            self.entries = read_entries(self.folder.parent)
            # Anew, with one line for each file, and without a line that was torn.
            lines = [_line({"bauta": _VERSION}), *map(_entry_line, self.entries.values())]
            atomic_write(self._file, "".join(lines).encode(), overwrite=True)
            with writing(self._file):
                self._stream = self._file.open("a", encoding="utf-8")
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            # What the disk did not take was told when it was noted; half a line is passed over.
            with contextlib.suppress(OSError):
                self._stream.close()
        finally:
            self._held.close()

    @property
    def _file(self) -> Path:
        return self.folder / _FILE

    def note(self, entry: Entry) -> None:
        """Write an entry, to the disk.

        Raises:
            MediaError: it cannot be written.

        """
        self.entries[entry.name] = entry
        with writing(self._file):
            self._stream.write(_entry_line(entry))
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def outputs(self) -> frozenset[str]:
        """SHA-256 of all files that were written."""
        return frozenset(entry.output for entry in self.entries.values() if entry.output)


def read_entries(output: Path) -> dict[str, Entry]:
    """Read the manifest of an output folder, the last entry of each file; none if there is none.

    A last line that was torn is passed over.

    Raises:
        UsageError: it is no manifest, or of a later version.
        MediaError: it cannot be read.

    """
    file = output / FOLDER / _FILE
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"cannot read {file}: {error}") from error
    if not lines:
        return {}
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines):
        try:
            data = table_of(line)
            if not number:
                if data["bauta"] > _VERSION:
                    raise UsageError(f"{file} is of a later version of bauta")
                continue
            entry = build(Entry, data)
        except (ValueError, TypeError, KeyError) as error:
            if number and number == len(lines) - 1:
                break
            raise UsageError(
                f"{file} is damaged in line {number + 1} ({error}): repair it, or move it away to "
                "begin anew"
            ) from error
        entries[entry.name] = entry
    return entries


def manifests_in(folder: Path) -> Iterator[dict[str, Entry]]:
    """Manifests of output folders within a folder, those that can be read."""
    for file in sorted(folder.rglob(f"{FOLDER}/{_FILE}")):
        with contextlib.suppress(MediaError, UsageError):
            yield read_entries(file.parent.parent)


def _entry_line(entry: Entry) -> str:
    return _line(asdict(entry))


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=True, separators=(",", ":"), default=str) + "\n"
