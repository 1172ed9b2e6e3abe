"""What private training costs beside plain training of the same network: time and memory.

python benchmarks/private_cost.py --data lfw --steps 6 --batch 64

Steps of both are taken in turns, in one process; memory is how much a process of its own grows
at most.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bauta.private.loop import PrivateData, _prepared, _Run, _step
from bauta.private.recipe import PrivateRecipe
from bauta.training.faceset import read_people
from bauta.training.pairs import held_out_pairs
from bauta.training.prepare import apart


def main() -> None:
    """Time steps in turns, then measure memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of people")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--defences", nargs="+", default=["none", "ppfr-fd", "ahm"])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alone", help="one defence, of which the peak memory is told")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    everybody = read_people(given.data, given.cache)
    faces, checks = apart(everybody, ("lfw-identification", "lfw-universal"), 0)
    checks = checks.subset(np.arange(min(200, len(checks))))
    data = PrivateData(faces=faces, checks=checks, pairs=held_out_pairs(checks.names, count=50))
    before = _memory("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        names = [given.alone] if given.alone else given.defences
        runs = {name: _run(name, given.batch, data, Path(folder) / name) for name in names}
        times: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(given.steps + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                _step(run)
                run.step += 1
                if turn:
                    times[name].append(time.perf_counter() - start)
    if given.alone:
        print(_memory("VmHWM") - before)
        return
    peaks = {name: _peak(name) for name in names}
    first = names[0]
    print(
        "| defence | ms per face | of plain | peak memory, MiB | of plain |\n|---|---|---|---|---|"
    )
    for name in names:
        middle = statistics.median(times[name])
        share = statistics.median(
            [mine / plain for mine, plain in zip(times[name], times[first], strict=True)]
        )
        print(
            f"| {name} | {1e3 * middle / given.batch:.1f} | {share:.2f} | {peaks[name]:.0f} | "
            f"{peaks[name] / peaks[first]:.2f} |"
        )


def _run(name: str, batch: int, data: PrivateData, folder: Path) -> _Run:
    recipe = PrivateRecipe(name=name, defence=name, batch=batch)
    return _prepared(recipe, data, b"secret", folder, "cpu", 1, "32-true")


def _memory(what: str) -> float:
    """MiB of this process now (VmRSS) or at most (VmHWM), as Linux counts them."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found
    return int(found[1]) / 1024


def _peak(name: str) -> float:
    words = [*sys.argv, "--alone", name, "--steps", "2"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
