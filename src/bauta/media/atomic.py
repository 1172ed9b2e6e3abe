"""Files that appear whole or not at all, and never replace what they must not."""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bauta.errors import MediaError, OutputExistsError, UsageError

#: Name of the file by which :func:`claimed` holds a folder.
LOCK = ".lock"


def atomic_write(
    path: str | os.PathLike[str],
    data: bytes,
    *,
    overwrite: bool = False,
    protect: Iterable[str | os.PathLike[str]] = (),
    secret: bool = False,
) -> None:
    """Write ``data`` to ``path`` so that a reader sees the old file or the whole new one.

    The data goes to a temporary file in the same folder, is flushed to the disk, and takes the
    name in one step; on any failure the temporary file is removed. The permissions are those of
    any new file (0666 less the umask). A symbolic link at ``path`` is replaced, not followed.

    Args:
        path: the file to make; its folder must exist.
        data: the whole content.
        overwrite: replace an existing file.
        protect: files that may never be replaced, whatever ``overwrite`` says, under any of
            their names (symbolic links and hard links included).
        secret: let nobody but the file's owner read it (0600), where the system knows owners.

    Raises:
        OutputExistsError: ``path`` exists and ``overwrite`` is false, or it is protected.
        MediaError: the folder is missing, or the system refuses the write.

    """
    with atomic_file(path, overwrite=overwrite, protect=protect) as temporary, writing(path):
        _write_new(temporary, data, 0o600 if secret else 0o666)


@contextlib.contextmanager
def atomic_file(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    protect: Iterable[str | os.PathLike[str]] = (),
) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what is written there appears as ``path``, whole.

    For files that are written bit by bit. Leaving the block flushes the file to the disk and
    publishes it as :func:`atomic_write` does; an exception in the block (KeyboardInterrupt too)
    passes on unchanged, and nothing is left.

    Args:
        path: as in :func:`atomic_write`, like the other arguments.
        overwrite: as there.
        protect: as there.

    Raises:
        OutputExistsError: ``path`` exists and ``overwrite`` is false, or it is protected.
        MediaError: the folder is missing, or the system refuses to publish the file.

    """
    target = Path(path)
    check_target(target, overwrite=overwrite, protect=protect)
    temporary = target.parent / f".bauta-{secrets.token_hex(8)}.tmp"
    try:
        yield temporary
        with writing(target):
            _sync_file(temporary)
            _publish(temporary, target, overwrite)
            _sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system raises while ``path`` is written into a MediaError."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"cannot write {path}: {reason}; check the permissions of the folder and the free space"
        ) from error


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], *, patience: float = 60.0) -> Iterator[None]:
    """Hold what is beside ``path`` for this process alone, so that two do not change it at once.

    For files that are read, changed, and written anew. The lock is a hidden file beside it, which
    stays; the system gives it free when its holder dies.

    Args:
        path: the file that is to be changed; it need not exist.
        patience: seconds to wait for another process.

    Raises:
        MediaError: another process holds it all that time, or the folder cannot be written.

    """
    target = Path(path)
    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=patience)
    with writing(target):
        try:
            lock.acquire()
        except Timeout as error:
            raise MediaError(
                f"cannot write {target}: another process has been changing it for {patience:.0f} "
                "seconds; try again"
            ) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def claimed(
    folder: str | os.PathLike[str], *, name: object = None, secret: bool = False
) -> Iterator[None]:
    """Hold a folder of a long run for this process alone; the folder is made.

    The lock is a file in it, which stays; the system gives it free when its holder dies.

    Args:
        folder: the folder.
        name: what is being made there, for messages; None: the folder itself.
        secret: let nobody but its owner look into the folder, if it is made.

    Raises:
        UsageError: another run works there.
        MediaError: the folder cannot be written.

    """
    place = Path(folder)
    lock = FileLock(place / LOCK, timeout=0, mode=0o600 if secret else 0o644)
    with writing(place):
        place.mkdir(0o700 if secret else 0o777, parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"another run works on {name or place}: wait for it, or choose another output"
            ) from error
    try:
        yield
    finally:
        lock.release()


def check_target(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    protect: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Raise what :func:`atomic_write` would raise for ``path``, without writing anything."""
    target = Path(path)
    try:
        if not target.parent.is_dir():
            raise MediaError(f"cannot write {target}: no folder {target.parent}; make it first")
        if target.is_dir():
            raise MediaError(f"cannot write {target}: it is a folder; give a file name")
        # Known before minutes of work rather than after them.
        if not os.access(target.parent, os.W_OK):
            raise MediaError(
                f"cannot write {target}: nothing can be written into {target.parent}; check the "
                "permissions of the folder, or choose another one"
            )
        for guarded in protect:
            if _same_file(target, Path(guarded)):
                raise OutputExistsError(
                    f"{target} is the original {guarded} itself, which is never replaced: "
                    "choose another output name"
                )
        if not overwrite and os.path.lexists(target):
            raise _exists(target)
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot write {target}: {error}") from error


def _exists(target: Path) -> OutputExistsError:
    return OutputExistsError(f"{target} exists: choose another name, or allow overwriting")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def _write_new(path: Path, data: bytes, mode: int) -> None:
    # Not mkstemp: its files are 0600, and reading the umask to undo that is not thread-safe.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        file.write(data)


def _sync_file(path: Path) -> None:
    # Windows flushes only what may be written; elsewhere the umask may forbid writing.
    with path.open("rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def _publish(temporary: Path, target: Path, overwrite: bool) -> None:
    if not overwrite:
        # A link fails where the name has been taken meanwhile; a replace would not.
        try:
            os.link(temporary, target)
        except FileExistsError as error:
            raise _exists(target) from error
        except OSError:  # no hard links on this file system
            if os.path.lexists(target):
                raise _exists(target) from None
        else:
            return
    temporary.replace(target)


def _sync_folder(folder: Path) -> None:
    # Makes the new name itself durable; some systems cannot sync a folder, which does no harm.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
