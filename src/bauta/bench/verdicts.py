"""What judges and adversaries make of a run's protected photos."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bauta.audit.adversaries import apply_adversary
from bauta.bench.asking import ask_judges, unanswered
from bauta.bench.bench import Bench, Progress
from bauta.bench.changes import LEARNERS, Change, changes_of
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.judging import Outcome, Shelf, judged
from bauta.bench.learning import LEARNING, learn, student_of
from bauta.bench.people import POSTS, PROBES, SECONDS, People
from bauta.bench.pool import in_processes
from bauta.bench.protecting import Shown, found_anew
from bauta.faces.frame import cut_canvas
from bauta.media import read_photo
from bauta.recognizers.base import Judge, Recognizer
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer, get_surrogate


def judge_all(bench: Bench, people: People, jobs: int, progress: Progress) -> None:
    """Let every judge and every adversary look at what they have not looked at yet."""
    changes = changes_of(bench.plan)
    plain = [change for change in changes if change.adversary not in LEARNERS]
    ask_judges(bench, Search(bench, people), plain, jobs, progress)
    lessons = [
        (contestant, change)
        for change in changes
        for contestant in contestants(bench.plan)
        if change.adversary in LEARNERS and unanswered(bench, contestant, change.adversary, change)
    ]
    in_processes(
        lessons, _lesson, jobs=jobs, begin=_open_school, given=(bench, people),
        done=lambda count: progress("adversaries learning", count, len(lessons)),
    )  # fmt: skip


@dataclass(frozen=True)
class Search:
    """Protected probes are searched: an :class:`~bauta.bench.asking.Inquiry`.

    Attributes:
        bench: the run.
        measured: its people.

    """

    bench: Bench
    measured: People

    def clean(self, judge: Judge, progress: Progress) -> Shelf:
        """Everybody's clean photos."""
        return clean_shelf(judge, self.measured, self.bench.cache, progress)

    def show(self, contestant: Contestant, change: Change) -> list[Shown]:
        """Protected probes and, if the plan needs them, second photos."""
        return _shown(self.bench, self.measured, contestant, change)

    def answer(self, judge: Judge, clean: Shelf, shown: list[Shown]) -> Outcome:
        """Outcomes of all scenarios."""
        return judged(clean, *(judge.embed(*some) for some in shown))


def _shown(bench: Bench, people: People, contestant: Contestant, change: Change) -> list[Shown]:
    """Probes, and the second photos if they are protected."""
    parts = [PROBES, SECONDS] if bench.plan.needs_seconds else [PROBES]
    return [shown_after(bench, people, contestant, change, part) for part in parts]


def clean_shelf(judge: Judge, people: People, cache: Path, progress: Progress) -> Shelf:
    """A judge's embeddings of everybody's clean photos, computed once for all runs."""
    names = [*people.probes, *people.seconds, *people.gallery]
    rows = embed_photos(
        judge, people.root, {name: people.faces[name] for name in names}, cache,
        progress=lambda d, n: progress(f"embedding: {judge.name}", d, n),
    )  # fmt: skip
    return Shelf(
        people=people.names,
        probes=np.stack([rows[name] for name in people.probes]),
        seconds=np.stack([rows[name] for name in people.seconds]),
        gallery=np.stack([rows[name] for name in people.gallery]),
        owners=[name.split("/")[0] for name in people.gallery],
        targets=people.target_names,
    )


def shown_after(
    bench: Bench, people: People, contestant: Contestant, change: Change, part: str
) -> Shown:
    """Protected photos after what an adversary does, and the face that is found in each."""
    names = people.part(part)
    files = [bench.store.photo(contestant, i, part) for i in range(len(names))]
    photos = [read_photo(file).pixels for file in files]
    if change.adversary:
        photos = [apply_adversary(change.adversary, photo, change.strength) for photo in photos]
    return photos, found_anew(photos, [people.faces[name] for name in names])


@dataclass
class _School:
    """Where adversaries learn from contestants' photos of other people; one in each process."""

    bench: Bench
    people: People
    begun: dict[str, _Beginner] = field(default_factory=dict)

    def outcome(self, contestant: Contestant, change: Change) -> Outcome:
        """What a learner finds; nothing of scenario D, for which it has no threshold."""
        if change.adversary not in self.begun:
            self.begun[change.adversary] = _Beginner(self.bench, self.people, change.adversary)
        beginner = self.begun[change.adversary]
        student, shelf = beginner.student, None
        if change.strength:
            count = int(change.strength)
            posts = shown_after(self.bench, self.people, contestant, Change(), POSTS)
            changed = _crops(student, (posts[0][:count], posts[1][:count]))
            student = replace(student, network=copy.deepcopy(student.network))
            clean, targets = beginner.crops[:count], beginner.targets[:count]
            learn(student, clean, changed, targets, seed=self.bench.plan.seed)
            shelf = clean_shelf(student, self.people, self.bench.cache, lambda *_: None)
        shown = _shown(self.bench, self.people, contestant, Change())
        out = judged(shelf or beginner.shelf, *(student.embed(*some) for some in shown))
        del out["D"]
        return out


@dataclass
class _Beginner:
    """An adversary that has not learnt from protected photos yet, and what it is to learn."""

    bench: Bench
    people: People
    name: str

    @cached_property
    def student(self) -> Recognizer:
        return student_of(LEARNING[self.name], self.crops, self.targets)

    @cached_property
    def shelf(self) -> Shelf:
        """Its embeddings of everybody's clean photos."""
        return clean_shelf(self.student, self.people, self.bench.cache, lambda *_: None)

    @cached_property
    def crops(self) -> Tensor:
        """Clean posts: all of them for the first map, which belongs to no strength."""
        student = get_surrogate(LEARNING[self.name].student).to(self.bench.device)
        return _crops(student, self._posts)

    @cached_property
    def targets(self) -> Tensor:
        teacher = get_recognizer(LEARNING[self.name].teacher)
        return torch.from_numpy(teacher.embed(*self._posts)).to(self.bench.device)

    @cached_property
    def _posts(self) -> Shown:
        names = self.people.posts
        photos = [read_photo(self.people.root / name).pixels for name in names]
        return photos, [self.people.faces[name] for name in names]


_school: list[_School] = []


def _open_school(bench: Bench, people: People) -> None:
    _school[:] = [_School(bench, people)]


def _lesson(contestant: Contestant, change: Change) -> None:
    """One adversary learns from one contestant's posts, looks, and what it finds is kept."""
    school = _school[0]
    file = school.bench.store.outcome(contestant, change.adversary, change.name)
    school.bench.store.write(file, school.outcome(contestant, change))


@torch.no_grad()
def _crops(recognizer: Recognizer, shown: Shown) -> Tensor:
    """(N, 3, H, W) crops in whole grey levels, as the recognizer cuts them."""
    crops = []
    for at in range(0, len(shown[0]), recognizer.batch):
        some = slice(at, at + recognizer.batch)
        canvas = cut_canvas(shown[0][some], shown[1][some])
        crops.append(recognizer.crop.take(canvas, canvas.images).round())
    return torch.cat(crops).to(recognizer.device)
