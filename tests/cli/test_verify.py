"""``bauta verify``: exit codes, the table, and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import Result

Run = Callable[..., Result]
Parse = Callable[[Result], Any]


def test_unprotected_copy_is_recognised(bauta: Run, portrait: Path, copy: Path) -> None:
    result = bauta("verify", portrait, copy)
    assert result.exit_code == 1
    assert "copy.jpg: STILL RECOGNISABLE" in result.stdout
    assert "dlib-native" in result.stdout
    assert result.stderr == ""


@pytest.fixture
def covered(portrait: Path) -> Path:
    """A copy of the portrait whose face is painted over."""
    with Image.open(portrait) as image:
        image.paste((128, 120, 110), (60, 50, 200, 220))
        image.save("covered.jpg", quality=92)
    return Path("covered.jpg")


def test_covered_face_is_protected(
    bauta: Run, parsed: Parse, portrait: Path, covered: Path
) -> None:
    result = bauta("verify", portrait, covered, "--json", "--report", "proof.html")
    assert result.exit_code == 0
    assert parsed(result)["verdict"] == "protected"
    own, stranger = parsed(result)["faces"][0]["scores"]
    assert (own["independent"], stranger["independent"]) == (False, True)
    assert Path("proof.html").read_text().count("covered.jpg") > 0


def test_who_made_the_copy_does_not_count(
    bauta: Run, parsed: Parse, portrait: Path, covered: Path
) -> None:
    """By default those that bauta makes masks on; dlib's own library is their kin."""
    asked = ("verify", portrait, covered, "--judge", "dlib-native", "--json")
    told = bauta(*asked)
    assert told.exit_code == 1
    assert parsed(told)["verdict"] == "unjudged"
    assert bauta(*asked, "--surrogate", "dlib").exit_code == 1
    free = bauta(*asked, "--surrogate", "none")
    assert free.exit_code == 0
    assert parsed(free)["verdict"] == "protected"


def test_same_file_twice(bauta: Run, parsed: Parse, portrait: Path) -> None:
    result = bauta("verify", portrait, portrait, "--json", "--report", "proof")
    assert result.exit_code == 1
    data = parsed(result)
    assert data["psnr"] is None
    assert data["largest_change"] == 0
    assert json.loads(Path("proof.json").read_text())["photos"] == [data]
    assert Path("proof.html").is_file()
    assert bauta("verify", portrait, portrait).exit_code == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["me.jpg", "small.jpg"], 2, "small.jpg is 99x99 pixels"),
        (["me.jpg", "copy.jpg", "--judge", "dlibnative"], 2, "dlib-native"),
        (["me.jpg", "copy.jpg", "--surrogate", "nobody"], 2, "unknown recognizer 'nobody'"),
        (["me.jpg", "copy.jpg", "--report", "x.pdf"], 2, ".json or .html"),
        (["me.jpg", "copy.jpg", "--report", "no/x.html"], 1, "no/x.html"),
        (["me.jpg", "gone.jpg"], 1, "no such file: gone.jpg"),
        (["me.jpg", "copy.jpg", "--other", "wall.png"], 1, "wall.png: no face"),
        (["wall.png", "wall.png"], 1, "wall.png: no face"),
        (["me.jpg"], 2, "Missing argument"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(
    bauta: Run, portrait: Path, copy: Path, words: list[str], code: int, message: str
) -> None:
    Image.new("RGB", (99, 99)).save("small.jpg")
    Image.new("RGB", (300, 300), "tan").save("wall.png")
    result = bauta("verify", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_other_photo_of_somebody_else(bauta: Run, parsed: Parse, portrait: Path) -> None:
    hopper = Path(__file__).parents[1] / "data/hopper.jpg"
    result = bauta("verify", portrait, portrait, "--other", hopper, "--json")
    # A judge that did not know the person before tells nothing.
    assert result.exit_code == 1
    data = parsed(result)
    assert data["verdict"] == "unjudged"
    assert data["reference"] == "the other photos"
    for score in data["faces"][0]["scores"]:
        assert score["before"] == score["after"] < score["threshold"]
        assert not score["estimated"]
