"""The examples of docs/extending.md are plugged in from outside, and do what others do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bauta import plugins
from bauta.errors import UsageError
from bauta.methods.registry import methods
from bauta.recognizers.zoo import get_recognizer, get_surrogate, installed, recognizers
from tests.conftest import ROOT
from tests.methods.contract import MethodContract, Subject

EXAMPLES = ROOT / "examples"
METHOD, RECOGNIZER = EXAMPLES / "my_method.py", EXAMPLES / "my_recognizer.py"


@pytest.fixture(scope="module", autouse=True)
def plugged():
    """Both examples, as the environment names them, taken out again afterwards."""
    before = os.environ.get(plugins.VARIABLE)
    os.environ[plugins.VARIABLE] = os.pathsep.join([str(METHOD), str(RECOGNIZER)])
    yield
    os.environ.pop(plugins.VARIABLE)
    if before is not None:
        os.environ[plugins.VARIABLE] = before
    methods._items.pop("shrinking-steps", None)
    recognizers._items.pop("rough-looks", None)
    plugins._loaded.clear()


@pytest.fixture(scope="module")
def subject(plugged, collins, collins_face, hopper, hopper_face) -> Subject:
    method = methods["shrinking-steps"]
    return Subject(method, get_surrogate("dlib"), [collins, hopper], [collins_face, hopper_face])


class TestMyMethod(MethodContract):
    pass


def test_names_are_known():
    assert "shrinking-steps" in methods.names()
    assert "rough-looks" in recognizers.names("rough-*")
    assert "rough-looks" in installed()


def test_my_recognizer_compares(collins, collins_face, hopper, hopper_face):
    mine = get_recognizer("rough-looks")
    darker = (collins * 0.8).astype(np.uint8)
    one, other, stranger = mine.embed(
        [collins, darker, hopper], [collins_face, collins_face, hopper_face]
    )
    assert float(one @ other) > 0.99 > float(one @ stranger)
    assert mine.lineage == {"rough-looks"}


def test_a_file_that_is_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken, text = tmp_path / "broken.py", tmp_path / "notes.txt"
    broken.write_text("import nothing_of_this_name\n")
    text.write_text("no code")
    for path, words in (
        (tmp_path / "gone.py", "does not run"),
        (broken, "nothing_of_this_name"),
        (text, "no Python file"),
    ):
        monkeypatch.setenv(plugins.VARIABLE, str(path))
        with pytest.raises(UsageError, match=words):
            methods["no-such-method"]


def bauta(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    places = {"BAUTA_WEIGHTS": str(cwd / "none"), "XDG_DATA_HOME": str(cwd / "data")}
    return subprocess.run(
        [Path(sys.executable).with_name("bauta"), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **places, "OMP_NUM_THREADS": "1", **environment},
    )


@pytest.fixture
def small(collins, tmp_path: Path) -> Path:
    from PIL import Image

    Image.fromarray(collins[:256, 96:352]).save(tmp_path / "me.jpg", quality=92)
    return tmp_path


def test_on_the_command_line(small: Path, collins_path: Path, hopper_path: Path):
    for who, photo in (("Eileen", collins_path), ("Grace", hopper_path)):
        (small / "people" / who).mkdir(parents=True)
        for number in (1, 2):
            (small / "people" / who / f"{who}_000{number}.jpg").write_bytes(photo.read_bytes())
    # Thresholds need a thousand pairs of two people.
    fold = ["Eileen\t1\t2"] * 100 + ["Eileen\t1\tGrace\t1"] * 100
    (small / "pairs.txt").write_text("\n".join(["10\t100", *fold * 10]))
    words = "recognizers evaluate rough-looks --data people --pairs pairs.txt"
    measured = bauta(*words.split(), cwd=small)
    assert measured.returncode == 0, measured.stderr
    rows = json.loads(bauta("recognizers", "list", "--json", cwd=small).stdout)
    assert [row["name"] for row in rows if row["source"] == "plug-in"] == ["rough-looks"]
    assert "ask its author" in bauta("recognizers", "list", cwd=small).stdout
    shown = json.loads(bauta("recognizers", "show", "rough-looks", "--json", cwd=small).stdout)
    assert shown["source"] == "plug-in"
    assert shown["recognizers"][0]["dimensions"] == 64
    assert "far-1%" in bauta("recognizers", "show", "rough-looks", cwd=small).stdout
    words = "protect me.jpg --method shrinking-steps --surrogate rough-looks --preset fast --json"
    done = bauta(*words.split(), cwd=small)
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout)["photos"][0]["settings"]
    assert settings["method"] == "shrinking-steps"
    assert settings["surrogates"] == ["rough-looks"]


def test_packages_announce_theirs(small: Path):
    # What pip leaves of a package with [project.entry-points."bauta.methods"].
    place = small / "packages"
    info = place / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "my_method.py").write_text(METHOD.read_text("utf-8"), "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bauta.methods]\nshrinking-steps = my_method\n")
    done = bauta(
        "protect", "me.jpg", "--method", "shrinking-steps", "--preset", "fast", cwd=small,
        PYTHONPATH=str(place), BAUTA_PLUGINS="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong = bauta("protect", "me.jpg", "--method", "shrinking-stops", cwd=small,
                  PYTHONPATH=str(place), BAUTA_PLUGINS="")  # fmt: skip
    assert wrong.returncode == 2
    assert "did you mean shrinking-steps" in wrong.stderr
