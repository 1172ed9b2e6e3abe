"""The installed command, as a shell runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

COMMAND = Path(sys.executable).with_name("bauta")


def shell(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


def test_pipe_gets_json_and_the_screen_stays_quiet(portrait: Path) -> None:
    # PYTHONWARNINGS: what a user would see of warnings must not appear here either.
    done = shell("protect", "me.jpg", "--preset", "fast", "--json", PYTHONWARNINGS="default")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["photos"][0]["verdict"] != "unjudged"
    assert done.stderr == ""


def test_pipe_that_knows_only_ascii(portrait: Path) -> None:
    portrait.rename("写真.jpg")
    done = shell("protect", "写真.jpg", "--preset", "fast", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert Path("写真-protected.jpg").is_file()


def test_terminal_shows_progress_of_any_name(portrait: Path) -> None:
    portrait.rename("[bold] me.jpg")
    done = shell("protect", "[bold] me.jpg", "--preset", "fast", FORCE_COLOR="1", TERM="xterm")
    assert done.returncode == 0, done.stderr
    assert "[bold] me.jpg" in done.stderr
    assert "%" in done.stderr


def test_bad_usage_and_bad_photo(portrait: Path) -> None:
    bad = shell("protect", "me.jpg", "--preset", "nope")
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
    gone = shell("verify", "me.jpg", "gone.jpg")
    assert gone.returncode == 1
    assert gone.stderr.strip() == ("error: no such file: gone.jpg; check the name and the folder")


@pytest.mark.parametrize(
    "words",
    [
        ["protect"],
        ["verify"],
        ["recognizers", "list"],
        ["recognizers", "show"],
        ["recognizers", "fetch"],
        ["recognizers", "evaluate"],
    ],
    ids=" ".join,
)
def test_help_shows_an_example(bauta: Callable[..., Result], words: list[str]) -> None:
    result = bauta(*words, "--help")
    assert result.exit_code == 0
    flat = " ".join(result.stdout.split())
    assert "Example" in flat
    assert f"bauta {' '.join(words)} " in flat.partition("Example")[2]


def test_help_of_protect_tells_the_exit_codes(bauta: Callable[..., Result]) -> None:
    flat = " ".join(bauta("protect", "-h").stdout.replace("│", " ").split())
    assert "Exit codes: 0 done, 1 a photo failed, 2 bad usage" in flat


def test_version(bauta: Callable[..., Result]) -> None:
    import bauta as library

    assert bauta("--version").stdout == f"bauta {library.__version__}\n"
