"""Protect an album: a folder of photos and videos, its tree kept, only what is not done yet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bauta.albums.engines import Engine, Event, LocalEngine
from bauta.albums.files import Media, digest_of, media_in
from bauta.albums.manifest import Entry, Manifest, manifests_in, read_entries
from bauta.albums.work import Outcome, Task
from bauta.errors import MediaError
from bauta.media.atomic import atomic_file, writing
from bauta.settings import Settings

#: Told what is being done, how much of it, of how much.
Progress = Callable[[str, float, float], None]
Plan = Literal["do", "again", "copy", "done", "faceless", "ours", "taken"]

#: What does not change the protected file, or hardly.
_ASIDE = ("device", "judges")


@dataclass(frozen=True)
class Planned:
    """What is to be done with a file of an album.

    Attributes:
        media: the file.
        plan: "do"; "again", as something changed; "copy" what another file with the same content
            becomes; nothing, as it is "done", "faceless" or "ours" (protected already); or nothing
            can be done, as the name is "taken" by a file that Bauta did not write.
        digest: SHA-256 of its content.
        entry: what the manifest knew.

    """

    media: Media
    plan: Plan
    digest: str
    entry: Entry | None = None


@dataclass(frozen=True)
class AlbumReport:
    """What has come of an album.

    Attributes:
        folder: the album.
        output: where its protected files are.
        entries: all files of it that were done, found faceless, or failed, by name.
        planned: how many files were to be done in this run, and were not, by plan.
        seconds: work of this run's files, summed.
        gone: names of the manifest that are in the album no more.

    """

    folder: Path
    output: Path
    entries: Mapping[str, Entry]
    planned: Mapping[str, int]
    seconds: float = 0.0
    gone: Sequence[str] = field(default=())

    def named(self, status: str) -> list[Entry]:
        """Entries of one status, by name."""
        return [self.entries[name] for name in sorted(self.entries)
                if self.entries[name].status == status]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain data: reports of what is done, errors of what is not, and counts."""
        reports = [entry.report for entry in self.named("done")]
        return {
            "photos": [report for report in reports if "frames" not in report],
            "videos": [report for report in reports if "frames" in report],
            "failures": self._errors("failed"),
            "faceless": self._errors("faceless"),
            "verdicts": dict(self.verdicts),
            "planned": dict(self.planned),
            "gone": list(self.gone),
        }

    def _errors(self, status: str) -> list[dict[str, str]]:
        return [{"path": str(self.folder / e.name), "error": e.error} for e in self.named(status)]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many files came to each verdict."""
        counts: dict[str, int] = defaultdict(int)
        for entry in self.named("done"):
            counts[entry.verdict] += 1
        return dict(counts)


def settings_digest(settings: Settings) -> str:
    """SHA-256 of everything in settings that changes the protected file.

    Raises:
        MediaError: a target or reference cannot be read.

    """
    values = {k: v for k, v in asdict(settings).items() if k not in _ASIDE}
    values["targets"] = [digest_of(Path(target)) for target in settings.targets]
    values["reference"] = digest_of(settings.reference) if settings.reference else ""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def plan_album(
    folder: Path,
    output: Path,
    settings: Settings,
    *,
    overwrite: bool = False,
    entries: Mapping[str, Entry] | None = None,
    progress: Progress | None = None,
) -> list[Planned]:
    """Say what is to be done with every file of an album, without doing it.

    Args:
        folder: the album.
        output: where protected files go.
        settings: how they are protected.
        overwrite: replace files in the output that Bauta did not write.
        entries: what the output's manifest says; None reads it.
        progress: told how many files have been looked at.

    Raises:
        UsageError: there is nothing in the album, or the manifest is damaged.
        MediaError: something cannot be read.

    """
    known = read_entries(output) if entries is None else entries
    how = settings_digest(settings)
    every = [known, *manifests_in(folder)]
    ours = frozenset(entry.output for one in every for entry in one.values() if entry.output)
    found = media_in(folder, output)
    out: list[Planned] = []
    for number, media in enumerate(found, 1):
        digest = digest_of(folder / media.name)
        entry = known.get(media.name)
        plan = _plan(media, digest, entry, output, how, ours, overwrite=overwrite)
        out.append(Planned(media, plan, digest, entry))
        if progress:
            progress("looking", number, len(found))
    return _with_copies(out)


def protect_album(
    folder: Path,
    output: Path,
    settings: Settings,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    told: Callable[[Entry], None] | None = None,
) -> AlbumReport:
    """Protect what is not done yet of an album; one file that fails never stops the rest.

    Args:
        folder: the album; nothing in it is changed.
        output: where protected files go, under the same names; its folder ``.bauta`` keeps the
            manifest.
        settings: how to protect.
        engine: what runs the work; None for processes of this machine.
        overwrite: replace files in the output that Bauta did not write.
        progress: told how much is done.
        told: told of every file that is done, faceless, or failed.

    Raises:
        UsageError: there is nothing in the album, or another run works in the output.
        MediaError: the album cannot be read, or the output not written.

    """
    with Manifest(output) as manifest:
        _clear(output)
        planned = plan_album(
            folder, output, settings, overwrite=overwrite, entries=manifest.entries,
            progress=progress,
        )  # fmt: skip
        run = _Run(folder, output, settings, manifest, planned, progress, told)
        run.refuse()
        with closing(run.events(engine or LocalEngine())) as events:
            for event in events:
                run.take(event)
        run.copy()
        return run.report()


class _Run:
    """A run in progress."""

    def __init__(
        self,
        folder: Path,
        output: Path,
        settings: Settings,
        manifest: Manifest,
        planned: Sequence[Planned],
        progress: Progress | None,
        told: Callable[[Entry], None] | None,
    ) -> None:
        self.folder, self.output, self.settings = folder, output, settings
        self.manifest = manifest
        self.planned = {one.media.name: one for one in planned}
        self.how = settings_digest(settings)
        self.tell = progress or (lambda _what, _done, _total: None)
        self.told = told or (lambda _entry: None)
        self.shares: dict[str, float] = {}
        self.made = 0.0
        self.total = sum(one.plan in ("do", "again") for one in planned)
        self.seconds = 0.0

    def of(self, *plans: Plan) -> list[Planned]:
        return [one for one in self.planned.values() if one.plan in plans]

    def refuse(self) -> None:
        """Fail what cannot be written."""
        for one in self.of("taken"):
            target = self.output / one.media.written
            error = f"{target} is there, and is not bauta's: move it away, or allow overwriting"
            self._end(one, Outcome(status="failed", error=error))

    def events(self, engine: Engine) -> Generator[Event, None, None]:
        tasks = [
            Task(
                name=one.media.name,
                source=self.folder / one.media.name,
                target=self.output / one.media.written,
                video=one.media.video,
                settings=self.settings,
                overwrite=True,
            )
            for one in self.of("do", "again")
        ]
        return engine.run(tasks)

    def take(self, event: Event) -> None:
        one = self.planned[event.task.name]
        if event.kind == "begin":
            self.manifest.note(self._entry(one, "begun"))
        share = event.share if event.outcome is None else 1.0
        # A running sum: of thousands of files, a new one for every event would be most of the work.
        self.made += share - self.shares.get(one.media.name, 0.0)
        self.shares[one.media.name] = share
        if event.outcome is not None:
            self._end(one, event.outcome)
        self.tell("protecting", self.made, self.total)

    def copy(self) -> None:
        """Give files the same output as others of the same content."""
        done = {
            (entry.source, Path(entry.written).suffix.lower()): entry
            for entry in self.manifest.entries.values()
            if entry.status in ("done", "faceless") and entry.settings == self.how
        }
        for one in self.of("copy"):
            like = done.get((one.digest, Path(one.media.written).suffix.lower()))
            if like is None:
                error = "the file with the same content failed"
                self._end(one, Outcome(status="failed", error=error))
                continue
            outcome = Outcome(
                status="faceless" if like.status == "faceless" else "done",
                verdict=like.verdict, error=like.error, report=self._as_its_own(like, one),
            )  # fmt: skip
            if like.status == "done":
                try:
                    _copy(self.output / like.written, self.output / one.media.written)
                except MediaError as error:
                    outcome = Outcome(status="failed", error=str(error))
            self._end(one, outcome)

    def _as_its_own(self, like: Entry, one: Planned) -> Mapping[str, Any]:
        """The report of another file with the same content, under this one's name."""
        names = {
            "original": str(self.folder / one.media.name),
            "protected": str(self.output / one.media.written),
        }
        return {**like.report, **names} if like.report else {}

    def report(self) -> AlbumReport:
        counts: dict[str, int] = defaultdict(int)
        for one in self.planned.values():
            counts[one.plan] += 1
        entries = {k: v for k, v in self.manifest.entries.items() if k in self.planned}
        gone = [name for name in self.manifest.entries if name not in self.planned]
        return AlbumReport(self.folder, self.output, entries, dict(counts), self.seconds, gone)

    def _end(self, one: Planned, outcome: Outcome) -> None:
        target = self.output / one.media.written
        try:
            output = digest_of(target) if outcome.status == "done" else ""
        except MediaError as error:
            outcome, output = Outcome(status="failed", error=str(error)), ""
        entry = replace(
            self._entry(one, outcome.status), output=output, verdict=outcome.verdict,
            error=outcome.error, seconds=outcome.seconds, report=outcome.report,
        )  # fmt: skip
        self.seconds += outcome.seconds
        self.manifest.note(entry)
        self.told(entry)

    def _entry(self, one: Planned, status: Literal["begun", "done", "faceless", "failed"]) -> Entry:
        return Entry(
            name=one.media.name, status=status, source=one.digest, settings=self.how,
            written=one.media.written,
        )  # fmt: skip


