"""Bauta protects faces in photos from unauthorised face recognition.

>>> import bauta
>>> report = bauta.protect("me.jpg")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bauta.audit.report import write_report
    from bauta.audit.scores import PhotoReport
    from bauta.audit.verify import verify
    from bauta.media import read_photo, write_photo
    from bauta.protection import protect
    from bauta.settings import Settings

__version__: str
__all__ = [
    "PhotoReport",
    "Settings",
    "protect",
    "read_photo",
    "verify",
    "write_photo",
    "write_report",
]

_HOME = {
    "PhotoReport": "bauta.audit.scores",
    "Settings": "bauta.settings",
    "protect": "bauta.protection",
    "read_photo": "bauta.media",
    "verify": "bauta.audit.verify",
    "write_photo": "bauta.media",
    "write_report": "bauta.audit.report",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use: ``import bauta`` alone loads no PyTorch."""
    if name == "__version__":
        # Reading it takes longer than all the rest of ``import bauta``.
        return importlib.import_module("importlib.metadata").version("bauta")
    if name not in _HOME:
        raise AttributeError(f"module 'bauta' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
