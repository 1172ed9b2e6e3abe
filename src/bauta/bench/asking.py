"""Every judge is asked once about every contestant after every change; answers are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import Change
from bauta.bench.contestants import Contestant, contestants
from bauta.recognizers.base import Judge
from bauta.recognizers.zoo import get_recognizer

Clean = TypeVar("Clean")
Photos = TypeVar("Photos")


def ask_judges(
    bench: Bench,
    changes: Sequence[Change],
    *,
    clean: Callable[[Judge], Clean],
    show: Callable[[Contestant, Change], Photos],
    answer: Callable[[Judge, Clean, Photos], dict[str, Any]],
    progress: Progress,
) -> None:
    """Ask about whatever the store has no answer to yet.

    Args:
        bench: the run.
        changes: what adversaries do before.
        clean: a judge's clean embeddings, computed once.
        show: photos, shared by all judges, since finding their faces is most of the work.
        answer: what is to be kept.
        progress: told how far it is.

    """
    units = [(c, change) for c in contestants(bench.plan) for change in changes]
    lacking = [
        [name for name in bench.judges if unanswered(bench, contestant, name, change)]
        for contestant, change in units
    ]
    wanted = {name for names in lacking for name in names}
    judges = {name: get_recognizer(name) for name in bench.judges if name in wanted}
    shelves = {name: clean(judge) for name, judge in judges.items()}
    for number, ((contestant, change), names) in enumerate(zip(units, lacking, strict=True)):
        progress("judging", number, len(units))
        if not names:
            continue
        shown = show(contestant, change)
        for name in names:
            file = bench.store.outcome(contestant, name, change.name)
            bench.store.write(file, answer(judges[name], shelves[name], shown))
    progress("judging", len(units), len(units))


def unanswered(bench: Bench, contestant: Contestant, judge: str, change: Change) -> bool:
    """Whether a judge has not spoken, or only in a plan without second photos."""
    file = bench.store.outcome(contestant, judge, change.name)
    if not file.is_file():
        return True
    return bench.plan.needs_seconds and "B" not in bench.store.read(file)
