"""What the page says, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bauta.audit.scores import FaceReport, PhotoReport, Score

#: Methods for single photos: name, what a person calls it, and what it is good for.
METHODS = (
    {
        "name": "tip-im",
        "title": "Hide quietly",
        "about": "Changes the photo a little. People see you as before; face recognition takes you "
        "for somebody else. The right choice for most photos.",
    },
    {
        "name": "dfpp",
        "title": "Makeup",
        "about": "Puts on makeup that hides as well. It is seen, and looks like makeup.",
    },
    {
        "name": "dpg",
        "title": "Hide and mark",
        "about": "Hides faces, and adds a mark that nobody sees. With your key you can find out "
        "later to whom you gave the copy that turns up somewhere.",
    },
)
PRESETS = (
    {"name": "fast", "title": "Quick", "about": "For a first look. Hides least."},
    {"name": "balanced", "title": "Balanced", "about": "The usual choice."},
    {
        "name": "strong",
        "title": "Strong",
        "about": "Hides most, and takes about five times as long.",
    },
)
#: Personal masks, likewise.
MASKS = (
    {
        "name": "chameleon",
        "title": "From several photos",
        "about": "Fitted on photos of you, ten if you have them. Hides most.",
    },
    {
        "name": "facecloak",
        "title": "From one photo",
        "about": "Bauta makes views of your face from it, turned, smiling and in other light.",
    },
)
#: Strengths from which the words hold, in grey levels.
STRENGTHS = (
    (1, "Hard to see, and hides less."),
    (6, "Seen if you compare with the original."),
    (10, "Seen by anybody who looks twice."),
    (14, "Plainly seen."),
)
_TITLES = {
    "protected": "Hidden",
    "weakened": "Partly hidden",
    "recognisable": "Still recognisable",
    "unjudged": "Nobody could judge",
}
_SENTENCES = {
    "protected": "No independent judge takes a chosen face for the same person any more.",
    "weakened": "At least one judge would still match some of this person's other photos. Try "
    "Strong, or more strength.",
    "recognisable": "At least one judge still recognises this person. Try Strong, or more "
    "strength; large, sharp portraits are the hardest.",
    "unjudged": "Every judge took part in making this protection, or did not know the face before "
    "either. That says nothing for or against it.",
}


#: The same of photos that wear a mask, which has no strength to choose.
_MASKED = {
    "weakened": "At least one judge would still match some of this person's other photos. For this "
    "photo alone, Hide faces does more.",
    "recognisable": "At least one judge still recognises this person. For this photo alone, Hide "
    "faces does more; large, sharp portraits are the hardest.",
}


def verdict_of(report: PhotoReport, *, masked: bool = False) -> dict[str, Any]:
    """A report in plain words, without paths; of a photo that wears a personal mask, or not."""
    return {
        "verdict": report.verdict,
        "title": _TITLES[report.verdict],
        "sentence": (_SENTENCES | (_MASKED if masked else {}))[report.verdict],
        "faces": [_face(face) for face in report.faces],
        "estimated": report.estimated,
        "psnr": round(report.psnr, 1) if math.isfinite(report.psnr) else None,
        "bytes": list(report.sizes),
    }


def _face(face: FaceReport) -> Mapping[str, Any]:
    return {
        "number": face.number,
        "chosen": face.chosen,
        "verdict": face.verdict,
        "title": _TITLES[face.verdict] if face.chosen else "Left as it was",
        "judges": [_judge(score) for score in face.scores] if face.chosen else [],
    }


def _judge(score: Score) -> Mapping[str, Any]:
    """What one judge says, and how much its word counts."""
    return {
        "name": score.judge,
        "tone": _tone(score),
        "sentence": _said(score),
        "role": "independent" if score.independent else "helped to make it, so it does not count",
    }


def _tone(score: Score) -> str:
    """Say how it looks: "good", "open" or "bad"; what does not count is "mute"."""
    if not score.decides:
        return "mute" if score.verdict == "protected" else "open"
    return {"protected": "good", "weakened": "open"}.get(score.verdict, "bad")


def _said(score: Score) -> str:
    if score.before < score.threshold:
        return "did not know this face before either, so it proves nothing"
    about = "an estimated " if score.estimated else ""
    share = f"{about}{score.matches:.0%} of this person's other photos"
    if score.verdict == "recognisable":
        return f"still recognises the person ({share} match)"
    if score.verdict == "weakened":
        return f"is unsure ({share} match)"
    return f"no longer recognises the person ({share} match)"
