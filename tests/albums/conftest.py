"""Processes of engines find the tests' own work."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spawned processes import from where this one does."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
