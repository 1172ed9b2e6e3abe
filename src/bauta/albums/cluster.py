"""The engine for clusters: Ray's actors do what processes of one machine do."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from bauta.albums.engines import TRIES, WORKER_BYTES, Do, Event
from bauta.albums.work import Outcome, Task, work
from bauta.errors import MissingExtraError, UsageError


class RayEngine:
    """Actors of a Ray cluster, each with its networks loaded once.

    Album and output must lie where all nodes see them, under the same path. Every actor has one
    file in hand, and gets the next one when it is done with it. A file whose actor dies is tried
    again by another one; if that dies too, it has failed, and the rest goes on. Nothing is sent
    anywhere but to the cluster's nodes: usage statistics and dashboard are off.

    Args:
        address: of a running cluster, such as "auto" or "ray://head:10001"; None starts Ray on
            this machine, for the run.
        jobs: files at a time; 0: as many as the cluster's GPUs, or its cores and memory, allow.
        cores: of each actor.
        do: the work, a function of a module that all nodes have.

    Raises:
        MissingExtraError: Ray is not installed.

    """

    def __init__(
        self, address: str | None = None, jobs: int = 0, cores: int = 1, do: Do = work
    ) -> None:
        try:
            # Read when Ray starts; whoever wants statistics can still ask for them.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError as error:
            raise MissingExtraError("a cluster", "ray") from error
        self._ray = ray
        self.address, self.jobs, self.cores, self.do = address, jobs, cores, do
        self._deaths: dict[str, int] = {}

    def run(self, tasks: Sequence[Task]) -> Generator[Event, None, None]:
        """See :class:`bauta.albums.engines.Engine`."""
        if not tasks:
            return
        ray, started = self._ray, self._connect()
        waiting, working = deque(tasks), dict[Any, tuple[Any, Task]]()
        actors: list[Any] = []
        try:
            needs = self._needs(tasks[0].settings.device)
            actors = [self._actor(needs) for _ in range(self._count(needs, len(tasks)))]
            idle = [*actors]
            while waiting or working:
                while waiting and idle:
                    task, actor = waiting.popleft(), idle.pop()
                    yield Event("begin", task)
                    working[actor.do.remote(task)] = (actor, task)
                (done,), _ = ray.wait(list(working), num_returns=1)
                actor, task = working.pop(done)
                try:
                    outcome = ray.get(done)
                except ray.exceptions.RayActorError as error:
                    actors.remove(actor)
                    idle.append(self._actor(needs))
                    actors.append(idle[-1])
                    yield from self._lost(task, waiting, error)
                else:
                    idle.append(actor)
                    yield Event("end", task, 1.0, outcome)
        finally:
            for actor in actors:
                ray.kill(actor)
            if started:
                ray.shutdown()

    def _connect(self) -> bool:
        """Whether Ray was started here."""
        if self._ray.is_initialized():
            return False
        try:
            # A cluster that runs already has said itself whether it has a dashboard.
            dashboard = None if self.address else False
            self._ray.init(
                address=self.address or "local", log_to_driver=False, configure_logging=False,
                include_dashboard=dashboard,
            )  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray cluster at {self.address}: start one with ray start --head "
                f"--disable-usage-stats --include-dashboard=false ({error})"
            ) from error
        return True

    def _needs(self, device: str) -> dict[str, Any]:
        """What an actor takes of a node."""
        gpus = 1 if device.startswith("cuda") else 0
        return {"num_cpus": self.cores, "num_gpus": gpus, "memory": WORKER_BYTES}

    def _count(self, needs: dict[str, Any], tasks: int) -> int:
        """How many actors find room, on whichever nodes.

        Raises:
            UsageError: none does.

        """
        names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
        room = 0
        for node in self._ray.nodes():  # type: ignore[no-untyped-call]  # Ray's stubs
            if node["Alive"]:
                has = node["Resources"]
                room += int(min(has.get(names[k], 0) // v for k, v in needs.items() if v))
        if not room:
            raise UsageError(f"no node of the cluster has room for a worker, which takes {needs}")
        return min(self.jobs or room, room, tasks)

    def _actor(self, needs: dict[str, Any]) -> Any:
        return self._ray.remote(**needs)(_Actor).remote(self.do, self.cores)

    def _lost(self, task: Task, waiting: deque[Task], error: Exception) -> Iterator[Event]:
        self._deaths[task.name] = self._deaths.get(task.name, 0) + 1
        if self._deaths[task.name] < TRIES:
            waiting.append(task)
            return
        words = f"its worker died twice, probably out of memory: {str(error).splitlines()[0]}"
        yield Event("end", task, outcome=Outcome(status="failed", error=words))


class _Actor:
    """A worker of the cluster."""

    def __init__(self, do: Do, cores: int) -> None:
        import torch

        torch.set_num_threads(cores)
        self._do = do

    def do(self, task: Task) -> Outcome:
        if not task.source.exists():
            error = (
                f"this node does not see {task.source}: put album and output where all nodes of "
                "the cluster see them, under the same path"
            )
            return Outcome(status="failed", error=error)
        return self._do(task, _nobody)


def _nobody(_share: float) -> None:
    """Shares of a file are not told from node to node."""
