"""Work in several processes: all of it, errors, and no process that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bauta.bench.pool import in_processes
from bauta.errors import UsageError

ROOT = Path(__file__).parents[2]
_folder: list[Path] = []


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch):
    """New processes must find this file, which is in no package that is installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def begin(folder: Path) -> None:
    _folder[:] = [folder]


def work(number: int) -> None:
    if number < 0:
        raise UsageError("a negative number")
    (_folder[0] / f"{number}").write_text(str(os.getpid()))


def stay(number: int) -> None:
    work(number)
    time.sleep(60)


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_units_are_done(jobs: int, tmp_path: Path):
    told: list[int] = []
    units = [(number,) for number in range(5)]
    in_processes(units, work, jobs=jobs, begin=begin, given=(tmp_path,), done=told.append)
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == list(range(5))
    assert told[-1] == 5
    own = {int(p.read_text()) == os.getpid() for p in tmp_path.iterdir()}
    assert own == {jobs == 1}


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_told(jobs: int, tmp_path: Path):
    with pytest.raises(UsageError, match="negative"):
        in_processes(
            [(-1,)], work, jobs=jobs, begin=begin, given=(tmp_path,), done=lambda count: None
        )


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="asks /proc who is alive")
def test_workers_end_with_who_started_them(tmp_path: Path):
    code = f"""
from pathlib import Path
from bauta.bench.pool import in_processes
from tests.bench.test_pool import begin, stay
if __name__ == "__main__":
    given = (Path({str(tmp_path)!r}),)
    in_processes([(0,), (1,)], stay, jobs=2, begin=begin, given=given, done=print)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, str(script)], cwd=ROOT) as parent:
        wait_for(lambda: all((tmp_path / name).is_file() for name in "01"))
        parent.send_signal(signal.SIGKILL)
    workers = [int((tmp_path / name).read_text()) for name in "01"]
    wait_for(lambda: not any(alive(worker) for worker in workers))


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not happen within a minute"
        time.sleep(0.1)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended may wait for somebody to ask how."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
