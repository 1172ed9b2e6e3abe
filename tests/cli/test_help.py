"""Help says what a man page says, and fits a terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from typer.core import TyperOption

from tests.cli.commands import COMMANDS, ROOT, parameters

#: Options beside each other without a title, at most.
MOST = 10


@pytest.fixture
def help_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def show(words: tuple[str, ...], width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        command = COMMANDS[words] if words else ROOT
        command.main(["--help"], prog_name=" ".join(("bauta", *words)), standalone_mode=False)
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_manual(words: tuple[str, ...]):
    command = COMMANDS[words]
    purpose, _, _ = command.help.partition("\n\n")
    assert 20 < len(purpose) < 160
    name = " ".join(("bauta", *words))
    _, _, below = command.epilog.partition("Examples:\n\n")
    assert re.search(rf"^  {name}( |$)", below, re.MULTILINE)
    assert "Exit codes: 0 " in below
    assert "2 bad usage" in " ".join(below.split())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_parameter_says_what_it_takes(words: tuple[str, ...]):
    panels: dict[str | None, int] = {}
    for param in parameters(COMMANDS[words]):
        assert param.help, param.name
        if isinstance(param, TyperOption):
            panels[param.rich_help_panel] = panels.get(param.rich_help_panel, 0) + 1
        assert param.metavar is not None or getattr(param, "is_flag", False), param.name
    assert max(panels.values(), default=0) <= MOST


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
def test_help_fits_the_terminal(help_of, words: tuple[str, ...], width: int):
    text = help_of(words, width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    # Types as Python writes them are no help.
    assert "<bool>" not in text
    assert "list[" not in text
    # Examples are whole, to be copied.
    for line in (COMMANDS[words].epilog if words else "").splitlines():
        assert line.rstrip() in text


def test_help_and_version_load_nothing_heavy():
    heavy = ["torch", "numpy", "PIL", "dlib", "kornia", "onnxruntime", "av", "requests", "pooch",
             "cryptography", "matplotlib", "starlette", "ray"]  # fmt: skip
    code = (
        "import json, sys\nfrom bauta.cli import main\n"
        "for words in (['--version'], ['--help'], ['protect', '--help'], ['bench', 'run', '-h']):\n"
        "    sys.argv = ['bauta', *words]\n"
        "    try:\n        main()\n    except SystemExit as end:\n        assert not end.code\n"
        f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_importing_the_package_reads_no_metadata():
    # It takes longer than all the rest, and is needed for the version alone.
    code = (
        "import sys, bauta; assert 'importlib.metadata' not in sys.modules; "
        "print(bauta.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip()
