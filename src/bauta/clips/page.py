"""Reports of videos: JSON for programs, one self-contained web page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bauta.audit.document import Html, Parts, document, join, version
from bauta.audit.report import report_files
from bauta.clips.report import NAMED_MOMENTS, ClipFace, ClipReport, Moment
from bauta.media.atomic import atomic_write, check_target

_parts = Parts("bauta.clips", "report.html")
_VERDICTS = {
    "protected": ("Protected", "No judge that knew the person recognises them in any moment."),
    "weakened": ("Partly hidden", "In some moments, some other photos of a person still match."),
    "recognisable": ("Still recognisable", "In some moments, most other photos still match."),
    "unjudged": ("Unknown", "No independent judge knew the person, so nothing is proven."),
}


def write_clip_report(
    reports: Sequence[ClipReport], path: Path, *, overwrite: bool = True
) -> list[Path]:
    """Write what was found about videos, as JSON, as a web page, or as both.

    The page is one file that asks the network for nothing; it holds no pictures, and file names
    without folders. The JSON keeps paths as given.

    Args:
        reports: one per video.
        path: "x.json" writes JSON, "x.html" the page, and "x" both, as x.json and x.html.
        overwrite: replace existing reports. Videos of the report are never replaced.

    Returns:
        The files written.

    Raises:
        UsageError: another suffix.
        MediaError: a report cannot be written.

    """
    targets = report_files(path)
    guarded = [file for report in reports for file in (report.original, report.protected)]
    for target in targets:
        check_target(target, overwrite=overwrite, protect=guarded)
    created = datetime.now(UTC)
    for target in targets:
        made = _json if target.suffix.lower() == ".json" else _page
        data = made(reports, created).encode("utf-8", "replace")
        atomic_write(target, data, overwrite=overwrite, protect=guarded)
    return targets


def _json(reports: Sequence[ClipReport], created: datetime) -> str:
    videos = [report.to_json() for report in reports]
    content = {"bauta": version(), "created": created.isoformat(), "videos": videos}
    return json.dumps(content, indent=2, allow_nan=False, default=str) + "\n"


def _page(reports: Sequence[ClipReport], created: datetime) -> str:
    return document(
        "Face protection report",
        reports[0].original.name if len(reports) == 1 else f"{len(reports)} videos",
        join(map(_clip, reports)),
        style=_parts.text("style"),
        script=_parts.text("script"),
        created=created,
    )


def _clip(report: ClipReport) -> Html:
    verdict, sentence = _VERDICTS[report.verdict]
    return _parts.fill(
        "clip",
        name=report.original.name,
        protected=report.protected.name,
        verdict=verdict,
        sentence=sentence,
        facts=join(_parts.fill("item", text=text) for text in _facts(report)),
        rows=join(row for face in report.faces for row in _rows(face)),
        moments=join(_moment(moment) for moment in report.moments[:NAMED_MOMENTS]),
        judged=sum(face.judged for face in report.faces),
    )


def _facts(report: ClipReport) -> list[str]:
    settings = report.settings
    return [
        f"{report.shown} of {report.frames} frames show a face that was protected",
        f"method {settings['method']}, preset {settings['preset']}, epsilon "
        f"{settings['epsilon']:g}, seed {settings['seed']}",
        f"{report.steps} gradient steps; frame by frame it would have been {report.single}",
        f"flicker: {report.flicker:.0%} of the change, from frame to frame on the skin",
        *report.notes,
    ]


def _rows(face: ClipFace) -> list[Html]:
    return [
        _parts.fill(
            "row",
            face=face.number,
            seen=f"{face.first:.1f} to {face.last:.1f} s",
            judge=score.judge + ("" if score.independent else " *"),
            before=f"{score.before:.3f}",
            after=f"{score.after:.3f}",
            worst=f"{score.worst:.3f}",
            threshold=f"{score.threshold:.3f}",
            matched=f"{score.matched:.0%}",
            matches=f"{score.matches:.0%}",
        )
        for score in face.scores
    ]


def _moment(moment: Moment) -> Html:
    similarities = ", ".join(f"{name} {value:.2f}" for name, value in moment.similarities.items())
    return _parts.fill(
        "moment",
        time=f"{moment.seconds:.2f} s",
        frame=moment.frame,
        face=moment.face,
        matches=f"{moment.matches:.0%}",
        similarities=similarities,
    )
