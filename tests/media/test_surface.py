"""The public names, the examples in the docstrings, and what an import costs and does."""

import doctest
import importlib
import subprocess
import sys

import pytest

import bauta.media


def test_public_names():
    assert sorted(bauta.media.__all__) == [
        "DEFAULT_MAX_PIXELS", "Photo", "atomic_write", "describe_metadata", "encode_photo",
        "is_grey", "output_suffix", "photo_from_array", "read_photo", "read_photo_bytes",
        "write_photo",
    ]  # fmt: skip
    for name in bauta.media.__all__:
        assert getattr(bauta.media, name).__doc__


@pytest.mark.parametrize("module", ["photo", "write"])
def test_examples_run(module):
    results = doctest.testmod(importlib.import_module(f"bauta.media.{module}"))
    assert results.attempted > 0
    assert results.failed == 0


def test_import_is_quiet_and_leaves_heavy_parts_for_later():
    code = (
        "import sys, bauta.media;"
        "print([m for m in ('torch', 'tifffile', 'pi_heif', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""
