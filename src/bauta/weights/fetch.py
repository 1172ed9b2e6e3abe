"""Fetching of weights: the only code in Bauta that opens a connection, and only when called.

A file appears under its final name only after its sha256 was found right. Until then it is
``FILENAME.part`` in the same folder; an interrupted download goes on from there.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import requests

from bauta.errors import UsageError, WeightsError
from bauta.weights.records import data_folder, find, locate, record, stream_sha256, verify
from bauta.weights.table import WeightRecord

#: Called with the bytes done and, where known, the bytes in all.
Progress = Callable[[int, int | None], None]

_PAUSES = (1.0, 2.0, 4.0)
_TIMEOUTS = (10.0, 60.0)
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 1 << 16
#: No weights of the table come near; it bounds what a wrong server can put on the disk.
_MOST_BYTES = 1 << 30


class _TransientError(Exception):
    """The transfer broke in a way that another attempt may mend."""


def fetch(
    name: str,
    *,
    from_dir: Path | None = None,
    accept_noncommercial: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Bring the weights called ``name`` onto this machine, checked against their record.

    Files of a package and files already in place are checked and returned without any network.
    A damaged file in the user's own folder is replaced.

    Args:
        name: name of a weight record.
        from_dir: folder to copy the file from, under its publisher's name, or the file itself,
            under any; no network then.
        accept_noncommercial: confirms that weights whose licence forbids commercial use are
            wanted all the same.
        progress: called with (bytes done, bytes in all or None) as the file grows.

    Returns:
        The path of the verified file.

    Raises:
        RegistryError: no weights have this name.
        UsageError: the licence forbids commercial use and that was not accepted.
        WeightsError: no network, an error of the server, a wrong sha256, a full disk, or a file
            that is missing from ``from_dir``. A file of a wrong sha256 is removed again; what an
            interrupted download left is kept for the next call.

    """
    row = record(name)
    if not (row.commercial_use or accept_noncommercial):
        raise UsageError(
            f"{name} may not be used commercially: {row.licence}; trained on "
            f"{row.training_data}. If your use is not commercial, confirm it with "
            "accept_noncommercial=True."
        )
    by_hand = row.source == "hand" and from_dir is not None
    if row.url is None and not by_hand:
        return locate(name)
    target = data_folder() / row.filename
    found = find(row)
    if found is not None and (found != target or _is_right(target, row)):
        verify(found, row)
        return found
    if from_dir is not None:
        source = from_dir if from_dir.is_file() else from_dir / row.filename
        fill = partial(_copy, source=source, progress=progress)
    else:
        fill = partial(_download, row=row, url=row.url or "", progress=progress)
    return _install(row, target, fill)


def _is_right(path: Path, row: WeightRecord) -> bool:
    with suppress(WeightsError):
        verify(path, row)
        return True
    return False


def _install(row: WeightRecord, target: Path, fill: Callable[[BinaryIO], None]) -> Path:
    """Let ``fill`` write the file, check it, and only then give it its final name."""
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(part, row) as handle:
            _fill(handle, row, fill)
            handle.flush()
            os.fsync(handle.fileno())
            _close_on_windows(handle)
            part.replace(target)
    except OSError as error:
        raise WeightsError(_disk_problem(error, row, target)) from error
    verify(target, row)
    return target


@contextmanager
def _claimed(part: Path, row: WeightRecord) -> Iterator[BinaryIO]:
    """Open the partial file to append to it, held by this process alone."""
    with part.open("a+b") as handle:
        # A second writer would go on writing into the file after it was checked and renamed.
        free = _lock(handle) and part.exists()
        if not free or not os.path.samestat(part.stat(), os.fstat(handle.fileno())):
            raise WeightsError(f"another process is fetching {row.name}: wait until it has ended")
        try:
            yield handle
        finally:
            if not handle.closed and _length(handle) == 0:
                _close_on_windows(handle)
                part.unlink()


def _close_on_windows(handle: BinaryIO) -> None:
    if sys.platform == "win32":  # an open file can be neither renamed nor removed there
        handle.close()


def _lock(handle: BinaryIO) -> bool:
    if sys.platform != "win32":  # there, an open file cannot be renamed, which is enough
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
    return True


def _fill(handle: BinaryIO, row: WeightRecord, fill: Callable[[BinaryIO], None]) -> None:
    """Fill until the sha256 is right; where it stays wrong, leave the file empty and raise."""
    while True:
        resumed = _length(handle) > 0
        if not resumed or _sha256(handle) != row.sha256:
            fill(handle)
        actual = _sha256(handle)
        if actual == row.sha256:
            return
        problem = _content_problem(handle, row, actual)
        _empty(handle)
        if not resumed:  # after a resumed transfer the old beginning may be at fault: once more
            raise WeightsError(problem)


