"""A process that keeps its networks loaded, and does one task after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

from bauta.albums.work import ShareProgress

T = TypeVar("T")
R = TypeVar("R")
_LEAST_SHARE = 0.02
_GRACE = 10.0


class Warm(Generic[T, R]):
    """A process of this machine, which is sent tasks and tells how far it is.

    Args:
        do: does a task, telling the share done; a function of a module that never raises, as it is
            sent to the process by name.
        threads: of the process.

    Attributes:
        connection: readable when there is something to hear.
        process: its ``sentinel`` is ready once it has died.
        ready: whether it was heard of.

    """

    def __init__(self, do: Callable[[T, ShareProgress | None], R], threads: int) -> None:
        # A forked worker would inherit locks of dlib and OpenMP threads, and can wait for ever.
        context = multiprocessing.get_context("spawn")
        mine, its = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(its, threads, do), daemon=True
        )
        self.process.start()
        its.close()
        self.connection: Connection = mine
        self.ready = False

    def send(self, task: T) -> None:
        """Give it a task. If it died meanwhile, that is noticed when it is listened to."""
        with contextlib.suppress(ConnectionError):
            self.connection.send(task)

    def hear(self) -> float | R | None:
        """What it says: a share done, a result, or None once, when it is ready to work.

        Raises:
            EOFError: it has died.

        """
        try:
            said: float | R | None = self.connection.recv()
        except ConnectionError as error:
            raise EOFError from error
        self.ready = True
        return said

    def bury(self) -> int | None:
        """Exit code of one that is dying: killed at once, it would not tell what it died of."""
        self.process.join(_GRACE)
        self.stop()
        return self.process.exitcode

    def stop(self) -> None:
        """Stop it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def was_killed(code: int | None) -> bool:
    """Whether a process was killed from outside, as the system does when memory is short."""
    return hasattr(signal, "SIGKILL") and code == -signal.SIGKILL


def _serve(
    connection: Connection, threads: int, do: Callable[[T, ShareProgress | None], R]
) -> None:
    """Work on what comes, until nothing does."""
    # Ctrl-C goes to all; the parent stops its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(threads)
    last = 0.0

    def tell(share: float) -> None:
        nonlocal last
        if not 0 <= share - last < _LEAST_SHARE:
            last = share
            connection.send(float(share))

    # Its parent was killed: there is nobody to tell, and nothing more to do.
    with contextlib.suppress(EOFError, ConnectionError):
        connection.send(None)
        while True:
            task: T = connection.recv()
            last = 0.0
            connection.send(do(task, tell))
