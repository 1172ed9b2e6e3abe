"""One file of an album: what a worker does, and what came of it. Never raises."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bauta.clips import protect_video
from bauta.errors import BautaError, NoFaceError
from bauta.media.atomic import writing
from bauta.protection import StageProgress, protect
from bauta.settings import Settings

#: Told the share done, 0 to 1.
ShareProgress = Callable[[float], None]

#: How a photo's time is shared out among its stages, about.
_STAGES = {"read": 0.02, "find": 0.13, "protect": 0.65, "write": 0.05, "verify": 0.15}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A file to protect.

    Attributes:
        name: its path in the album, with slashes.
        source: where it is.
        target: where to write.
        video: whether it is a video.
        settings: how.
        overwrite: whether the target is an earlier output, which may be replaced.

    """

    name: str
    source: Path
    target: Path
    video: bool
    settings: Settings
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a file.

    Attributes:
        status: "done", "faceless" (nothing was written) or "failed".
        verdict: of the report, if it is done.
        error: why not, fit to show to a person.
        seconds: how long it took.
        report: of the photo or video, plain data.

    """

    status: Literal["done", "faceless", "failed"]
    verdict: str = ""
    error: str = ""
    seconds: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)


def work(task: Task, tell: ShareProgress | None = None) -> Outcome:
    """Protect one file; whatever happens becomes an outcome."""
    tell = tell or (lambda _share: None)
    begun = time.perf_counter()

    def since() -> float:
        return round(time.perf_counter() - begun, 2)

    try:
        with writing(task.target):
            task.target.parent.mkdir(parents=True, exist_ok=True)
        report = _protected(task, tell)
    except NoFaceError as error:
        return Outcome(status="faceless", error=str(error), seconds=since())
    except BautaError as error:
        return Outcome(status="failed", error=str(error), seconds=since())
    except MemoryError:
        return Outcome(status="failed", error=OUT_OF_MEMORY, seconds=since())
    except Exception as error:  # a file must not stop the thousands after it
        words = f"unexpected, please report it: {type(error).__name__}: {error}"
        return Outcome(status="failed", error=words, seconds=since())
    return Outcome(status="done", verdict=report.verdict, seconds=since(), report=report.to_json())


OUT_OF_MEMORY = "out of memory: use fewer --jobs, or protect it by itself"


def _protected(task: Task, tell: ShareProgress) -> Any:
    if task.video:
        return protect_video(
            task.source, task.target, settings=task.settings, overwrite=task.overwrite,
            progress=lambda stage, done, total: tell(_share_of_clip(stage, done, total)),
        )  # fmt: skip
    return protect(
        task.source, task.target, settings=task.settings, overwrite=task.overwrite,
        progress=share_of_photo(tell),
    )  # fmt: skip


def share_of_photo(tell: ShareProgress) -> StageProgress:
    """Tell of a photo's stages as of one share."""
    begins, total = {}, 0.0
    for stage, share in _STAGES.items():
        begins[stage] = total
        total += share
    return lambda stage, share: tell(begins[stage] + _STAGES[stage] * share)


def _share_of_clip(stage: str, done: int, total: int) -> float:
    """Protecting takes most of a clip's time, checking the rest."""
    share = min(1.0, done / total) if total else 0.0
    return 0.8 * share if stage == "protect" else 0.8 + 0.2 * share
