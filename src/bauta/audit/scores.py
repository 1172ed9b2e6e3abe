"""What is said of a protected file: scores of faces, and the verdict that they come to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Verdict = Literal["protected", "weakened", "recognisable", "unjudged"]

#: Where it is estimated how many of a person's other photos still match: the largest shares for a
#: face that counts as protected, and for one that counts as weakened.
PROTECTED, WEAKENED = 0.05, 0.5


@dataclass(frozen=True)
class Score:
    """What one judge says of one face.

    Attributes:
        judge: name of the recognizer.
        independent: False if its network took part in making the protection; it then only
            informs and decides nothing.
        before: similarity of the original face to the reference photo of the person.
        after: similarity of the protected face to it.
        threshold: similarity from which the judge takes two faces for one person.
        far: false accept rate at that threshold.
        matches: share of the person's other photos that the judge still takes for the person:
            measured on those that were given, else estimated from the similarity to the original.
        estimated: which of the two.

    """

    judge: str
    independent: bool
    before: float
    after: float
    threshold: float
    far: float
    matches: float
    estimated: bool = False

    @property
    def verdict(self) -> Verdict:
        """What it means for the person: one photo that is known to match is enough to be found."""
        if self.matches <= (PROTECTED if self.estimated else 0):
            return "protected"
        return "weakened" if self.estimated and self.matches <= WEAKENED else "recognisable"

    @property
    def hidden(self) -> bool:
        """Whether the judge no longer takes other photos for the same person, or hardly any."""
        return self.verdict == "protected"

    @property
    def decides(self) -> bool:
        """Whether it counts: it is independent, and knew the person before."""
        return self.independent and not self.before < self.threshold


class Opinion(Protocol):
    """What one judge says, of a photo or of a clip."""

    @property
    def decides(self) -> bool:
        """Whether the judge is independent, and knew the person before."""
        ...

    @property
    def verdict(self) -> Verdict:
        """What it means for the person."""
        ...


def decided(opinions: Sequence[Opinion]) -> Verdict:
    """Decided by the independent judges that knew the person: all must have lost them.

    Where there are none, a surrogate that still recognises the person is telling all the same.
    """
    deciding = [opinion for opinion in opinions if opinion.decides]
    said = {opinion.verdict for opinion in deciding or opinions}
    if "recognisable" in said:
        return "recognisable"
    if not deciding:
        return "unjudged"
    return "weakened" if "weakened" in said else "protected"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; "protected" if there are none."""
    said = set(verdicts)
    order: tuple[Verdict, ...] = ("recognisable", "unjudged", "weakened")
    return next((verdict for verdict in order if verdict in said), "protected")


@dataclass(frozen=True)
class FaceReport:
    """One face of a photo.

    Attributes:
        number: 1 for the largest face.
        box: (left, top, right, bottom) in photo pixels.
        chosen: whether protection was asked for this face.
        found_after: whether the detector finds a face there in the protected file too.
        psnr: dB, within the face's box.
        ssim: within the face's box.
        scores: one per judge.

    """

    number: int
    box: tuple[float, float, float, float]
    chosen: bool
    found_after: bool
    psnr: float
    ssim: float
    scores: tuple[Score, ...]

    @property
    def verdict(self) -> Verdict:
        """What all judges together say; see :func:`decided`."""
        return decided(self.scores)


@dataclass(frozen=True)
class PhotoReport:
    """One photo: original against protected file.

    Attributes:
        original: path of the original.
        protected: path of the protected file.
        reference: what faces were compared with: "the original photo" or the other photos.
        faces: the faces, largest first.
        psnr: dB, whole photo.
        ssim: whole photo.
        largest_change: of any sample, in grey levels.
        sizes: bytes of the original and of the protected file.
        settings: how the protection was made, if known.
        notes: what the reader should know.

    """

    original: Path
    protected: Path
    reference: str
    faces: tuple[FaceReport, ...]
    psnr: float
    ssim: float
    largest_change: int
    sizes: tuple[int, int]
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def estimated(self) -> bool:
        """Whether the shares of other photos are estimated, as none were given."""
        return any(score.estimated for face in self.faces for score in face.scores)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict among the chosen faces."""
        return worst(face.verdict for face in self.faces if face.chosen)

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON; infinite and undefined numbers become None."""
        return {
            "original": str(self.original),
            "protected": str(self.protected),
            "verdict": self.verdict,
            "reference": self.reference,
            "psnr": plain_number(self.psnr),
            "ssim": plain_number(self.ssim),
            "largest_change": self.largest_change,
            "bytes": {"original": self.sizes[0], "protected": self.sizes[1]},
            "faces": [_face_json(face) for face in self.faces],
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }


def _face_json(face: FaceReport) -> dict[str, Any]:
    return {
        "number": face.number,
        "box": [round(edge, 1) for edge in face.box],
        "chosen": face.chosen,
        "verdict": face.verdict,
        "found_after": face.found_after,
        "psnr": plain_number(face.psnr),
        "ssim": plain_number(face.ssim),
        "scores": [
            {
                "judge": score.judge,
                "independent": score.independent,
                "before": plain_number(score.before),
                "after": plain_number(score.after),
                "threshold": plain_number(score.threshold),
                "far": plain_number(score.far),
                "matches": plain_number(score.matches),
                "estimated": score.estimated,
                "hidden": score.hidden,
            }
            for score in face.scores
        ],
    }


def plain_number(value: float) -> float | None:
    """A number as JSON has it: four decimals, None if it is infinite or undefined."""
    return round(value, 4) if math.isfinite(value) else None
