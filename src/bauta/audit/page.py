"""The web page of a report: one self-contained file that asks the network for nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import PurePath
from typing import NamedTuple

from PIL import Image

from bauta.audit.document import Html, Parts, document, join
from bauta.audit.pictures import MAGNIFICATION, Pixels, cropped, data_uri, magnified, scaled
from bauta.audit.scores import FaceReport, PhotoReport, Score
from bauta.errors import UsageError
from bauta.media import read_photo

#: Longer side of the photos in the page; beyond ``_MANY`` photos the smaller one.
_SIDE, _SIDE_OF_MANY, _MANY = 1280, 720, 24
_CROP_SIDE = 360
_parts = Parts("bauta.audit", "report.html")
_fill = _parts.fill
_ABSOLUTE = re.compile(r"(?<![\w.:/\\])(?:~?/|[A-Za-z]:[\\/]|\\\\)(?:[^\s'\"`<>|:;,/\\]+[\\/])+")


class _Words(NamedTuple):
    """A verdict: its colour, its sign, and the words, which carry it alone."""

    tone: str
    icon: str
    verdict: str


_PHOTO = {
    "protected": _Words("good", "✓", "Protected"),
    "weakened": _Words("open", "~", "Partly hidden"),
    "recognisable": _Words("bad", "✕", "Still recognisable"),
    "unjudged": _Words("open", "?", "No independent judge could tell"),
    "unchosen": _Words("open", "–", "No face was chosen"),
}
_FACE = _PHOTO | {
    "unjudged": _Words("open", "?", "Unknown: no independent judge"),
    "unchosen": _Words("muted", "–", "Not chosen for protection"),
}
_SCORE = {
    "lost": _Words("good", "✓", "No longer recognised"),
    "informs": _Words("muted", "✓", "No longer recognised"),
    "some": _Words("open", "~", "Some photos still match"),
    "kept": _Words("bad", "✕", "Still recognised"),
    "never": _Words("open", "–", "Not recognised, nor was the original"),
}
_SENTENCES = {
    "protected": "None of the independent judges takes a chosen face for the same person any more.",
    "weakened": "At least one judge still takes some other photos for the person of face {}.",
    "recognisable": "At least one judge still takes face {} for the same person.",
    "unjudged": "Whether the protection holds is unknown: every judge took part in making it, or "
    "did not know the person before either.",
    "unchosen": "Nothing in this photo was to be protected, so there is nothing to judge.",
}


def page(reports: Sequence[PhotoReport], created: datetime) -> str:
    """Return the report as one self-contained web page."""
    side = _SIDE if len(reports) <= _MANY else _SIDE_OF_MANY
    photos = [_photo(number, report, side) for number, report in enumerate(reports, 1)]
    return document(
        "Face protection report",
        reports[0].original.name if len(reports) == 1 else f"{len(reports)} photos",
        join([_summary(reports), *photos, _fill("reading"), _fill("limits")]),
        style=_parts.text("style"),
        script=_parts.text("script"),
        created=created,
    )


def _summary(reports: Sequence[PhotoReport]) -> Html:
    if len(reports) == 1:
        return Html("")
    rows, tally = [], dict.fromkeys(_PHOTO, 0)
    for number, report in enumerate(reports, 1):
        kind = _kind(report)
        tally[kind] += 1
        chosen = [face for face in report.faces if face.chosen]
        done = sum(face.verdict == "protected" for face in chosen)
        rows.append(
            _fill(
                "summary_row",
                number=number,
                name=report.original.name,
                faces=f"{done} of {len(chosen)}",
                psnr=_decibel(report.psnr),
                change=report.largest_change,
                **_PHOTO[kind]._asdict(),
            )
        )
    counts = ", ".join(f"{n} {_FACE[kind].verdict.lower()}" for kind, n in tally.items() if n)
    return _fill("summary", headline=f"{len(reports)} photos: {counts or 'none'}", rows=join(rows))


def _photo(number: int, report: PhotoReport, side: int) -> Html:
    before, after = _pixels(report)
    small = scaled(before, side)
    kind = _kind(report)
    failed = [str(f.number) for f in report.faces if f.chosen and f.verdict == report.verdict]
    height, width = before.shape[:2]
    marked = report.faces if len(report.faces) > 1 else ()
    return _fill(
        "photo",
        number=number,
        name=report.original.name,
        protected=report.protected.name,
        sentence=_SENTENCES[kind].format(", ".join(failed)),
        notes=_notes(report),
        before=data_uri(small),
        after=data_uri(scaled(after, side)),
        width=small.shape[1],
        height=small.shape[0],
        marks=join(_mark(face, width, height) for face in marked),
        facts=_facts(report),
        faces=join(_face(number, face, before, after) for face in report.faces),
        settings=_settings(report),
        **_PHOTO[kind]._asdict(),
    )


def _pixels(report: PhotoReport) -> tuple[Pixels, Pixels]:
    before, after = read_photo(report.original).pixels, read_photo(report.protected).pixels
    if before.shape != after.shape:
        raise UsageError(
            f"{report.original} and {report.protected} differ in size by now: verify them again"
        )
    return before, after


def _kind(report: PhotoReport) -> str:
    return report.verdict if any(face.chosen for face in report.faces) else "unchosen"


def _mark(face: FaceReport, width: int, height: int) -> Html:
    left, top, right, bottom = (
        100 * min(max(edge / whole, 0), 1)
        for edge, whole in zip(face.box, (width, height) * 2, strict=True)
    )
    return _fill(
        "mark",
        number=face.number,
        left=f"{left:.2f}",
        top=f"{top:.2f}",
        width=f"{right - left:.2f}",
        height=f"{bottom - top:.2f}",
    )


def _facts(report: PhotoReport) -> Html:
    sizes = [
        f"{round(size / 1000):,} kB".replace(",", "\N{NO-BREAK SPACE}") for size in report.sizes
    ]
    rows = (
        ("Original file", report.original.name, sizes[0]),
        ("Protected file", report.protected.name, sizes[1]),
        ("PSNR", _decibel(report.psnr), "whole photo; higher is closer"),
        ("SSIM", _similarity(report.ssim), "whole photo; 1 is equal"),
        (
            "Largest change",
            f"{report.largest_change} of 255",
            "grey levels, of any sample; where features were shifted, edges count in full",
        ),
        ("Faces compared with", report.reference, "the reference for every similarity"),
    )
    return join(_fill("fact", term=t, value=v, hint=hint) for t, v, hint in rows)


def _notes(report: PhotoReport) -> Html:
    if not report.notes:
        return Html("")
    texts = [escape(_public(note, report)) for note in report.notes]
    codes = [Html(re.sub("`([^`]+)`", r"<code>\1</code>", text)) for text in texts]
    items = join(_fill("note", text=text) for text in codes)
    return _fill("notes", items=items)


def _settings(report: PhotoReport) -> Html:
    if not report.settings:
        return Html("")
    rows = [(_public(str(k), report), _words(v, report)) for k, v in report.settings.items()]
    return _fill("settings", items=join(_fill("fact", term=k, value=v, hint="") for k, v in rows))


def _face(photo: int, face: FaceReport, before: Pixels, after: Pixels) -> Html:
    old, new = cropped(before, face.box), cropped(after, face.box)
    change = scaled(magnified(old, new), _CROP_SIDE, Image.Resampling.NEAREST)
    small = scaled(old, _CROP_SIDE)
    seen = "still finds" if face.found_after else "no longer finds"
    return _fill(
        "face",
        photo=photo,
        number=face.number,
        sentence=f"The face detector {seen} this face. Within its box: "
        f"PSNR {_decibel(face.psnr)}, SSIM {_similarity(face.ssim)}.",
        before=data_uri(small),
        after=data_uri(scaled(new, _CROP_SIDE)),
        difference=data_uri(change),
        side=small.shape[0],
        factor=MAGNIFICATION,
        scores=_scores(face),
        **_FACE[face.verdict if face.chosen else "unchosen"]._asdict(),
    )


def _scores(face: FaceReport) -> Html:
    if not face.scores:
        return Html("<p>No judge looked at this face.</p>")
    values = [v for s in face.scores for v in (s.before, s.after, s.threshold) if math.isfinite(v)]
    low = math.floor(2 * min(values, default=0)) / 2
    low, high = min(0.0, low), max(1.0, math.ceil(2 * max(values, default=1)) / 2)
    return _fill(
        "scores",
        number=face.number,
        low=f"{low:g}".replace("-", "−"),
        high=f"{high:g}",
        rows=join(_score(score, low, high) for score in face.scores),
    )


def _score(score: Score, low: float, high: float) -> Html:
    return _fill(
        "score",
        judge=score.judge,
        role="independent" if score.independent else "took part",
        before=_similarity(score.before),
        after=_similarity(score.after),
        threshold=_similarity(score.threshold),
        far=f"FAR {100 * score.far:.2g} %" if math.isfinite(score.far) else "",
        matches=f"{100 * score.matches:.0f} %" if math.isfinite(score.matches) else "",
        plot=_plot(score, low, high),
        **_SCORE[_outcome(score)]._asdict(),
    )


def _outcome(score: Score) -> str:
    if score.verdict == "recognisable":
        return "kept"
    if score.verdict == "weakened":
        return "some"
    if score.before < score.threshold:
        return "never"
    return "lost" if score.independent else "informs"


def _plot(score: Score, low: float, high: float) -> Html:
    values = {"before": score.before, "after": score.after, "threshold": score.threshold}
    if not all(map(math.isfinite, values.values())):
        return Html("")
    places = {name: 100 * (value - low) / (high - low) for name, value in values.items()}
    places["beyond"] = 100 - places["threshold"]
    label = ", ".join(f"{name} {_similarity(value)}" for name, value in values.items())
    return _fill("plot", label=label, **{name: f"{place:.1f}" for name, place in places.items()})


def _similarity(value: float) -> str:
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else "not measurable"


def _decibel(value: float) -> str:
    if math.isfinite(value):
        return f"{value:.1f} dB"
    return "unchanged" if value > 0 else "not measurable"


def _words(value: object, report: PhotoReport) -> str:
    """Return a setting as text without folders."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not set"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_words(v, report)}" for k, v in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_words(item, report) for item in value)
    if isinstance(value, PurePath):
        return value.name
    return _public(str(value), report)


def _public(text: str, report: PhotoReport) -> str:
    """Leave file names, but not the folders they are in."""
    for file in (report.original, report.protected):
        for known in (file.absolute(), file):
            text = text.replace(str(known), file.name)
    return _ABSOLUTE.sub("", text)
