"""Protect a video: follow its faces, carry what hides them along, write, and score the file."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.clips.carrying import Carrier, Done, View
from bauta.clips.judging import Judged, judge_clip
from bauta.clips.report import ClipFace, ClipReport
from bauta.clips.samples import Sample, Samples
from bauta.clips.tracking import Shown, Tracker
from bauta.clips.work import Work, fingerprint
from bauta.errors import NoFaceError, UsageError
from bauta.media.atomic import check_target
from bauta.media.video import Video, VideoWriter, describe_metadata, output_suffix, read_video
from bauta.memory import enough_memory
from bauta.optimisation import carried_out, held_out_of
from bauta.protection import default_output, team
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import PRESETS, Settings

#: Called with a stage ("protect" or "verify"), frames done, and frames in all; 0 if unknown.
ClipProgress = Callable[[str, int, int], None]

#: Faces in frames that judges look at, at most; two of each face in any case.
SAMPLES = 60
#: Changes of how faces are followed and carried, which old work does not fit.
_FORMAT = 1


@enough_memory()
def protect_video(
    path: str | Path,
    out: str | Path | None = None,
    *,
    settings: Settings | None = None,
    overwrite: bool = False,
    crf: int | None = None,
    samples: int = SAMPLES,
    progress: ClipProgress | None = None,
    **options: Any,
) -> ClipReport:
    """Protect the faces of a video, and score the written file.

    A run that is interrupted leaves a folder beside the output; the same call goes on from there.

    Args:
        path: the video; it is never changed.
        out: the file to write; None: beside the video, with ``-protected`` in its name.
        settings: how; or give its fields as keywords, such as ``epsilon=12``. ``faces`` takes
            "all", or numbers in the order in which faces come into view.
        overwrite: replace an existing output.
        crf: quality on the scale of the encoder, where smaller is better; None: its default.
        samples: faces in frames that judges look at, at most.
        progress: told the stage, the frames done, and the frames in all.
        options: fields of :class:`Settings`.

    Raises:
        NoFaceError: no frame shows a face; nothing was written.
        MediaError: the video cannot be read, or the output not be written.
        UsageError: an argument is wrong, or another run works on this output.
        WeightsError: a recognizer's weights are missing.
        MissingExtraError: the extra "video" is not installed.

    Example:
        >>> from bauta.clips import protect_video
        >>> report = protect_video("me.mp4", preset="fast")  # doctest: +SKIP
        >>> report.verdict  # doctest: +SKIP
        'protected'

    """
    if settings is not None and options:
        raise UsageError("give either settings or single options, not both")
    settings = settings or Settings(**options)
    wanted = chosen_numbers(settings.faces)
    source = Path(path)
    with read_video(source) as video:
        target = Path(out) if out is not None else default_output(source, output_suffix(video))
        check_target(target, overwrite=overwrite, protect=[source])
        surrogates, judges = team(settings)
        run = _Run(video, settings, surrogates, wanted, progress or (lambda *_: None))
        writer = VideoWriter(
            video, target, metadata=settings.metadata, overwrite=overwrite, crf=crf
        )
        # Provenance is told; the word is not.
        key = fingerprint(source, {**run.provenance, "word": settings.word})
        with Work(target, key) as work:
            began = time.perf_counter()
            _write(run, writer, work, source)
            run.seconds["protect"] = round(time.perf_counter() - began, 3)
            work.remove()
        steered = [*surrogates, *(get_surrogate(name) for name in held_out_of(settings))]
        began = time.perf_counter()
        judged = judge_clip(
            video,
            target,
            run.looks(samples),
            judges,
            surrogates=frozenset[str]().union(*(one.lineage for one in steered)),
            progress=lambda done: run.tell("verify", done, run.frames),
        )
        run.seconds["verify"] = round(time.perf_counter() - began, 3)
        return run.report(source, target, judged, resumed=work.resumed, notes=writer.notes)


def chosen_numbers(which: str) -> frozenset[int] | None:
    """Numbers of the faces that are to be protected; None for all.

    Raises:
        UsageError: it is neither "all" nor numbers from 1 on.

    """
    if which == "all":
        return None
    numbers = which.split(",")
    if not all(number.strip().isdecimal() and int(number) > 0 for number in numbers):
        raise UsageError(
            f"in videos --faces takes all, or numbers such as 1,3 in the order in which faces "
            f"come into view; got {which!r}"
        )
    return frozenset(int(number) for number in numbers)


def smallest_face(video: Video, settings: Settings) -> float:
    """Side of the smallest face that is looked for, in pixels."""
    longer = max(video.facts.width, video.facts.height)
    return settings.min_face or max(40.0, PRESETS[settings.preset].smallest * longer)


def frames_in(video: Video) -> int:
    """How many frames a video has, as far as its container tells; 0 if it is silent."""
    facts = video.facts
    if facts.frame_count:
        return facts.frame_count
    if facts.duration and facts.average_rate:
        return round(facts.duration * facts.average_rate)
    return 0


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether an (H, W, 3) frame has no colour, but for what compression leaves."""
    few = pixels[::4, ::4].astype(np.int16)
    return int((few.max(axis=2) - few.min(axis=2)).max()) <= 4


def _write(run: _Run, writer: VideoWriter, work: Work, source: Path) -> None:
    """Protect and write frame after frame; what was found stays if it is interrupted."""
    done = 0
    try:
        with writer:
            for shown in run.tracked():
                writer.write(shown.frame, run.protect(shown, work))
                done = shown.frame.index + 1
                work.frame_done(done - 1)
            run.check(source)
    except (UsageError, NoFaceError):
        work.remove()
        raise
    except BaseException:
        work.flush(done)
        raise