def _plan(
    media: Media,
    digest: str,
    entry: Entry | None,
    output: Path,
    how: str,
    ours: frozenset[str],
    *,
    overwrite: bool,
) -> Plan:
    if digest in ours:
        return "ours"
    target = output / media.written
    same = entry is not None and (entry.source, entry.settings) == (digest, how)
    if same and entry is not None and entry.status == "faceless":
        return "faceless"
    if not target.exists():
        return "do" if entry is None else "again"
    # Begun and never ended: whatever is there was written by the run that was stopped.
    begun = entry is not None and entry.status == "begun"
    mine = begun or (entry is not None and bool(entry.output) and digest_of(target) == entry.output)
    if same and mine and not begun:
        return "done"
    return "again" if mine or overwrite else "taken"


def _with_copies(planned: Iterable[Planned]) -> list[Planned]:
    """Of files with the same content and kind, only the first is done."""
    first: set[tuple[str, str]] = set()
    out: list[Planned] = []
    for one in sorted(planned, key=lambda p: p.plan not in ("done", "faceless")):
        key = (one.digest, Path(one.media.written).suffix.lower())
        repeated = key in first
        first.add(key)
        wanted = one.plan in ("do", "again")
        out.append(replace(one, plan="copy") if repeated and wanted else one)
    return sorted(out, key=lambda p: p.media.name)


def _copy(source: Path, target: Path) -> None:
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target, overwrite=True, protect=[source]) as part, writing(target):
        shutil.copyfile(source, part)


def _clear(output: Path) -> None:
    """Remove what was being written when a run was killed."""
    with writing(output):
        for part in output.rglob(".bauta-*.tmp"):
            part.unlink(missing_ok=True)
