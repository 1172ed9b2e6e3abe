"""Fixtures for the video tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Make a clip in the test's folder: ``clip("a.mp4", frames=3, ...)``; see ``make.Clip``."""
    from tests.media.video import make

    def build(name: str = "clip.mp4", **holds: object) -> Path:
        return make.make(tmp_path / name, make.Clip(**holds))

    return build