@dataclass
class _Tally:
    """What was done to one face."""

    first: float
    last: float = 0.0
    samples: Samples = field(default_factory=Samples)
    steps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def count(self, done: Done) -> None:
        counted = self.steps[done.kind]
        if done.kind != "carried":
            counted.append(done.steps)


class _Run:
    """One pass over a video that protects its faces."""

    def __init__(
        self,
        video: Video,
        settings: Settings,
        surrogates: Sequence[Recognizer],
        wanted: frozenset[int] | None,
        tell: ClipProgress,
    ) -> None:
        self.tell = tell
        self.frames = 0
        self.seconds: dict[str, float] = {}
        self._video = video
        self._settings = settings
        self._surrogates = surrogates
        self._wanted = wanted
        self._total = frames_in(video)
        self._shown = 0
        self._before: frozenset[int] = frozenset()
        self._carriers: dict[int, Carrier] = {}
        self._tallies: dict[int, _Tally] = {}

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything that the result depends on, but for the source."""
        settings = self._settings
        given = [*settings.targets, settings.reference, Path(settings.style)]
        files = [one for one in given if one is not None and one.is_file()]
        return {
            **settings.to_json(),
            "files": [hashlib.sha256(one.read_bytes()).hexdigest() for one in files],
            "surrogates": [one.name for one in self._surrogates],
            "held_out": held_out_of(settings),
            "format": _FORMAT,
        }

    def tracked(self) -> Iterator[Shown]:
        """The frames with their faces."""
        tracker = Tracker(
            self._surrogates[0],
            detector=self._settings.detector,
            min_face=smallest_face(self._video, self._settings),
        )
        return tracker.track(self._video)

    def protect(self, shown: Shown, work: Work) -> NDArray[np.uint8]:
        """The frame with its faces protected."""
        frame, faces, found = shown.frame, [], []
        grey = is_grey(frame.pixels)
        for number, face in shown.faces.items():
            tally = self._tallies.setdefault(number, _Tally(frame.seconds))
            tally.last = frame.seconds
            tally.samples.add(frame.index, face)
            if self._wanted is not None and number not in self._wanted:
                continue
            fresh = shown.cut or number not in self._before
            view = View(index=frame.index, pixels=frame.pixels, face=face, fresh=fresh, grey=grey)
            if number not in self._carriers:
                self._carriers[number] = Carrier(self._settings, self._surrogates)
            known = work.get(frame.index, number)
            done, one = self._carriers[number].protect(view, known)
            if known is None:
                work.put(frame.index, number, done)
            tally.count(done)
            faces.append(face)
            found.append(one)
        self._before = frozenset(shown.faces)
        self._shown += bool(faces)
        self.frames = frame.index + 1
        self.tell("protect", self.frames, self._total)
        if not faces:
            return frame.pixels
        return carried_out([frame.pixels], [faces], found, self._settings, [grey])[0]

    def check(self, source: Path) -> None:
        """Refuse to write a video in which nothing was protected.

        Raises:
            NoFaceError: no frame shows a face.
            UsageError: none of the faces that were asked for is there.

        """
        if not self._tallies:
            raise NoFaceError(
                f"{source}: no face was found in its {self.frames} frames, so nothing was "
                "written. Smaller or turned faces are found with --min-face 20 or "
                "--detector yunet."
            )
        for number in sorted(self._wanted or ()):
            if number not in self._tallies:
                raise UsageError(
                    f"there is no face number {number}: the video has {len(self._tallies)}"
                )

    def looks(self, most: int) -> dict[int, list[Sample]]:
        """Per face that was protected, the moments that judges are to look at."""
        share = most // max(1, len(self._carriers))
        return {number: self._tallies[number].samples.spread(share) for number in self._carriers}

    def report(
        self, source: Path, target: Path, judged: Judged, *, resumed: int, notes: Sequence[str]
    ) -> ClipReport:
        """What was done, and what the judges said."""
        faces = tuple(self._face(number, judged) for number in sorted(self._tallies))
        provenance = {**self.provenance}
        if self._settings.metadata == "private":
            provenance["left_out"] = describe_metadata(self._video)
        return ClipReport(
            original=source,
            protected=target,
            frames=self.frames,
            shown=self._shown,
            faces=faces,
            moments=judged.moments,
            flicker=judged.flicker,
            steps=sum(face.steps for face in faces),
            single=sum(self._single(number) for number in self._carriers),
            resumed=resumed,
            sizes=(source.stat().st_size, target.stat().st_size),
            seconds=self.seconds,
            settings=provenance,
            notes=tuple(notes),
        )

    def _face(self, number: int, judged: Judged) -> ClipFace:
        tally = self._tallies[number]
        steps = tally.steps
        return ClipFace(
            number=number,
            chosen=number in self._carriers,
            first=tally.first,
            last=tally.last,
            frames=tally.samples.frames,
            judged=judged.looked_at.get(number, 0),
            keys=len(steps["key"]),
            refined=len(steps["refined"]),
            steps=sum(map(sum, steps.values())),
            scores=judged.scores.get(number, ()),
        )

    def _single(self, number: int) -> int:
        """Steps that it would take to treat each of a face's frames as a key frame."""
        keys = self._tallies[number].steps["key"]
        return round(self._tallies[number].samples.frames * sum(keys) / len(keys))
