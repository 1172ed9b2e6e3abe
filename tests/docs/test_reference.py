"""The reference of the Python API: everything that is public there says what it does."""

from __future__ import annotations

import re
from typing import Any

import pytest

import bauta
from tests.conftest import ROOT

griffe = pytest.importorskip("griffe", reason="the extra docs is not installed")
REFERENCE = ROOT / "docs/api"
PATHS = sorted(
    path
    for page in REFERENCE.glob("*.md")
    for path in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
)


@pytest.fixture(scope="module")
def package() -> Any:
    return griffe.load("bauta", search_paths=[str(ROOT / "src")], resolve_aliases=True)


def undescribed(thing: Any) -> list[str]:
    """Paths of public functions, classes and methods without a docstring."""
    missing = [] if thing.docstring else [thing.path]
    if thing.is_function or thing.is_attribute:
        return missing
    for name, member in thing.members.items():
        if name.startswith("_") or member.is_alias or member.is_attribute:
            continue
        if not member.is_module:
            missing += undescribed(member)
    return missing


@pytest.mark.parametrize("path", PATHS)
def test_all_that_is_public_is_described(package: Any, path: str):
    assert undescribed(package[path.removeprefix("bauta.")]) == []


def test_what_the_package_exports_is_in_the_reference():
    modules = {path.rpartition(".")[0]: path for path in PATHS} | {path: path for path in PATHS}
    for name in bauta.__all__:
        home = bauta._HOME[name]
        assert home in modules, name
