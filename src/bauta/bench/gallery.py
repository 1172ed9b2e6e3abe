"""Pictures of a run's page: what every method makes of some faces, and its worst failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.document import Html, Parts, join
from bauta.audit.pictures import data_uri
from bauta.bench.bench import Progress
from bauta.bench.changes import Change
from bauta.bench.failures import Case, Failures, failures_of
from bauta.bench.listing import Listed
from bauta.bench.run import looking
from bauta.bench.sheets import Faces, chosen, numbers_of

_fill = Parts("bauta.bench", "report.html").fill
#: Pictures of failures, and the most and least cases that a method shows.
_PICTURES, _MOST, _LEAST = 96, 8, 3


def sheet(methods: Sequence[Listed], faces: Faces, progress: Progress) -> Html:
    """Some people across, methods down; the originals, where the run has them, come first.

    Raises:
        MediaError: a photo is damaged.

    """
    there = [method for method in methods if numbers_of(faces.store, method.contestant)]
    there.sort(key=lambda method: not method.clean)
    numbers = chosen(numbers_of(faces.store, faces.reference), len(there))
    rows = []
    for done, method in enumerate(there):
        progress("pictures", done, len(there))
        cells = Html("".join(_cell(method, faces, number) for number in numbers))
        rows.append(_row(method, cells))
    progress("pictures", len(there), len(there))
    head = Html("".join(_fill("column", look="", title=f"{number:04d}") for number in numbers))
    return _fill("sheet", head=head, rows=join(rows))


def _row(method: Listed, cells: Html) -> Html:
    hint = _fill("hint", text="the original") if method.clean else Html("")
    return _fill(
        "row", look=method.look, number=method.number, method=method.label, hint=hint, cells=cells
    )


def _cell(method: Listed, faces: Faces, number: int) -> Html:
    face = faces.cut(method.contestant, number)
    if face is None:
        return _fill("words", text="–")
    return _image("picture", face, f"{method.label}, photo {number:04d}")


def failures(methods: Sequence[Listed], faces: Faces, made: Mapping[str, Any]) -> Html:
    """The photos of each of Bauta's methods that most strangers found; "" if nobody has judged.

    Raises:
        UsageError: a file of the run is damaged.
        MediaError: a photo is.

    """
    own = [method for method in methods if method.kind == "bauta"]
    known = [
        (method, some)
        for method in own
        for roles in [looking(made, method.contestant, Change())]
        if (some := failures_of(faces.store, method.contestant, roles))
    ]
    most = int(np.clip(_PICTURES // (2 * max(len(known), 1)), _LEAST, _MOST))
    return join(_failures(method, some, faces, most) for method, some in known)


def _failures(method: Listed, some: Failures, faces: Faces, most: int) -> Html:
    worst = [case for case in some.cases if case.judges][:most]
    return _fill(
        "failures",
        method=method.label,
        tally=_tally(some),
        cases=join(_case(method, case, len(some.strangers), faces) for case in worst),
    )


def _tally(some: Failures) -> str:
    whole, found, strangers = len(some.cases), some.found, len(some.strangers)
    if found[0] == whole:
        return f"No stranger found anybody in these {whole} photos first ({strangers} judged)."
    by_all = f"all {strangers} strangers" if strangers > 1 else "the one stranger"
    words = f"Of {whole} photos, {found[strangers]} were found by {by_all}"
    if strangers > 1:
        some_of_them = whole - found[strangers] - found[0]
        words += f", {some_of_them} by some of them"
    return f"{words}, and {found[0]} by none."


def _case(method: Listed, case: Case, strangers: int, faces: Faces) -> Html:
    pictures = []
    if faces.unchanged:
        clean = faces.cut(faces.reference, case.number)
        pictures.append(_shown(clean, f"photo {case.number:04d}, original"))
    changed = faces.cut(method.contestant, case.number)
    pictures.append(_shown(changed, f"photo {case.number:04d}, {method.label}"))
    text = (
        f"Photo {case.number:04d}: found by {len(case.judges)} of {strangers}, "
        f"{', '.join(case.judges)}"
    )
    return _fill("case", pictures=Html("".join(pictures)), text=text)


def _shown(face: NDArray[np.uint8] | None, alt: str) -> Html:
    return _image("image", face, alt) if face is not None else Html("")


def _image(part: str, face: NDArray[np.uint8], alt: str) -> Html:
    height, width = face.shape[:2]
    return _fill(part, source=data_uri(face), width=width, height=height, alt=alt)
