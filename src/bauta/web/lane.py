"""Lanes: work is done in a process of its own, one job after the other, for all browsers."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import wait
from typing import Any, Literal

from bauta.albums.warm import Warm, was_killed
from bauta.cores import usable_cores
from bauta.web.work import OUT_OF_MEMORY, Answer, Ask, do

Status = Literal["waiting", "running", "done", "failed", "stopped"]
_LISTEN = 0.2


@dataclass(eq=False)
class Job:
    """Something to be done, and how far it is.

    Attributes:
        ask: what.
        kind: what it is for, in a word.
        status: "waiting", "running", "done", "failed" or "stopped".
        share: how much is done, 0 to 1.
        answer: what came of it.
        id: no other job has it.

    """

    ask: Ask
    kind: str
    status: Status = "waiting"
    share: float = 0.0
    answer: Answer = field(default_factory=Answer)
    id: int = field(default_factory=count(1).__next__)

    @property
    def over(self) -> bool:
        """Whether nothing will come any more."""
        return self.status not in ("waiting", "running")

    @property
    def data(self) -> Mapping[str, Any]:
        """What came of it, if it is done."""
        return self.answer.data if self.status == "done" else {}


class Lane:
    """A thread that gives jobs to a warm process, and starts another one if that dies.

    Args:
        idle: seconds without work after which the process is stopped, and its memory free.

    """

    def __init__(self, idle: float = 600.0) -> None:
        self._idle = idle
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._warm: Warm[Ask, Answer] | None = None
        self._thread = threading.Thread(target=self._run, name="bauta-lane", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Have a job done, after those that wait already."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def close(self) -> None:
        """Stop everything."""
        with self._changed:
            self._closed = True
            for job in self._waiting:
                stop(job)
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if job.status == "waiting":
                job.status = "running"
                self._do(job)
        self._rest()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._closed:
                if not self._changed.wait(self._idle):
                    self._rest()
            return None if self._closed else self._waiting.popleft()

    def _do(self, job: Job) -> None:
        """Do a job, until it is done, stopped, or has killed its process."""
        if self._warm is None:
            self._warm = Warm(do, usable_cores())
        warm = self._warm
        warm.send(job.ask)
        while not self._closed and job.status != "stopped":
            if not wait([warm.connection, warm.process.sentinel], _LISTEN):
                continue
            try:
                said = warm.hear()
            except EOFError:
                self._lost(job)
                return
            if isinstance(said, Answer):
                _end(job, said)
                return
            if said is not None:
                job.share = said
        stop(job)
        # Nothing inside can be asked to stop; another process is ready in seconds.
        self._rest()

    def _lost(self, job: Job) -> None:
        assert self._warm is not None
        code = self._warm.bury()
        self._warm = None
        error = f"The process that worked on it died (code {code}). Try again, or a smaller photo."
        _end(job, Answer(error=OUT_OF_MEMORY if was_killed(code) else error))

    def _rest(self) -> None:
        if self._warm:
            self._warm.stop()
            self._warm = None


def stop(job: Job) -> None:
    """Give a job up; its process goes on with the next."""
    if not job.over:
        job.status = "stopped"


def _end(job: Job, answer: Answer) -> None:
    job.answer = answer
    if not job.over:
        job.status = "failed" if answer.error else "done"


@dataclass(frozen=True)
class Lanes:
    """One lane for what a person waits for, and one for what takes long.

    Attributes:
        quick: finding faces, tracing, putting masks on.
        long: protecting, fitting masks.

    """

    quick: Lane = field(default_factory=Lane)
    long: Lane = field(default_factory=Lane)

    def close(self) -> None:
        """Stop both."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.quick.close)
            stack.callback(self.long.close)