def _copy(handle: BinaryIO, *, source: Path, progress: Progress | None) -> None:
    _empty(handle)
    try:
        stream = source.open("rb")
    except OSError as error:
        raise WeightsError(f"cannot read {source}: {error.strerror}") from error
    with stream:
        total = os.fstat(stream.fileno()).st_size
        while chunk := stream.read(_CHUNK):
            handle.write(chunk)
            _tell(progress, handle, total)


def _download(
    handle: BinaryIO,
    *,
    row: WeightRecord,
    url: str,
    progress: Progress | None,
    allow_http: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Append what is missing of the file; ``allow_http`` and ``pause`` are there for tests."""
    reason = ""
    with _session(allow_http) as session:
        for wait in (0.0, *_PAUSES):
            if wait:
                pause(wait)
            try:
                return _transfer(session, handle, row, url, progress)
            except requests.exceptions.SSLError as error:
                raise WeightsError(f"no trusted connection to {url}: {error}") from error
            except requests.exceptions.InvalidSchema as error:
                raise WeightsError(f"{url} leads to an address without https: {error}") from error
            except (
                _TransientError,
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                reason = str(error)
            except requests.RequestException as error:
                raise WeightsError(f"cannot fetch {row.name} from {url}: {error}") from error
    raise WeightsError(
        f"cannot fetch {row.name} from {url} after {len(_PAUSES) + 1} attempts: {reason}. Check "
        f"the connection and repeat; without network, bring {row.filename} in a folder and run: "
        f"bauta recognizers fetch {row.name} --from FOLDER"
    )


def _session(allow_http: bool) -> requests.Session:
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"  # byte ranges count what is stored
    session.auth = lambda request: request  # no names or passwords out of ~/.netrc
    if not allow_http:
        del session.adapters["http://"]  # holds for every hop of a redirect, too
    return session


def _transfer(
    session: requests.Session,
    handle: BinaryIO,
    row: WeightRecord,
    url: str,
    progress: Progress | None,
) -> None:
    start = _length(handle)
    headers = {"Range": f"bytes={start}-"} if start else {}
    with session.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as reply:
        start = _accept(reply, handle, start, row)
        announced = reply.headers.get("Content-Length", "")
        total = start + int(announced) if announced.isdecimal() else row.size_bytes
        for chunk in reply.iter_content(_CHUNK):
            handle.write(chunk)
            if _tell(progress, handle, total) > (row.size_bytes or _MOST_BYTES):
                return  # too long to be right; the check of the sha256 says the rest
    if total is not None and _length(handle) < total:
        raise _TransientError(f"the connection ended after {_length(handle)} of {total} bytes")


def _accept(reply: requests.Response, handle: BinaryIO, start: int, row: WeightRecord) -> int:
    """Offset at which the body of ``reply`` begins; raises for a reply that brings no file."""
    status = reply.status_code
    if status == 206 and reply.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        return start
    if status in (200, 206, 416):
        _empty(handle)  # no resuming here: from the beginning
    if status in (206, 416) or status in _TRANSIENT_STATUS:
        raise _TransientError(f"the server answered {status} {reply.reason}")
    if status != 200:
        raise WeightsError(
            f"cannot fetch {row.name}: {reply.url} answered {status} {reply.reason}. The file may "
            f"have been moved; with a copy from elsewhere, run: bauta recognizers fetch {row.name} "
            f"--from FOLDER"
        )
    return 0


def _tell(progress: Progress | None, handle: BinaryIO, total: int | None) -> int:
    done = handle.tell()
    if progress is not None:
        progress(done, total)
    return done


def _empty(handle: BinaryIO) -> None:
    handle.seek(0)
    handle.truncate()


def _length(handle: BinaryIO) -> int:
    return handle.seek(0, os.SEEK_END)


def _sha256(handle: BinaryIO) -> str:
    handle.seek(0)
    return stream_sha256(handle)


def _content_problem(handle: BinaryIO, row: WeightRecord, actual: str) -> str:
    size = _length(handle)
    handle.seek(0)
    head = handle.read(256).lstrip().lower()
    hint = "The file was changed at its source or on its way; it was removed."
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        hint = "What came is a Git LFS pointer, a text that stands for the file; it was removed."
    elif head.startswith((b"<!doctype html", b"<html")):
        hint = "What came is a web page, perhaps the log-in page of a network; it was removed."
    return (
        f"wrong content for {row.name}: expected sha256 {row.sha256}, actual {actual} "
        f"({size} bytes). {hint}"
    )


def _disk_problem(error: OSError, row: WeightRecord, target: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        need = f"{row.size_bytes} bytes" if row.size_bytes else "more room"
        return f"the disk is full: {target} needs {need}. Make room and repeat"
    return f"cannot write {target}: {error.strerror or error}"
