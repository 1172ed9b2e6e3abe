"""Fixtures for the media tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.media import make


@pytest.fixture(scope="session")
def rgb() -> np.ndarray:
    return make.face()


@pytest.fixture(scope="session")
def every(rgb: np.ndarray) -> dict[str, tuple[str, bytes]]:
    """Every kind of file, made once."""
    return {name: build() for name, build in make.kinds(rgb).items()}


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Write bytes to a new file and return its path."""

    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
