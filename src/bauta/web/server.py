"""The server of the page: on this machine, in a private folder that goes when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from bauta.errors import UsageError
from bauta.web.app import make_app
from bauta.web.lane import Lanes
from bauta.web.limits import Limits
from bauta.web.rooms import Rooms

_PREFIX = "bauta-serve-"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_GRACE = 3


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    announce: Callable[[str], None],
) -> None:
    """Serve the page until it is stopped (Ctrl-C, SIGTERM).

    Args:
        host: address to listen on; others than loopback let others on the network in.
        port: 0: any that is free.
        limits: what it takes.
        announce: told the address of the page, and a new one whenever one was used: each opens
            the page once.

    Raises:
        UsageError: it cannot listen there.

    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listening(host, port))
        port = listener.getsockname()[1]
        # All addresses: in a container, whose port is published to this machine.
        name = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  compared, not bound
        shown = name if ":" not in name else f"[{name}]"
        folder = stack.enter_context(private_folder())
        rooms = Rooms(
            folder, limits or Limits(), lambda link: announce(f"http://{shown}:{port}/#{link}")
        )
        hosts = [f"{name}:{port}" for name in {*_LOOPBACK, shown.lower()}]
        config = uvicorn.Config(
            make_app(rooms, Lanes(), hosts),
            log_level="error",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_GRACE,
        )
        # Ended by a signal, uvicorn raises it anew; as an exception, it lets the folder be wiped.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {error}; use another --port, or none"
        ) from error
    with listener:
        yield listener


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user opens, wiped at the end; so is what a killed server left."""
    _wipe_left()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        with lock:
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        Path(lock.lock_file).unlink(missing_ok=True)


def _wipe_left() -> None:
    """Wipe folders of this user whose servers are gone: nobody holds their locks any more."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*.lock"):
        with suppress(OSError, Timeout):
            if hasattr(os, "getuid") and lock_file.lstat().st_uid != os.getuid():
                continue
            with FileLock(lock_file, timeout=0):
                shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
            lock_file.unlink(missing_ok=True)
