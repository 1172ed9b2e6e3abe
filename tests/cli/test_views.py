"""``bauta views``: the sheet, and bringing Arc2Face."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bauta.cli.app import app

SAMPLE = Path(str(resources.files("bauta") / "data" / "sample.jpg"))
runner = CliRunner()


def test_the_sheet_shows_the_photo_and_its_views(tmp_path: Path):
    sheet = tmp_path / "views.png"
    done = runner.invoke(app, ["views", "sheet", str(SAMPLE), "-o", str(sheet), "--count", "2"])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.strip().splitlines()) == 2
    with Image.open(sheet) as image:
        assert image.width > 600
        assert np.asarray(image).std() > 20
    again = runner.invoke(app, ["views", "sheet", str(SAMPLE), "-o", str(sheet), "--count", "2"])
    assert again.exit_code == 1
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--count", "0"], 2, "at least one view"),
        (["--engine", "dreams"], 2, "unknown view engine"),
    ],
)
def test_bad_usage(tmp_path: Path, arguments: list[str], code: int, words: str):
    out = tmp_path / "views.jpg"
    done = runner.invoke(app, ["views", "sheet", str(SAMPLE), "-o", str(out), *arguments])
    assert done.exit_code == code
    assert words in done.stderr
    assert not out.exists()


def test_a_photo_without_a_face(tmp_path: Path):
    empty = tmp_path / "wall.png"
    Image.new("RGB", (200, 200), (120, 130, 140)).save(empty)
    done = runner.invoke(app, ["views", "sheet", str(empty), "-o", str(tmp_path / "v.jpg")])
    assert done.exit_code == 1
    assert "no face" in done.stderr


def test_importing_asks_for_consent_and_names_what_is_missing(tmp_path: Path):
    done = runner.invoke(app, ["views", "import", str(tmp_path)])
    assert done.exit_code == 2
    assert "OpenRAIL" in done.stderr
    done = runner.invoke(app, ["views", "import", str(tmp_path), "--accept-licences"])
    assert done.exit_code == 1
    assert "arcface.onnx" in done.stderr
