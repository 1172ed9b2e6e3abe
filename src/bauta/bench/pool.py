"""Units of work in several processes, each built up once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import torch

from bauta.cores import usable_cores
from bauta.processes import spawned


def in_processes(
    units: Sequence[tuple[Any, ...]],
    work: Callable[..., None],
    *,
    jobs: int,
    begin: Callable[..., None],
    given: tuple[Any, ...],
    done: Callable[[int], None],
) -> None:
    """Do all units, in any order; an error stops the rest.

    Args:
        units: arguments of each call of ``work``.
        work: a function of a module; it writes its own result.
        jobs: number of processes, which share the cores; with one, all is done in this one.
        begin: called once in each process.
        given: its arguments.
        done: told how many units are done.

    """
    if not units:
        return
    if jobs == 1:
        begin(*given)
        for count, unit in enumerate(units, 1):
            work(*unit)
            done(count)
        return
    threads = max(1, usable_cores() // jobs)
    with spawned(min(jobs, len(units)), _begin, (begin, given, threads)) as pool:
        waiting: set[Future[None]] = {pool.submit(work, *unit) for unit in units}
        count = 0
        # Of an error nothing is lost: what finished has been written.
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                future.result()
            count += len(ready)
            done(count)


def _begin(begin: Callable[..., None], given: tuple[Any, ...], threads: int) -> None:
    torch.set_num_threads(threads)
    begin(*given)
