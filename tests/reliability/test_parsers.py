"""Whatever the bytes, every parser of ours reads them or raises an error of ours; in bounds."""

from __future__ import annotations

import re
import resource
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bauta
from tests.reliability.parsers import PARSERS, Parser, tried

PACKAGE = Path(bauta.__file__).parent
#: Seconds that an example may take on a busy machine, and bytes that a row's may hold in all.
PATIENCE, MOST = 30.0, 1 << 30
#: What reads bytes or text that came from elsewhere.
READS = re.compile(
    r"from_json\(|table_of\(|json\.loads?\(|tomllib\.|load_state\(|torch\.load\(|np\.load\(|"
    r"safe_open\(|load_file\(|[^_]load\(data\)|read_named\(|frombuffer\(|struct\.unpack|"
    r"csv\.(Dict)?[rR]eader\(|ZipFile\(|load_model_from_string\(|av\.open\(|int\.from_bytes\("
)
#: Modules that read, and whose bytes are tried elsewhere or are nobody else's. Readers of photos,
#: and all in "media" that they use, are tried in tests/media/test_properties.py; requests of the
#: page in tests/web.
ELSEWHERE = {
    # What FFmpeg has decoded already; rows mp4, mkv and avi go through it.
    "media.video.side", "media.video.colour", "media.video.output",
    # Files of the package or the table of weights, of which a byte too few or too many is noticed
    # by their hash first: tests/weights, test_weights.py here.
    "audit.lpips", "faces.mesh", "watermark.weights", "weights.states",
    # Its own plain data, which was checked before; bytes of a hash.
    "plain", "watermark.codes", "masking.masks", "masks.wearing", "bench.chips",
    # They call what the row "plan" or "recipe" tries, or read files of the package.
    "bench.papers",
}  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_files(parser: Parser) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=parser.examples, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.integers(0, 2**32 - 1))
    def check(seed: int) -> None:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tried(parser, seed, Path(folder) / "x")
        assert time.monotonic() - begun < PATIENCE

    check()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown << 10 < MOST


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_good_files(parser: Parser, tmp_path: Path) -> None:
    """Else nothing but the first line of a parser would be tried."""
    file = tmp_path / parser.file
    file.write_bytes(parser.seed())
    parser.read(file)


def test_every_parser_has_a_row() -> None:
    reading = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if READS.search(path.read_text("utf-8"))
    }
    # Photos have tests of their own, and so have the requests of the page.
    aside = {name for name in reading if re.match(r"media\.(?!video\b)|web\.", name)}
    rows = {module for parser in PARSERS for module in parser.modules}
    assert reading - rows - ELSEWHERE - aside == set()
    assert {m for m in rows if not (PACKAGE / f"{m.replace('.', '/')}.py").is_file()} == set()
    assert reading - rows >= ELSEWHERE
