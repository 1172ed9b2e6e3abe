"""Fixtures of the command line's tests: a small portrait, and a home without other weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from bauta.cli.app import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; only dlib's weights can be found from it."""
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path / "no weights"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "no data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def portrait(collins: NDArray[np.uint8], folder: Path) -> Path:
    """``me.jpg`` in the working directory: a small photo with one face."""
    del folder
    Image.fromarray(collins[:256, 96:352]).save("me.jpg", quality=92)
    return Path("me.jpg")


@pytest.fixture
def copy(portrait: Path) -> Path:
    """``copy.jpg``: the portrait compressed anew, without any protection."""
    with Image.open(portrait) as image:
        image.save("copy.jpg", quality=80)
    return Path("copy.jpg")


@pytest.fixture
def bauta() -> Callable[..., Result]:
    """Run a command in this process; any traceback fails the test."""

    def run(*words: object) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def parsed() -> Callable[[Result], Any]:
    """The one JSON document on standard output, without NaN or Infinity."""

    def parse(result: Result) -> Any:
        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is no JSON")

        return json.loads(result.stdout, parse_constant=refuse)

    return parse
