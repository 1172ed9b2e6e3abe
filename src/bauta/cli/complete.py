"""What shells offer for values: names out of records, registries and folders.

A shell asks at every press of Tab, so nothing here loads PyTorch or a network. Words that only
heavy modules know are repeated here; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

from bauta.named import names_of

#: Takes what has been typed, and returns what it may become.
Complete = Callable[[str], list[str]]

PRESETS = ("fast", "balanced", "strong")
GOALS = ("dodge", "impersonate")
GAINS = ("max", "sum", "min", "centre")
SEARCHES = ("embedding", "exact")
DETECTORS = ("hog", "yunet")
PERSONAL = ("chameleon", "facecloak")
VIEW_ENGINES = ("embedded", "arc2face")
CROPS = ("arcface", "dlib", "loose")
DEFENCES = (
    "none", "mixup-2", "mixup-3", "mixup-4", "mixup-5", "mixup-6", "instahide", "dp-noise",
    "ppfr-fd", "partialface", "masked-2", "masked-3", "masked-4", "masked-5", "masked-6",
    "ahm-uniform", "ahm",
)  # fmt: skip
ATTACKS = ("all", "glimpse", "unet", "linkage", "optimised")
THRESHOLDS = ("equal-error", "far-1%", "far-0.1%")


def words(*some: str) -> Complete:
    """Offer these words."""
    return _offering(lambda: some)


def named(kind: str) -> Complete:
    """Offer the TOML files of a kind that come with Bauta."""
    return _offering(lambda: names_of(kind))


def _offering(find: Callable[[], Iterable[str]]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [word for word in find() if word.startswith(incomplete)]

    return complete


def _methods() -> Iterable[str]:
    from bauta.methods.registry import methods

    return sorted(methods.announced())


def _recognizers() -> Iterable[str]:
    from bauta.recognizers.names import recognizer_names

    return recognizer_names()


def _cards() -> Iterable[str]:
    from bauta.weights.records import records

    return sorted({*_recognizers(), *records()})


def _fetched() -> Iterable[str]:
    from bauta.weights.records import records

    return sorted(row.name for row in records().values() if row.source in ("download", "hand"))


def _own() -> Iterable[str]:
    from bauta.recognizers.names import own_paths

    return sorted(own_paths())


def _splits() -> Iterable[str]:
    folder = resources.files("bauta").joinpath("data/splits")
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir())


def _runs() -> Iterable[str]:
    return sorted(plan.parent.name for plan in Path("runs").glob("*/plan.json"))


methods = _offering(_methods)
recognizers = _offering(_recognizers)
#: Recognizers, or none: nobody made the copy.
makers = _offering(lambda: ["none", *_recognizers()])
cards = _offering(_cards)
fetched = _offering(_fetched)
own = _offering(_own)
splits = _offering(_splits)
runs = _offering(_runs)
