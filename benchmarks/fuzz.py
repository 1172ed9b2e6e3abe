"""Damage every kind of file that Bauta reads, thousands of times, and see what comes out.

    python benchmarks/fuzz.py --examples 5000
    python benchmarks/fuzz.py onnx manifest --examples 20000 --seed 7

The rows are those of tests/reliability/parsers.py, of which the tests try a few, and a row for each
kind of photo of tests/media/test_properties.py (photo-jpeg-RGB, ...). A line per row says how often
the file was still read, how often each error of ours came, the slowest example and the memory that
the process grew by. Anything else that came out is printed, with its seed.
"""

from __future__ import annotations

import argparse
import collections
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.media.test_properties import check_damaged, small_files
from tests.reliability.parsers import PARSERS, Parser, tried

#: Seconds after which an example counts as one that hangs, and bytes that the process may hold.
_PATIENCE, _MOST = 60, 12 << 30


def photos() -> list[Parser]:
    """Rows for photos, which are read, described, written and read again."""
    return [
        Parser(
            name=f"photo-{kind}", modules=(), file=f"a{suffix}", seed=lambda whole=whole: whole,
            read=lambda file, of=(kind, suffix): check_damaged(*of, file.read_bytes()),
        )
        for kind, (suffix, whole) in small_files().items()
    ]  # fmt: skip


def fuzz(parser: Parser, examples: int, first: int, folder: Path) -> int:
    """Try a parser; how many defects were found."""
    counts: collections.Counter[str] = collections.Counter()
    defects: dict[str, tuple[int, str]] = {}
    slowest, begun, before = 0.0, time.perf_counter(), _peak()
    for seed in range(first, first + examples):
        place, started = folder / "x", time.perf_counter()
        signal.alarm(_PATIENCE)
        try:
            counts[tried(parser, seed, place)] += 1
        except Exception as error:
            words = traceback.format_exc()
            where = words.splitlines()[-4:-1]
            defects.setdefault(f"{type(error).__name__} {where}", (seed, words))
            counts["DEFECT"] += 1
        finally:
            signal.alarm(0)
            shutil.rmtree(place, ignore_errors=True)
        slowest = max(slowest, time.perf_counter() - started)
    spent, grown = time.perf_counter() - begun, (_peak() - before) >> 20
    print(
        f"{parser.name}: {examples} examples, {spent:.0f} s, slowest {slowest:.2f} s, "
        f"+{grown} MB, {dict(counts)}",
        flush=True,
    )
    for seed, words in defects.values():
        print(f"--- seed {seed}\n{words[-1800:]}", flush=True)
    return len(defects)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _late(*_: object) -> None:
    raise TimeoutError(f"more than {_PATIENCE} seconds")


def main() -> None:
    """Run the command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("names", nargs="*", help="rows; all of them if none is named")
    words.add_argument("--examples", type=int, default=2000)
    words.add_argument("--seed", type=int, default=0, help="of the first example")
    given = words.parse_args()
    signal.signal(signal.SIGALRM, _late)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST, _MOST))
    warnings.simplefilter("error")
    rows = [row for row in (*PARSERS, *photos()) if not given.names or row.name in given.names]
    with tempfile.TemporaryDirectory(prefix="bauta-fuzz-") as folder:
        found = sum(fuzz(row, given.examples, given.seed, Path(folder)) for row in rows)
    sys.exit(found > 0)


if __name__ == "__main__":
    main()
