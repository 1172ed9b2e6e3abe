"""Every judge is asked once about every contestant after every change; answers are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bauta.bench.bench import Bench, Progress, roles
from bauta.bench.changes import Change
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.people import Pictured
from bauta.bench.pool import in_processes
from bauta.bench.quality import quality, unmeasured
from bauta.recognizers.base import Judge
from bauta.recognizers.zoo import get_recognizer


class Inquiry(Protocol):
    """What a protocol shows judges, and what it keeps of what they say; it goes to processes."""

    @property
    def measured(self) -> Pictured | None:
        """The photos whose quality is measured; None: of none."""

    def clean(self, judge: Judge, progress: Progress) -> Any:
        """A judge's clean embeddings; computed once, and then read from the cache."""

    def show(self, contestant: Contestant, change: Change) -> Any:
        """Photos, and the faces found in them."""

    def answer(self, judge: Judge, clean: Any, shown: Any) -> dict[str, Any]:
        """What is to be kept."""


def ask_judges(
    bench: Bench, inquiry: Inquiry, changes: Sequence[Change], jobs: int, progress: Progress
) -> None:
    """Ask about whatever the store has no answer to yet, and measure quality.

    Args:
        bench: the run.
        inquiry: what is shown and kept.
        changes: what adversaries do before.
        jobs: number of processes.
        progress: told how far it is.

    """
    units = []
    for contestant in contestants(bench.plan):
        for change in changes:
            asked = _asked(bench, contestant, change)
            names = [n for n in asked if unanswered(bench, contestant, n, change)]
            if names or _to_measure(bench, inquiry, contestant, change):
                units.append((contestant, change, names))
    for name in dict.fromkeys(name for _, _, names in units for name in names):
        inquiry.clean(get_recognizer(name), progress)
    total = len(changes) * len(contestants(bench.plan))
    in_processes(
        units, _unit, jobs=jobs, begin=_begin, given=(bench, inquiry),
        done=lambda count: progress("judging", total - len(units) + count, total),
    )  # fmt: skip


def _asked(bench: Bench, contestant: Contestant, change: Change) -> list[str]:
    """Judges of a contestant: of what adversaries undo only strangers, if there are any."""
    found = roles(bench, bench.team(contestant.entry))
    strangers = [name for name, role in found.items() if role == "stranger"]
    return strangers if change.adversary and strangers else list(found)


def unanswered(bench: Bench, contestant: Contestant, judge: str, change: Change) -> bool:
    """Whether a judge has not spoken, or only in a plan without second photos."""
    file = bench.store.outcome(contestant, judge, change.name)
    if not file.is_file():
        return True
    return bench.plan.needs_seconds and "B" not in bench.store.read(file)


def _to_measure(bench: Bench, inquiry: Inquiry, contestant: Contestant, change: Change) -> bool:
    return change == Change() and inquiry.measured is not None and unmeasured(bench, contestant)


@dataclass
class _Worker:
    bench: Bench
    inquiry: Inquiry
    clean: dict[str, Any] = field(default_factory=dict)


_worker: list[_Worker] = []


def _begin(bench: Bench, inquiry: Inquiry) -> None:
    _worker[:] = [_Worker(bench, inquiry)]


def _unit(contestant: Contestant, change: Change, names: Sequence[str]) -> None:
    """Judges share the photos and the faces found in them, which is most of the work."""
    bench, inquiry, clean = _worker[0].bench, _worker[0].inquiry, _worker[0].clean
    if _to_measure(bench, inquiry, contestant, change):
        assert inquiry.measured is not None
        file = bench.store.quality(contestant)
        bench.store.write(file, quality(bench, inquiry.measured, contestant))
    shown = inquiry.show(contestant, change) if names else None
    for name in names:
        judge = get_recognizer(name)
        if name not in clean:
            clean[name] = inquiry.clean(judge, lambda *_: None)
        file = bench.store.outcome(contestant, name, change.name)
        bench.store.write(file, inquiry.answer(judge, clean[name], shown))
