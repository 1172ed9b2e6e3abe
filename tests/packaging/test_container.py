"""The container file is not built here; what it names is there, and it keeps its promises."""

from __future__ import annotations

import re
import tomllib

from tests.conftest import ROOT

LINES = [
    line
    for line in (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]


def after(word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in LINES if line.startswith(word + " ")]


def test_what_is_copied_is_there_and_not_ignored():
    let_in = {
        line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line[0] == "!"
    }
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()
    for words in after("COPY"):
        if words.startswith("--from"):
            continue
        for name in words.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert name in let_in, name


def test_it_runs_as_nobody_in_particular():
    assert after("USER") == ["bauta"]
    assert LINES.index("USER bauta") > max(n for n, line in enumerate(LINES) if line[:3] == "RUN")
    assert after("ENTRYPOINT") == ['["bauta"]']
    assert "/photos" in after("VOLUME")[0]


def test_extras_are_ours_and_bring_no_gpl():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (extras,) = [line.partition("=")[2] for line in after("ARG") if line.startswith("EXTRAS=")]
    assert set(extras.split(",")) <= set(project["optional-dependencies"]) - {"video", "dev"}
    pips = [line for line in after("RUN") if "pip install" in line]
    for line in pips:
        assert len(re.findall("pip install", line)) == line.count("-c constraints.txt"), line
