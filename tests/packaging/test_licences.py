"""The page of licences names everything that may be installed, and what asks something of users."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from types import ModuleType

import pytest

from bauta.weights.records import records
from tests.conftest import ROOT

PAGE = (ROOT / "docs/licences.md").read_text("utf-8")


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    pytest.importorskip("packaging", reason="the extra dev is not installed")
    spec = importlib.util.spec_from_file_location("licences", ROOT / "tools/licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_pinned_package_is_listed(licences: ModuleType):
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    listed = {(row[0].removeprefix("| "), row[1]): row[2] for row in rows if len(row) == 4}
    assert set(licences.VIEWS) < {name for name, _ in licences.pinned()}
    for name, version in licences.pinned():
        assert (name, version) in listed, f"{name} {version}: run make licences"
        assert listed[name, version] not in ("", "not stated"), name
        assert "not installed" not in listed[name, version], name


def test_copyleft_is_pointed_out():
    part = PAGE.partition("## Copyleft")[2].partition("## Packages")[0]
    for words in ("| av |", "x264", "x265", "GPL-2.0", "| pi_heif |", "| certifi |", "libgfortran"):
        assert words in part


def test_weights_and_data_are_listed():
    for row in records().values():
        use = "allowed" if row.commercial_use else "**no**"
        assert f"| {row.name} | {row.licence} | {use} |" in PAGE, "run make licences"
    for words in ("| LFW |", "| UTKFace |", "NASA"):
        assert words in PAGE


def test_the_page_is_what_the_tool_writes(licences: ModuleType):
    try:
        versions = [
            (name, version if name in licences.VIEWS else metadata.version(name))
            for name, version in licences.pinned()
        ]
    except metadata.PackageNotFoundError as error:
        pytest.skip(f"not all is installed: {error}")
    if [(n, v.partition("+")[0]) for n, v in versions] != licences.pinned():
        pytest.skip("other versions are installed than constraints.txt pins")
    assert licences.page() == PAGE, "run make licences"
