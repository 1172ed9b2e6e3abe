"""Protect photos: find the faces, perturb them, write the file, and score what was written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.scores import PhotoReport
from bauta.audit.verify import read_references, verify
from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import choose_faces
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.media import describe_metadata, output_suffix, read_photo, write_photo
from bauta.media.atomic import check_target
from bauta.memory import enough_memory
from bauta.optimisation import change_photos, held_out_of
from bauta.recognizers.base import Judge, Recognizer
from bauta.recognizers.zoo import (
    default_judges,
    default_surrogates,
    get_recognizer,
    get_surrogate,
)
from bauta.settings import PRESETS, Settings
from bauta.watermark.codes import from_hex
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

#: Called with a stage ("read", "find", "protect", "write", "verify") and its share done, 0 to 1.
StageProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class Protected:
    """A photo's protected pixels.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        faces: all faces that were found, largest first.
        chosen: those that were protected.
        seconds: time of each stage.

    """

    pixels: NDArray[np.uint8]
    faces: Sequence[Face]
    chosen: Sequence[Face]
    seconds: Mapping[str, float] = field(default_factory=dict)


@enough_memory()
def protect(
    path: str | Path,
    out: str | Path | None = None,
    *,
    settings: Settings | None = None,
    others: Sequence[str | Path] = (),
    overwrite: bool = False,
    progress: StageProgress | None = None,
    **options: Any,
) -> PhotoReport:
    """Protect a photo and score the written file.

    Args:
        path: the photo; it is never changed.
        out: the file to write; None: beside the photo, with ``-protected`` in its name.
        settings: how; or give its fields as keywords, such as ``epsilon=12``.
        others: further photos of the same people, to score against instead of the original.
        overwrite: replace an existing output.
        progress: told the stage and its share done.
        options: fields of :class:`Settings`.

    Returns:
        The report; ``report.verdict`` is "protected", "weakened", "recognisable" or "unjudged".

    Raises:
        NoFaceError: no face was found; nothing was written.
        MediaError: the photo cannot be read, or the output not be written.
        UsageError: an argument is wrong.
        WeightsError: a recognizer's weights are missing.

    Example:
        >>> import bauta
        >>> report = bauta.protect("me.jpg", epsilon=8)  # doctest: +SKIP
        >>> report.verdict  # doctest: +SKIP
        'protected'

    """
    if settings is not None and options:
        raise UsageError("give either settings or single options, not both")
    chosen_settings = settings or Settings(**options)
    tell = progress or (lambda _stage, _share: None)
    source = Path(path)
    watch = _Watch(tell)
    with watch.stage("read"):
        photo = read_photo(source)
    target = Path(out) if out is not None else default_output(source, output_suffix(photo))
    # Whatever can fail early fails before the work, not after it.
    check_target(target, overwrite=overwrite, protect=[source])
    references = read_references(others)
    surrogates, judges = team(chosen_settings)
    result = protect_pixels(
        photo.pixels, chosen_settings, surrogates, grey=photo.grey, watch=watch, name=str(source)
    )
    with watch.stage("write"):
        write_photo(
            photo, result.pixels, target, metadata=chosen_settings.metadata, overwrite=overwrite
        )
    steered = [*surrogates, *(get_surrogate(name) for name in held_out_of(chosen_settings))]
    provenance = _provenance(chosen_settings, surrogates, watch.seconds)
    if chosen_settings.metadata == "private":
        provenance["left_out"] = describe_metadata(photo)
    with watch.stage("verify"):
        report = verify(
            source,
            target,
            judges=judges,
            others=references,
            surrogates=frozenset[str]().union(*(recognizer.lineage for recognizer in steered)),
            faces=result.faces,
            chosen=result.chosen,
            settings=provenance,
        )
        if chosen_settings.word:
            note = _read_back(target, result.chosen, chosen_settings.word)
            report = replace(report, notes=(note, *report.notes))
    return report


def _read_back(file: Path, faces: Sequence[Face], word: str) -> str:
    """How well a mark is read from the written file."""
    bits = from_hex(word)
    read = read_faces(read_photo(file).pixels, faces, trained_networks().networks.decoder)
    counts = ", ".join(str((one.bits[0] == bits).sum()) for one in read)
    return f"the mark is read back from the written file: {counts} of {len(bits)} bits"


def default_output(source: Path, suffix: str) -> Path:
    """``me.jpg`` becomes ``me-protected.jpg`` beside it."""
    return source.with_name(f"{source.stem}-protected{suffix}")


def team(settings: Settings) -> tuple[list[Recognizer], list[Judge]]:
    """Surrogates and judges that the settings ask for, or the default ones."""
    surrogates = list(settings.surrogates) or default_surrogates(settings.preset)
    judges = list(settings.judges) or default_judges()
    built = [get_surrogate(name).to(settings.device) for name in surrogates]
    return built, [get_recognizer(name) for name in judges]


class _Watch:
    """Times stages and tells about them."""

    def __init__(self, tell: StageProgress) -> None:
        self.tell = tell
        self.seconds: dict[str, float] = {}
        self._stage = ""

    def stage(self, name: str) -> _Watch:
        self._stage = name
        return self

    def __enter__(self) -> _Watch:
        self.tell(self._stage, 0.0)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds[self._stage] = round(time.perf_counter() - self._start, 3)
        self.tell(self._stage, 1.0)


def protect_pixels(
    pixels: NDArray[np.uint8],
    settings: Settings,
    surrogates: Sequence[Recognizer],
    *,
    grey: bool = False,
    faces: Sequence[Face] | None = None,
    watch: _Watch | None = None,
    name: str = "the photo",
) -> Protected:
    """Protect the faces of a photo in memory.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        settings: how.
        surrogates: recognizers with gradients.
        grey: keep the photo without colour.
        faces: its faces, if known already.
        watch: timer, inside :func:`protect`.
        name: what to call the photo in messages.

    Raises:
        NoFaceError: no face was found.

    """
    watch = watch or _Watch(lambda _stage, _share: None)
    preset = PRESETS[settings.preset]
    with watch.stage("find"):
        if faces is None:
            smallest = settings.min_face or max(40.0, preset.smallest * max(pixels.shape[:2]))
            faces = find(pixels, detector=settings.detector, min_face=smallest)
        if not faces:
            raise NoFaceError(
                f"{name}: no face was found, so nothing was written.",
                option="Smaller or turned faces are found with --min-face 20 or --detector yunet.",
            )
        chosen = choose_faces(faces, settings.faces)
    with watch.stage("protect"):
        (out,) = change_photos(
            [pixels],
            [chosen],
            settings,
            surrogates,
            grey=[grey],
            progress=lambda share: watch.tell("protect", share),
        )
    return Protected(out, faces, chosen, watch.seconds)


def _provenance(
    settings: Settings, surrogates: Sequence[Recognizer], seconds: Mapping[str, float]
) -> dict[str, Any]:
    values = {
        **settings.to_json(),
        "surrogates": [s.name for s in surrogates],
        "held_out": held_out_of(settings),
    }
    values["seconds"] = dict(seconds)
    return values
