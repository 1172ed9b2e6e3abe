"""Reports of what verification found: JSON for programs, one self-contained web page for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bauta.audit.document import version
from bauta.audit.page import page
from bauta.audit.scores import PhotoReport
from bauta.errors import UsageError
from bauta.media.atomic import atomic_write, check_target


def write_report(
    reports: Sequence[PhotoReport], path: Path, *, overwrite: bool = True
) -> list[Path]:
    """Write what verification found, as JSON, as a web page, or as both.

    The page is one file that asks the network for nothing. It shows file names only, no folders,
    and its pictures are made anew from pixels, without metadata. The JSON keeps paths as given.

    Args:
        reports: one per photo; the page reads the files they name again.
        path: "x.json" writes JSON, "x.html" the page, and "x" both, as x.json and x.html.
        overwrite: replace existing reports. Photos of the report are never replaced.

    Returns:
        The files written.

    Raises:
        UsageError: another suffix, or photos that changed their size since they were verified.
        MediaError: a photo cannot be read, or a report not written.

    """
    targets = report_files(path)
    guarded = [file for report in reports for file in (report.original, report.protected)]
    for target in targets:
        check_target(target, overwrite=overwrite, protect=guarded)
    created = datetime.now(UTC)
    # Both are made before either is written, so that a failure leaves no half of a report.
    made = [
        json_text(reports, created) if target.suffix.lower() == ".json" else page(reports, created)
        for target in targets
    ]
    for target, text in zip(targets, made, strict=True):
        # File names need not be valid Unicode; what is not becomes a question mark.
        data = text.encode("utf-8", "replace")
        atomic_write(target, data, overwrite=overwrite, protect=guarded)
    return targets


def report_files(path: Path) -> list[Path]:
    """Return the files that a report called ``path`` consists of.

    Raises:
        UsageError: another suffix than .json or .html.

    """
    if path.suffix.lower() in (".json", ".html"):
        return [path]
    if path.suffix or not path.name or path.is_dir():
        raise UsageError(
            f"cannot write a report as {path}: end the name in .json or .html, or give a name "
            "without a suffix for both"
        )
    return [path.with_name(f"{path.name}.{kind}") for kind in ("json", "html")]


def json_text(reports: Sequence[PhotoReport], created: datetime) -> str:
    """Return the report as JSON; infinite and undefined numbers become null."""
    photos = [_plain(report.to_json()) for report in reports]
    document = {"bauta": version(), "created": created.isoformat(), "photos": photos}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return plain data for JSON, whatever settings hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
