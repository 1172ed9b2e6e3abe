"""The cluster engine, on two nodes that are processes of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bauta.albums.cluster import RayEngine
from bauta.errors import MissingExtraError, UsageError

_SCRIPT = """
import json, sys
from pathlib import Path
from ray.cluster_utils import Cluster
import ray
from bauta.albums.album import protect_album
from bauta.albums.cluster import RayEngine
from bauta.errors import UsageError
from bauta.settings import Settings
from tests.albums.workers import stamp

if __name__ == "__main__":
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1)
    begun, finished, at_once = set(), set(), 0
    engine = RayEngine(cluster.address, do=stamp)
    run = engine.run

    def watched(tasks):
        global at_once
        for event in run(tasks):
            if event.kind == "begin":
                begun.add(event.task.name)
            elif event.kind == "end":
                finished.add(event.task.name)
            at_once = max(at_once, sum(name[0] == "n" for name in begun - finished))
            yield event

    engine.run = watched
    report = protect_album(
        Path(sys.argv[1]), Path(sys.argv[2]), Settings(preset="fast"), engine=engine
    )
    print(json.dumps({
        "status": {name: entry.status for name, entry in report.entries.items()},
        "pids": len({e.report["pid"] for e in report.named("done")}),
        "nodes": len(cluster.list_all_nodes()), "at_once": at_once,
        "errors": {e.name: e.error for e in report.named("failed")},
        "running": ray.is_initialized(),
    }))
    # The driver has no GPU, whatever the nodes have.
    def on_gpus():
        return protect_album(
            Path(sys.argv[1], "few"), Path(sys.argv[3]),
            Settings(preset="fast", device="cuda"),
            engine=RayEngine(cluster.address, do=stamp),
        )

    refused = ""
    try:
        on_gpus()
    except UsageError as error:
        refused = str(error)
    cluster.add_node(num_cpus=1, num_gpus=1)
    report = on_gpus()
    print(json.dumps({
        "refused": refused,
        "status": {name: entry.status for name, entry in report.entries.items()},
        "gpus": sorted({e.report["gpus"] for e in report.named("done")}),
    }))
    cluster.shutdown()
"""


def test_two_nodes_do_an_album(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    album, output, script = tmp_path / "album", tmp_path / "out", tmp_path / "run.py"
    album.mkdir()
    for number in range(6):
        (album / f"n{number}.jpg").write_bytes(b"n%d" % number)
    (album / "few").mkdir()
    (album / "few/n0.jpg").write_bytes(b"one of few")
    (album / "deadly.jpg").write_bytes(b"deadly")
    (album / "once.jpg").write_bytes(b"once")
    (album / "bad.jpg").write_bytes(b"bad")
    script.write_text(_SCRIPT, "utf-8")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, script, album, output, tmp_path / "by-gpus"],
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}, timeout=500,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    said, by_gpus = map(json.loads, lines)
    failed = {"deadly.jpg", "bad.jpg"}
    names = {path.relative_to(album).as_posix() for path in album.rglob("*.jpg")}
    assert said["status"] == {n: "failed" if n in failed else "done" for n in names}
    assert "died twice" in said["errors"]["deadly.jpg"]
    assert said["nodes"] == 2
    assert said["pids"] >= 2
    # No more is given out than there are actors: one file each.
    assert 1 <= said["at_once"] <= 2
    assert not said["running"]
    for number in range(6):
        assert (output / f"n{number}.jpg").read_bytes() == b"done n%d" % number
    assert "room for a worker, which takes" in by_gpus["refused"]
    assert by_gpus["status"] == {"n0.jpg": "done"}
    # Ray shows every actor the GPU that is its own: here one that only the node speaks of.
    assert by_gpus["gpus"] == ["0"]


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="ray"):
        RayEngine()


def test_engines_by_name() -> None:
    from bauta.albums.engines import LocalEngine
    from bauta.cli.album import engine_of

    assert isinstance(engine_of("local", None, 3), LocalEngine)
    for words in (("spark", None, 0), ("local", "auto", 0), ("local", None, -1)):
        with pytest.raises(UsageError):
            engine_of(*words)
