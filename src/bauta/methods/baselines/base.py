"""What a baseline is: an iterative method with the settings of its paper, and where they are from.

All are given the same faces, surrogates, frame and limit. A dodging goal has no gradient at the
unchanged photo, so that even those that start there in their papers start at random here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from bauta.engine.goals import Dodge, Goal
from bauta.engine.loop import IterativeMethod
from bauta.registry import Registry


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What a baseline is built for.

    Attributes:
        epsilon: largest change of any sample, in grey levels.
        seed: seed of all randomness.
        strangers: (K, 3, H, W) faces of other people, RGB 0-255, for those that mix faces.

    """

    epsilon: float
    seed: int
    strangers: Tensor


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A published method.

    Attributes:
        paper: where it is from.
        settings: where its settings are from.
        build: makes it.
        goal: what it wants.
        away_from: of methods that make one mask per person: what they lead away from, see
            :class:`~bauta.engine.shared.SharedProblem`; empty for those that take single photos.

    """

    paper: str
    settings: str
    build: Callable[[Setting], IterativeMethod]
    goal: Goal = Dodge()  # noqa: RUF009  frozen, so it may be shared
    away_from: str = ""


_TRANSFER = (
    *("fgsm", "bim", "pgd", "mi-fgsm", "ni-fgsm", "di-fgsm", "ti-fgsm", "ti-di-fgsm", "si-ni-fgsm"),
    *("vmi-fgsm", "admix", "ssa", "mt-dim", "center-opt", "tip-im-paper"),
)
_SUBSPACES = ("fi-uap", "fi-uap+", "opom-centre", "opom-affine", "opom-convex")
_UNIVERSAL = (
    *("gd-uap", "gd-uap-m"),
    *(f"{name}{variant}" for name in _SUBSPACES for variant in ("", "-m", "-md")),
)
_HERE = "bauta.methods.baselines"

#: Name to baseline.
baselines: Registry[Baseline] = Registry(
    "baseline",
    dict.fromkeys(_TRANSFER, f"{_HERE}.transfer")
    | {"pi-fgsm": f"{_HERE}.patchwise"}
    | dict.fromkeys(("fawkes", "lowkey"), f"{_HERE}.cloaks")
    | {"advcloak": f"{_HERE}.advcloak"}
    | dict.fromkeys(_UNIVERSAL, f"{_HERE}.universal"),
)


def baseline(
    name: str, paper: str, settings: str, *, goal: Goal | None = None, away_from: str = ""
) -> Callable[[Callable[[Setting], IterativeMethod]], Callable[[Setting], IterativeMethod]]:
    """Return a decorator that registers what it decorates as ``build``."""

    def add(build: Callable[[Setting], IterativeMethod]) -> Callable[[Setting], IterativeMethod]:
        row = Baseline(
            paper=paper, settings=settings, build=build, goal=goal or Dodge(), away_from=away_from
        )
        baselines.register(name)(row)
        return build

    return add
