"""Engines: what runs tasks side by side. The local one has processes that stay warm."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Literal, Protocol

from bauta.albums.warm import Warm, was_killed
from bauta.albums.work import OUT_OF_MEMORY, Outcome, ShareProgress, Task, work
from bauta.cores import usable_cores
from bauta.errors import EngineError

#: Does a task, telling the share done; never raises.
Do = Callable[[Task, ShareProgress | None], Outcome]

#: Bytes that a worker takes, with its networks loaded and a large photo in work.
WORKER_BYTES = 2_500_000_000
#: A file whose worker died is tried so often in all.
TRIES = 2


@dataclass(frozen=True)
class Event:
    """Something about a task.

    Attributes:
        kind: "begin" (it is given out once the event has been taken), "share" or "end".
        task: which.
        share: how much of it is done, 0 to 1.
        outcome: what came of it, at its end.

    """

    kind: Literal["begin", "share", "end"]
    task: Task
    share: float = 0.0
    outcome: Outcome | None = None


class Engine(Protocol):
    """Runs tasks."""

    def run(self, tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """Run tasks in any order; every one begins and ends. Closing the iterator stops them."""
        ...


def jobs_for(memory: int | None = None) -> int:
    """How many files at a time: one for each core, as far as memory goes."""
    return max(1, min(usable_cores(), (memory or free_memory()) // WORKER_BYTES))


def free_memory() -> int:
    """Bytes of memory that are free, or can be; a guess where the system does not tell."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2 * WORKER_BYTES


class LocalEngine:
    """Processes of this machine, each with its networks loaded once.

    A file whose process dies is tried again by another one; if that dies too, it has failed, and
    the rest goes on.

    A worker that cannot even be started is an EngineError.

    Args:
        jobs: files at a time; 0: as many as cores and memory allow.
        threads: of each process; 0: its share of the cores.
        do: the work, a function of a module; it is sent to the processes by name.

    """

    def __init__(self, jobs: int = 0, threads: int = 0, do: Do = work) -> None:
        self.jobs = jobs or jobs_for()
        self.do = do
        self.threads = threads or max(1, usable_cores() // self.jobs)
        self._deaths: dict[str, int] = {}

    def run(self, tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """See :class:`Engine`."""
        waiting = deque(tasks)
        workers: list[_Worker] = []
        try:
            while waiting or any(worker.task for worker in workers):
                for worker in [*workers]:
                    if not worker.task and waiting:
                        yield from worker.give(waiting.popleft())
                while waiting and len(workers) < self.jobs:
                    workers.append(_Worker(Warm(self.do, self.threads)))
                    yield from workers[-1].give(waiting.popleft())
                pipes = [worker.warm.connection for worker in workers]
                ready = wait(pipes + [worker.warm.process.sentinel for worker in workers])
                for worker in [*workers]:
                    if worker.warm.connection in ready:
                        yield from worker.listen()
                    elif worker.warm.process.sentinel in ready:
                        worker.dead = True
                    if worker.dead:
                        workers.remove(worker)
                        yield from self._bury(worker, waiting)
        finally:
            for worker in workers:
                worker.warm.stop()

    def _bury(self, worker: _Worker, waiting: deque[Task]) -> Iterator[Event]:
        """Whoever died with a task in hand leaves it to another, or has lost it.

        Raises:
            EngineError: it had never been ready to work.

        """
        code = worker.warm.bury()
        if not worker.warm.ready:
            raise EngineError(
                f"a worker process could not be started (code {code}): what it said is above; "
                "if memory is short, use --jobs 1"
            )
        task = worker.task
        if not task:
            return
        self._deaths[task.name] = self._deaths.get(task.name, 0) + 1
        if self._deaths[task.name] < TRIES:
            waiting.append(task)
            return
        killed = was_killed(code)
        error = OUT_OF_MEMORY if killed else f"the process died twice over it (code {code})"
        yield Event("end", task, outcome=Outcome(status="failed", error=error))


@dataclass
class _Worker:
    """A process, and what it has in hand."""

    warm: Warm[Task, Outcome]
    task: Task | None = None
    dead: bool = False

    def give(self, task: Task) -> Iterator[Event]:
        yield Event("begin", task)
        self.task = task
        self.warm.send(task)

    def listen(self) -> Iterator[Event]:
        try:
            said = self.warm.hear()
        except EOFError:
            self.dead = True
            return
        task = self.task
        if task is None or said is None:
            return
        if isinstance(said, Outcome):
            self.task = None
            yield Event("end", task, 1.0, said)
        else:
            yield Event("share", task, said)
