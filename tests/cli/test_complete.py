"""Completion by Tab: the right words, in every shell, without loading a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bauta.cli import complete

COMMAND = Path(sys.executable).with_name("bauta")
#: Modules that take longer to load than anybody waits for Tab.
HEAVY = "torch numpy PIL dlib kornia cryptography onnxruntime"


def asked(shell: str, line: str, **environment: str) -> str:
    """What the shell's own script gets for a line whose last word is being typed."""
    words = line.split(" ")
    how = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = subprocess.run(
        [COMMAND],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "_BAUTA_COMPLETE": f"complete_{shell}", **how, **environment},
    )
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_values(shell: str):
    assert "watermark" in asked(shell, "bauta wat")
    assert "berry" in asked(shell, "bauta protect --style be")
    assert "tight-judge" in asked(shell, "bauta protect me.jpg --judge tight-j")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bauta protect --method ", ["dfpp", "dpg", "tip-im"]),
        ("bauta protect --preset ", ["balanced", "fast", "strong"]),
        ("bauta protect --goal i", ["impersonate"]),
        ("bauta verify a.jpg b.jpg --surrogate n", ["none"]),
        ("bauta mask fit --method f", ["facecloak"]),
        ("bauta private train ahm", ["ahm", "ahm-small"]),
        ("bauta private train --defence pp", ["ppfr-fd"]),
        ("bauta recognizers train tight-l", ["tight-label"]),
        ("bauta recognizers show dlib-la", ["dlib-landmarks-5", "dlib-landmarks-68"]),
        ("bauta recognizers fetch sf", ["sface-2021dec"]),
        ("bauta watermark train d", ["dpg"]),
        ("bauta bench run sc", ["scenarios"]),
        ("bauta recognizers evaluate --split utk", ["utkface-fairness"]),
    ],
)
def test_values(line: str, words: list[str]):
    assert sorted(asked("bash", line).split()) == words


def test_recognizers_of_the_user(tmp_path: Path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/my-r50.json").write_text("{}")
    found = asked("bash", "bauta recognizers remove ", BAUTA_WEIGHTS=str(tmp_path))
    assert found.split() == ["my-r50"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_are_shown(shell: str):
    done = subprocess.run(
        [COMMAND, "--show-completion", shell], capture_output=True, text=True, timeout=60,
        check=False, env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "_BAUTA_COMPLETE" in done.stdout


@pytest.mark.parametrize("offer", ["methods", "recognizers", "makers", "cards", "fetched", "own",
                                   "splits", "runs"])  # fmt: skip
def test_nothing_heavy_is_loaded(offer: str):
    code = (
        f"import sys\nfrom bauta.cli import app, complete\ncomplete.{offer}('')\n"
        f"print([name for name in '{HEAVY}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_words_are_those_that_the_library_takes():
    from bauta import settings
    from bauta.methods.personal import personal_methods
    from bauta.methods.registry import methods
    from bauta.private.attacking import ATTACKS
    from bauta.private.defences import DEFENCES
    from bauta.recognizers.crops import CROPS
    from bauta.recognizers.zoo import recognizers
    from bauta.views.base import engines

    assert list(complete.PRESETS) == list(settings.PRESETS)
    for name, words in (
        ("goal", complete.GOALS), ("gain", complete.GAINS), ("detector", complete.DETECTORS),
        ("target_search", complete.SEARCHES),
    ):  # fmt: skip
        assert words == settings._WORDS[name]
    assert sorted(complete.PERSONAL) == personal_methods.names()
    assert sorted(complete.VIEW_ENGINES) == engines.names()
    assert sorted(complete.DEFENCES) == sorted(DEFENCES)
    assert set(ATTACKS) < set(complete.ATTACKS)
    assert set(complete.CROPS) == set(CROPS)
    assert complete.methods("") == methods.names()
    assert complete.recognizers("") == recognizers.names()
