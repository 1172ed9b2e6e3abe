"""Videos on the command line: the same commands as for photos, told in their own words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from bauta.cli.output import VERDICTS, err, out, print_notes
from bauta.cli.paths import make_folder
from bauta.errors import UsageError

if TYPE_CHECKING:
    from bauta.clips import ClipReport, MarkedClip, WornClip
    from bauta.keys.mask import PersonalMask
    from bauta.watermarking import OwnKey, Traced

#: Moments that are named where somebody is still recognised.
_NAMED = 3
#: What is done, by stage.
_STAGES = {"protect": "protecting", "verify": "checking", "look": "looking", "mask": "masking",
           "mark": "marking", "trace": "tracing"}  # fmt: skip


def protect_clip(
    source: Path,
    target: Path | None,
    settings: Any,
    *,
    others: list[Path],
    overwrite: bool,
    bar: Progress,
) -> ClipReport:
    """Protect a video, with a bar for each stage.

    Raises:
        UsageError: photos to compare with were given, which is for photos.

    """
    from bauta.clips import protect_video

    if others:
        raise UsageError(
            f"{source} is a video, which is compared with its own frames: --other is for photos"
        )
    if target is not None:
        make_folder(target.parent)
    with _Stages(bar, source.name) as tell:
        try:
            return protect_video(
                source, target, settings=settings, overwrite=overwrite, progress=tell
            )
        except KeyboardInterrupt:
            err.print("interrupted: the same command goes on from here")
            raise


def mask_clip(
    mask: PersonalMask, source: Path, target: Path | None, *, bar: Progress, **options: Any
) -> WornClip:
    """Put a mask on its owner in a video, with a bar for each stage."""
    from bauta.clips import mask_video

    with _Stages(bar, source.name) as tell:
        return mask_video(mask, source, target, progress=tell, **options)


def mark_clip(
    key: OwnKey,
    identifier: str,
    source: Path,
    target: Path | None,
    *,
    bar: Progress,
    **options: Any,
) -> MarkedClip:
    """Mark faces in a video, with a bar for each stage."""
    from bauta.clips import mark_video

    with _Stages(bar, source.name) as tell:
        return mark_video(key, identifier, source, target, progress=tell, **options)


def trace_clip(keys: list[OwnKey], source: Path, *, bar: Progress, **options: Any) -> Traced:
    """Trace faces in a video, with a bar."""
    from bauta.clips import trace_video

    with _Stages(bar, source.name) as tell:
        return trace_video(keys, source, progress=tell, **options)


class _Stages:
    """A bar per stage of one video, gone at the end."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar, self._name = bar, name
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, int, int], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        for task in self._tasks.values():
            self._bar.remove_task(task)

    def _tell(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            words = f"{escape(self._name)}, {_STAGES[stage]}"
            self._tasks[stage] = self._bar.add_task(words, total=total or None)
        self._bar.update(self._tasks[stage], completed=done)


def print_clip(report: ClipReport) -> None:
    """Print one video's verdict, its table, its worst moments, and what the reader should know."""
    out.print(f"[bold]{escape(report.protected.name)}[/]: {VERDICTS[report.verdict]}")
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in (
        "face",
        "seen",
        "judge",
        "before",
        "after",
        "worst",
        "threshold (FAR)",
        "matched",
    ):
        table.add_column(title, justify="left" if title in ("face", "judge") else "right")
    for face in report.faces:
        seen = f"{face.first:.1f}-{face.last:.1f} s"
        if not face.chosen:
            table.add_row(f"{face.number}", seen, "[dim]not chosen[/]")
        for index, score in enumerate(face.scores):
            table.add_row(
                f"{face.number}" if index == 0 else "",
                seen if index == 0 else "",
                escape(score.judge) + ("" if score.independent else " [dim](surrogate)[/]"),
                f"{score.before:.3f}",
                f"{score.after:.3f}",
                f"{score.worst:.3f}",
                f"{score.threshold:.3f} ({score.far:.1%})",
                f"{score.matched:.0%}",
            )
    out.print(table)
    _print_moments(report)
    sizes = " -> ".join(f"{size / 1000:,.0f} kB" for size in report.sizes)
    out.print(
        f"faces in {report.shown} of {report.frames} frames; {report.steps} gradient steps instead "
        f"of {report.single} frame by frame; flicker {report.flicker:.0%} of the change; {sizes}"
    )
    if report.resumed:
        out.print(f"went on from an interrupted run after {report.resumed} frames")
    print_notes(report.notes)
    if report.verdict in ("recognisable", "weakened"):
        out.print("[yellow]try:[/] --preset strong, or --epsilon 12")


def _print_moments(report: ClipReport) -> None:
    out.print(
        "[dim]before, after: compared with the same face in other frames of the original; matched: "
        "frames that still match it[/]"
    )
    for moment in report.moments[:_NAMED]:
        out.print(
            f"[dim]worst at {moment.seconds:.2f} s, face {moment.face}: about "
            f"{moment.matches:.0%} of this person's other photos still match[/]"
        )


def print_worn(worn: WornClip) -> None:
    """Print what was done to a video whose owner got a mask."""
    numbers = ", ".join(str(number) for number in worn.chosen)
    out.print(
        f"[bold]{escape(str(worn.written))}[/]: face {numbers} of {worn.faces} masked, in "
        f"{worn.masked} of {worn.frames} frames"
    )
    print_notes(worn.notes)
    if worn.left_out:
        out.print(f"[dim]metadata left out: {escape(', '.join(worn.left_out))}[/]")


def print_marked(clip: MarkedClip) -> None:
    """Print what was done to a video whose faces were marked."""
    numbers = ", ".join(str(number) for number in clip.chosen)
    bits = ", ".join(str(count) for count in clip.agreeing)
    out.print(
        f"[bold]{escape(str(clip.written))}[/]: face {numbers} of {clip.faces} marked, in "
        f"{clip.marked} of {clip.frames} frames; read back: {bits} of 64 bits"
    )
    print_notes(clip.notes)
    if clip.left_out:
        out.print(f"[dim]metadata left out: {escape(', '.join(clip.left_out))}[/]")
