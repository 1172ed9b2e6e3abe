"""How a photo is to be protected: one object, with named presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from bauta.devices import check_device
from bauta.engine.transforms import Blur, Diversity, Jitter, Jpeg
from bauta.errors import UsageError
from bauta.faces.face import EYE_DISTANCE
from bauta.faces.regions import REGIONS


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What a preset stands for.

    Attributes:
        steps: gradient steps.
        more: further steps at most, for faces that need all of epsilon.
        views: random views per step, shared out among the surrogates, at least one each.
        smallest: smallest face looked for, as a share of the photo's longer side.
        diversity: random changes of the views.

    """

    steps: int
    more: int
    views: int
    smallest: float
    diversity: Diversity = Diversity()  # noqa: RUF009  frozen, so it may be shared


_ROBUST = Diversity(jitter=Jitter(), transforms=(Blur(), Jpeg(probability=0.25)))

#: Presets by name: how much time to spend on finding faces and on protecting them.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "fast": Preset(steps=7, more=5, views=2, smallest=0.04),
        "balanced": Preset(steps=20, more=20, views=4, smallest=0.02),
        "strong": Preset(steps=100, more=50, views=3, smallest=0.01, diversity=_ROBUST),
    }
)


#: What the fields that take a word may say.
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "goal": ("dodge", "impersonate"),
        "gain": ("max", "sum", "min", "centre"),
        "target_search": ("embedding", "exact"),
        "level": ("loss", "logit", "gradient"),
        "detector": ("hog", "yunet"),
        "metadata": ("private", "keep"),
        "region": REGIONS,
    }
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a photo is to be protected.

    Attributes:
        method: name of the method.
        preset: "fast", "balanced" or "strong".
        epsilon: size of the change, in grey levels (0-255): the largest of any sample.
        spare: when dodging, begin with three quarters of epsilon, and go on to all of it only where
            a recognizer that is held out still recognises the face: one of ``held_out``, or one
            that goes with the default surrogates. Other surrogates alone spare nobody.
        perceptual: weigh the change by what the eye notices instead: less on smooth areas. Its
            weighted root mean square is then 0.5 epsilon, and no sample changes by more than two.
        warp: how far pixels may be moved before they are changed, in percent of the distance
            between the eyes; 0: not at all; None: 2 if ``perceptual``, else 0.
        goal: "dodge" (not to be recognised as oneself) or "impersonate" (to be taken for one of
            the targets).
        targets: photos of the people to be taken for; empty: identities that are nobody's.
        target_search: "embedding" or "exact", for impersonation.
        gain: "max", "sum", "min" or "centre", for impersonation.
        gamma: weight of the naturalness term.
        style: makeup of the method dfpp, by name or as a .toml file.
        reference: a photo of somebody whose makeup is taken instead.
        strength: how much of the makeup, 0 (none) to 2.
        word: what the method dpg marks faces with: 64 bits as 16 hexadecimal digits, which
            :meth:`bauta.watermarking.OwnKey.word` makes of a key and an identifier.
        refine: whether the method dpg hides faces by gradient steps, besides marking them.
        faces: "all", "largest", or numbers such as "1,3".
        surrogates: recognizers to optimise against; empty: chosen from what is installed.
        weights: one weight per surrogate; empty: equal ones.
        level: how surrogates are put together: "loss", "logit" or "gradient".
        held_out: recognizers on which a face stops early once they have lost it; they steer the
            result, so they count as surrogates when it is judged.
        judges: recognizers that score the result; empty: all that are installed.
        detector: "hog" or "yunet".
        min_face: smallest face to find, in pixels; None: as the preset says.
        region: face region that may change.
        seed: seed of all randomness.
        device: where to compute, such as "cpu" or "cuda".
        metadata: "private" or "keep", see :mod:`bauta.media`.

    """

    method: str = "tip-im"
    preset: str = "balanced"
    epsilon: float = 8.0
    spare: bool = True
    perceptual: bool = True
    warp: float | None = None
    goal: Literal["dodge", "impersonate"] = "dodge"
    targets: tuple[Path, ...] = ()
    target_search: Literal["embedding", "exact"] = "embedding"
    gain: Literal["max", "sum", "min", "centre"] = "max"
    gamma: float = 0.0
    style: str = "rose"
    reference: Path | None = None
    strength: float = 1.0
    word: str = field(default="", repr=False)
    refine: bool = True
    faces: str = "all"
    surrogates: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    level: Literal["loss", "logit", "gradient"] = "loss"
    held_out: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    detector: str = "hog"
    min_face: float | None = None
    region: str = "head"
    seed: int = 0
    device: str = "cpu"
    metadata: Literal["private", "keep"] = "private"

    def __post_init__(self) -> None:
        """Check what can be checked without the photo."""
        if self.preset not in PRESETS:
            raise UsageError(f"unknown preset {self.preset!r}: use {', '.join(PRESETS)}")
        if not 1 <= self.epsilon <= 64:
            raise UsageError(f"epsilon must be between 1 and 64 grey levels, got {self.epsilon}")
        if self.warp is not None and not 0 <= self.warp <= 10:
            raise UsageError(
                f"warp must be between 0 and 10 percent of the distance between the eyes, "
                f"got {self.warp}"
            )
        if not 0 <= self.gamma < math.inf:
            raise UsageError(f"gamma must be a number that is not negative, got {self.gamma}")
        if not 0 <= self.strength <= 2:
            raise UsageError(f"strength must be between 0 and 2, got {self.strength}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                allowed = f"{', '.join(words[:-1])} or {words[-1]}"
                raise UsageError(f"{name} must be {allowed}, got {getattr(self, name)!r}")
        # Whether it is here is seen where it is used: a node of a cluster may have it.
        check_device(self.device)
        if self.targets and self.goal != "impersonate":
            raise UsageError("targets are for the goal impersonate")

    @property
    def displacement(self) -> float:
        """How far pixels may be moved, in sides of the frame."""
        return self._warp / 100 * EYE_DISTANCE

    @property
    def _warp(self) -> float:
        """The warp that is meant where none is given."""
        if self.warp is None:
            return 2.0 if self.perceptual else 0.0
        return self.warp

    def to_json(self) -> dict[str, Any]:
        """Plain data; of others' photos only their number, since their names may be personal.

        Whether faces are marked is told, but not with what.
        """
        return {
            **asdict(self),
            "warp": self._warp,
            "targets": len(self.targets),
            "reference": bool(self.reference),
            "word": bool(self.word),
        }
