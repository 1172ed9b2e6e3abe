"""Verification: what recognizers make of a written, protected file, compared with the original."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bauta.audit.metrics import largest_change, psnr, ssim
from bauta.audit.scores import FaceReport, PhotoReport, Score
from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import find_faces, find_near
from bauta.faces.face import Face
from bauta.media import read_photo
from bauta.memory import enough_memory
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.zoo import BUILT_IN_JUDGE

#: What faces are compared with.
_OTHERS = "the other photos"
_ITSELF = "the original photo itself"


class References(NamedTuple):
    """Other photos of people: photos and faces, one entry per face."""

    photos: list[NDArray[np.uint8]]
    faces: list[Face]


@enough_memory()
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
