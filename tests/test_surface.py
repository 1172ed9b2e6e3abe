"""The package as a whole: what it exports, what its import costs, and which part knows which."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import bauta

PACKAGE = Path(bauta.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
#: Parts import only from parts of a lower rank, or from themselves.
RANKS = {
    "errors": 0, "cores": 0, "processes": 0, "clock": 0, "plain": 0, "plugins": 0.5, "memory": 1,
    "devices": 1, "registry": 1, "named": 1, "keys": 1, "media": 2, "weights": 3, "faces": 4,
    "masking": 5, "recognizers": 5, "engine": 6, "views": 6, "makeup": 7, "masks": 7,
    "watermark": 7, "training": 8, "methods": 8, "settings": 8, "audit": 9, "optimisation": 9,
    "bench": 10, "private": 10, "protection": 10, "personal": 10, "watermarking": 10, "clips": 11,
    "albums": 12, "web": 13, "cli": 14,
}  # fmt: skip
#: Higher parts that build on nothing of these.
STRANGERS = {
    "media": {"registry"},
    "views": {"engine"},
    "methods": {"training"},
    "audit": {"methods", "engine"},
    "settings": {"methods"},
}


def tree_of(module: Path) -> ast.Module:
    return ast.parse((PACKAGE / module).read_text("utf-8"))


def part_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> set[str]:
    """Full names of all modules that are imported anywhere in the code."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def fresh(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_import_is_quiet_and_light():
    heavy = ["torch", "numpy", "PIL", "dlib", "kornia", "requests", "typer"]
    code = f"import json, sys, bauta; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    assert json.loads(fresh(code)) == []


def test_everything_announced_is_there_and_described():
    code = (
        "import json, bauta; print(json.dumps([sorted(bauta.__all__),"
        "[n for n in bauta.__all__ if not getattr(bauta, n).__doc__], bauta.__version__]))"
    )
    names, undocumented, version = json.loads(fresh(code))
    assert names == [
        "PhotoReport", "Settings", "protect", "read_photo", "verify", "write_photo",
        "write_report",
    ]  # fmt: skip
    assert undocumented == []
    assert version == bauta.__version__


def test_other_names_are_missing_in_the_usual_way():
    with pytest.raises(AttributeError, match="no attribute 'unprotect'"):
        _ = bauta.unprotect


def test_every_part_has_a_rank():
    assert {part_of(module) for module in MODULES} - {"__init__"} == set(RANKS)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_layers(module: Path):
    part = part_of(module)
    names = imported(tree_of(module))
    assert not {name for name in names if name.split(".")[0] == "torchvision"}
    if part == "__init__":
        return
    parts = {name.split(".")[1] for name in names if name.startswith("bauta.")} - {part}
    upward = {p for p in parts if p in RANKS and RANKS[p] >= RANKS[part]}
    assert upward == set()
    assert not parts & STRANGERS.get(part, set())


@pytest.mark.parametrize("module", [m for m in MODULES if part_of(m) != "cli"], ids=str)
def test_only_the_command_line_prints(module: Path):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "input")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("sys", "stdout"), ("sys", "stderr")}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert not {n for n in imported(ast.Module([node], [])) if n.startswith("rich")}


def test_one_module_opens_connections_and_one_waits_for_them():
    network = {"requests", "urllib", "http", "socket", "pooch", "ftplib", "uvicorn"}
    users = {
        str(module) for module in MODULES
        # Quoting addresses opens nothing.
        if {name.split(".")[0] for name in imported(tree_of(module))
            if not name.startswith("urllib.parse.")} & network
    }  # fmt: skip
    assert users == {str(Path("weights/fetch.py")), str(Path("web/server.py"))}
    server = imported(tree_of(Path("web/server.py")))
    assert not {name for name in server if "connect" in name or "request" in name.lower()}


def test_pools_end_with_who_made_them():
    """Python's own leave their processes behind when the one that made them is killed."""
    made = [
        module for module in MODULES if "ProcessPoolExecutor(" in (PACKAGE / module).read_text()
    ]
    assert [str(module) for module in made] == ["processes.py"]
