"""What is found about a protected clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bauta.audit.scores import PROTECTED, WEAKENED, Verdict, decided, plain_number, worst

#: Moments that reports name.
NAMED_MOMENTS = 10


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the judges say of one face in one frame.

    Attributes:
        seconds: when.
        frame: number of the frame, from 0.
        face: number of the face.
        similarities: per judge, to the same face in another frame of the original: the most
            similar of those that were looked at.
        matches: share of the person's other photos that the judge to whom most still match takes
            for the person, estimated from that; of the judges that decide, if there are some.

    """

    seconds: float
    frame: int
    face: int
    similarities: Mapping[str, float]
    matches: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "seconds": round(self.seconds, 3),
            "frame": self.frame,
            "face": self.face,
            "similarities": {
                name: plain_number(value) for name, value in self.similarities.items()
            },
            "matches": plain_number(self.matches),
        }


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """What one judge says of one face of a clip.

    Attributes:
        judge: name of the recognizer.
        independent: False if its network took part in making the protection.
        before: similarity of the original face to itself in other frames, median.
        after: the same of the protected face to the original, median.
        worst: the largest of these.
        threshold: similarity from which the judge takes two faces for one person.
        far: false accept rate at that threshold.
        matched: share of the frames looked at in which the judge still matches the face to another
            frame of the original.
        matches: share of the person's other photos that still match in the worst moment,
            estimated as in photos.

    """

    judge: str
    independent: bool
    before: float
    after: float
    worst: float
    threshold: float
    far: float
    matched: float
    matches: float

    @property
    def verdict(self) -> Verdict:
        """The worst moment decides: one that matches is enough to be found."""
        if self.matches <= PROTECTED:
            return "protected"
        return "weakened" if self.matches <= WEAKENED else "recognisable"

    @property
    def decides(self) -> bool:
        """Whether it counts: it is independent, and knew the person before."""
        return self.independent and not self.before < self.threshold

    def to_json(self) -> dict[str, Any]:
        """Plain data; undefined numbers become None."""
        numbers = ("before", "after", "worst", "threshold", "far", "matched", "matches")
        return {
            "judge": self.judge,
            "independent": self.independent,
            **{name: plain_number(getattr(self, name)) for name in numbers},
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True)
class ClipFace:
    """One person's face in a clip.

    Attributes:
        number: in the order in which faces come into view, from 1.
        chosen: whether protection was asked for it.
        first: when it is first seen, in seconds.
        last: when it is last seen.
        frames: how many frames show it.
        judged: how many of them the judges looked at.
        keys: frames that were optimised with full effort.
        refined: frames that were refined.
        steps: gradient steps.
        scores: one per judge; none if it was not chosen.

    """

    number: int
    chosen: bool
    first: float
    last: float
    frames: int
    judged: int = 0
    keys: int = 0
    refined: int = 0
    steps: int = 0
    scores: tuple[ClipScore, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What all judges together say, as in photos."""
        return decided(self.scores)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        counts = ("number", "chosen", "frames", "judged", "keys", "refined", "steps")
        return {
            **{name: getattr(self, name) for name in counts},
            "first": round(self.first, 3),
            "last": round(self.last, 3),
            "verdict": self.verdict if self.chosen else None,
            "scores": [score.to_json() for score in self.scores],
        }


@dataclass(frozen=True, kw_only=True)
class ClipReport:
    """One clip: original against protected file.

    Attributes:
        original: path of the original.
        protected: path of the protected file.
        frames: how many there are.
        shown: how many of them show a face that was protected.
        faces: the faces, in the order in which they come into view.
        moments: what was looked at, the worst first.
        flicker: mean change of the protection from frame to frame, on the skin, as a share of its
            size (:func:`bauta.clips.flicker.flicker_of`); not a number for single frames.
        steps: gradient steps in all, those of an interrupted run among them.
        single: steps that it would take to protect every frame by itself, about.
        resumed: frames that were taken from a run that had been interrupted.
        sizes: bytes of the original and of the protected file.
        seconds: time of each stage.
        settings: how the protection was made.
        notes: what the reader should know.

    """

    original: Path
    protected: Path
    frames: int
    shown: int
    faces: tuple[ClipFace, ...]
    moments: tuple[Moment, ...]
    flicker: float
    steps: int
    single: int
    resumed: int
    sizes: tuple[int, int]
    seconds: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
            "frames": self.frames,
            "frames_with_faces": self.shown,
            "flicker": plain_number(self.flicker),
            "steps": {"done": self.steps, "frame_by_frame": self.single},
            "resumed_frames": self.resumed,
            "bytes": {"original": self.sizes[0], "protected": self.sizes[1]},
            "faces": [face.to_json() for face in self.faces],
            "worst_moments": [moment.to_json() for moment in self.moments[:NAMED_MOMENTS]],
            "seconds": dict(self.seconds),
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }
