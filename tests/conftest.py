"""Fixtures that all tests share: real photos of real people, and the development data if there."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.media import read_photo

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).resolve().parents[1]

# Recognizers of whoever runs the tests take no part, and their folder is left alone. Set here, not
# in a fixture: tests are listed by the recognizers that there are.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="bauta-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], ignore_errors=True)

# How long an example takes says how busy the machine is, not whether it is right.
settings.register_profile("bauta", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bauta")


@pytest.fixture(scope="session")
def collins_path() -> Path:
    """Portrait of Eileen Collins (NASA, public domain), 512 x 512."""
    return Path(str(resources.files("bauta").joinpath("data/sample.jpg")))


@pytest.fixture(scope="session")
def hopper_path() -> Path:
    """Portrait of Grace Hopper (US Navy, public domain), 512 x 600; packaged by matplotlib."""
    return DATA / "hopper.jpg"


@pytest.fixture(scope="session")
def collins(collins_path: Path) -> NDArray[np.uint8]:
    return read_photo(collins_path).pixels


@pytest.fixture(scope="session")
def hopper(hopper_path: Path) -> NDArray[np.uint8]:
    return read_photo(hopper_path).pixels


@pytest.fixture(scope="session")
def collins_face(collins: NDArray[np.uint8]) -> Face:
    return find_faces(collins)[0]


@pytest.fixture(scope="session")
def hopper_face(hopper: NDArray[np.uint8]) -> Face:
    return find_faces(hopper)[0]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development data; tests that use it carry the marker ``shared``."""
    folder = Path(os.environ.get("BAUTA_SHARED", ROOT.parent / "shared"))
    if not (folder / "data/lfw").is_dir():
        pytest.skip(f"no development data in {folder} (set BAUTA_SHARED)")
    return folder
