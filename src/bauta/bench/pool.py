"""Units of work in several processes, each built up once."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

import torch

from bauta.cores import usable_cores


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
    with ProcessPoolExecutor(
        min(jobs, len(units)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(begin, given, max(1, usable_cores() // jobs)),
    ) as pool:
        waiting: set[Future[None]] = {pool.submit(work, *unit) for unit in units}
        count = 0
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()
                count += len(ready)
                done(count)
        except BaseException:
            # Nothing is lost: what finished has been written.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(begin: Callable[..., None], given: tuple[Any, ...], threads: int) -> None:
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*given)


def _end_with_parent() -> None:
    """End this process when the one that started it is killed, which tells nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
