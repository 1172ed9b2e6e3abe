"""Verification: what recognizers make of a written, protected file, compared with the original."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bauta.audit.metrics import largest_change, psnr, ssim
from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import find_faces, find_near
from bauta.faces.face import Face
from bauta.media import read_photo
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.zoo import BUILT_IN_JUDGE

Verdict = Literal["protected", "weakened", "recognisable", "unjudged"]

#: Where it is estimated how many of a person's other photos still match: the largest shares for a
#: face that counts as protected, and for one that counts as weakened.
PROTECTED, WEAKENED = 0.05, 0.5

#: What faces are compared with.
_OTHERS = "the other photos"
_ITSELF = "the original photo itself"


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
            "psnr": _finite(self.psnr),
            "ssim": _finite(self.ssim),
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
        "psnr": _finite(face.psnr),
        "ssim": _finite(face.ssim),
        "scores": [
            {
                "judge": score.judge,
                "independent": score.independent,
                "before": _finite(score.before),
                "after": _finite(score.after),
                "threshold": _finite(score.threshold),
                "far": _finite(score.far),
                "matches": _finite(score.matches),
                "estimated": score.estimated,
                "hidden": score.hidden,
            }
            for score in face.scores
        ],
    }


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


class References(NamedTuple):
    """Other photos of people: photos and faces, one entry per face."""

    photos: list[NDArray[np.uint8]]
    faces: list[Face]


def verify(
    original: str | Path,
    protected: str | Path,
    *,
    judges: Sequence[Judge],
    others: Sequence[str | Path] | References = (),
    surrogates: Collection[str] = (),
    faces: Sequence[Face] | None = None,
    chosen: Sequence[Face] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> PhotoReport:
    """Score a protected file as a stranger's recognizers see it.

    Both files are read from disk. Faces are found anew in the protected file; where the detector
    no longer finds one, the original's position is used, which favours the recognizer.

    Args:
        original: the original photo.
        protected: the protected file, of the same size.
        judges: recognizers that judge, each with a threshold.
        others: further photos of the people, or what :func:`read_references` made of them; each
            face is compared with all of them that the judge takes for the same person, instead of
            with the original itself; the most similar counts.
        surrogates: identities of the weights (:attr:`Judge.lineage`) that made the protection.
        faces: faces of the original, if they are known already.
        chosen: those that were to be protected; None: all.
        settings: how the protection was made, for the report.

    Raises:
        NoFaceError: the original, or one of the others, has no face.
        UsageError: the files differ in size, or there is no judge.
        MediaError: a file cannot be read.

    """
    if not judges:
        raise UsageError("there is no judge: name one with --judges, or fetch one")
    original, protected = Path(original), Path(protected)
    references = others if isinstance(others, References) else read_references(others)
    before, after = read_photo(original).pixels, read_photo(protected).pixels
    if before.shape != after.shape:
        raise UsageError(
            f"{protected} is {after.shape[1]}x{after.shape[0]} pixels, {original} "
            f"{before.shape[1]}x{before.shape[0]}: verify compares a photo with its protected copy"
        )
    known = list(faces) if faces is not None else find_faces(before)
    if not known:
        raise NoFaceError(f"{original}: no face was found")
    seen = [find_near(after, face) for face in known]
    scores = _scores(before, after, known, seen, judges, references, surrogates)
    wanted = known if chosen is None else chosen
    rows = tuple(
        FaceReport(
            number=index + 1,
            box=face.box,
            chosen=any(face is other for other in wanted),
            found_after=seen[index] is not None,
            psnr=psnr(*_boxes(before, after, face)),
            ssim=ssim(*_boxes(before, after, face)),
            scores=tuple(scores[index]),
        )
        for index, face in enumerate(known)
    )
    return PhotoReport(
        original=original,
        protected=protected,
        reference=_OTHERS if references.faces else _ITSELF,
        faces=rows,
        psnr=psnr(before, after),
        ssim=ssim(before, after),
        largest_change=largest_change(before, after),
        sizes=(original.stat().st_size, protected.stat().st_size),
        settings=settings or {},
        notes=tuple(_notes(rows)),
    )


def _scores(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    known: Sequence[Face],
    seen: Sequence[Face | None],
    judges: Sequence[Judge],
    references: References,
    surrogates: Collection[str],
) -> list[list[Score]]:
    """Scores per face and judge."""
    now = [match or face for match, face in zip(seen, known, strict=True)]
    rows: list[list[Score]] = [[] for _ in known]
    for judge in judges:
        original = judge.embed([before] * len(known), known)
        protected = judge.embed([after] * len(now), now)
        table = judge.embed(*references) if references.faces else original
        to_original = similarity_matrix(original, table)
        to_protected = similarity_matrix(protected, table)
        threshold = judge.thresholds["far-1%"] if judge.thresholds else None
        for index in range(len(known)):
            same = _same_person(to_original[index], judge.threshold) if references.faces else index
            left = to_protected[index, same]
            rows[index].append(
                Score(
                    judge=judge.name,
                    independent=judge.lineage.isdisjoint(surrogates),
                    before=round(float(to_original[index, same].max()), 4),
                    after=round(float(left.max()), 4),
                    threshold=round(judge.threshold, 4),
                    far=threshold.far if threshold else math.nan,
                    matches=_matches(left, judge, measured=bool(references.faces)),
                    estimated=not references.faces,
                )
            )
    return rows


def _matches(similarities: NDArray[np.float64], judge: Judge, *, measured: bool) -> float:
    """Share of other photos that still match; if there are none, what the original tells."""
    if measured or not judge.thresholds:
        # Undefined similarities count as matches.
        return float(np.mean(~(similarities < judge.threshold)))
    return judge.thresholds["far-1%"].other_photos(round(float(similarities.max()), 4))


def _same_person(similarities: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Of the reference faces, those that the judge takes for the original's person.

    One recognised photo is enough to be found, so all of them count, and the nearest in any case.
    """
    same: NDArray[np.bool_] = similarities >= min(threshold, similarities.max())
    return same


def read_references(others: Sequence[str | Path]) -> References:
    """Read further photos of the people and find their faces.

    Raises:
        NoFaceError: a photo has no face.
        MediaError: a photo cannot be read.

    """
    photos, faces = [], []
    for path in others:
        pixels = read_photo(path).pixels
        found = find_faces(pixels)
        if not found:
            raise NoFaceError(f"{path}: no face was found, so nothing can be compared with it")
        photos += [pixels] * len(found)
        faces += found
    return References(photos, faces)


def _boxes(
    a: NDArray[np.uint8], b: NDArray[np.uint8], face: Face
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut the face's box out of both photos."""
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    return a[top:bottom, left:right], b[top:bottom, left:right]


def _notes(faces: Sequence[FaceReport]) -> list[str]:
    notes = []
    if any(not any(s.independent for s in face.scores) for face in faces):
        notes.append(
            "Every judge at hand took part in making this protection, and nobody judges their own "
            f"work: name one that did not with --judge, such as {BUILT_IN_JUDGE}."
        )
    strangers = {(s.judge, f.number) for f in faces for s in f.scores if s.before < s.threshold}
    for judge, number in sorted(strangers):
        notes.append(
            f"{judge} did not match face {number} with the other photos even before; it proves "
            "nothing here."
        )
    lost = [face.number for face in faces if face.chosen and not face.found_after]
    if lost:
        numbers = ", ".join(map(str, lost))
        notes.append(f"The detector no longer finds face {numbers}; its old place was judged.")
    return notes
