"""How fast albums go, and how far they scale.

python benchmarks/album_scale.py photos/ --count 24 --jobs 1 2 --preset fast
python benchmarks/album_scale.py photos/ --files 5000          (what the album itself costs)

The first protects ``--count`` photos, by each engine and number of jobs in turn, and says photos
per hour and core. The second takes the protection out of it: files are only copied, so that what is
left is looking, handing out, and noting; its rate is the most that any number of workers could be
fed with. Memory is that of the process that hands out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from bauta.albums.album import plan_album, protect_album
from bauta.albums.cluster import RayEngine
from bauta.albums.engines import Engine, LocalEngine
from bauta.albums.work import Outcome, ShareProgress, Task
from bauta.settings import Settings


def copied(task: Task, tell: ShareProgress | None) -> Outcome:
    """All that is done of a file but its protection: told of, and written."""
    for share in range(20):
        if tell:
            tell(share / 20)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(task.source, task.target)
    return Outcome(status="done", verdict="protected", seconds=0.01, report={"faces": []})


def main() -> None:
    """Measure, and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--count", type=int, default=24, help="photos to protect")
    parser.add_argument("--files", type=int, default=0, help="files to hand out only")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engines", nargs="+", default=["local"], choices=["local", "ray"])
    parser.add_argument("--preset", default="fast")
    given = parser.parse_args()
    do = {"do": copied} if given.files else {}
    for name, jobs in itertools.product(given.engines, given.jobs):
        # A thread each, as on a machine whose cores are all taken.
        engine: Engine = (
            LocalEngine(jobs, threads=1, **do) if name == "local" else RayEngine(None, jobs, **do)
        )
        print(
            json.dumps({"engine": name, "jobs": jobs, **measure(given, engine, jobs)}), flush=True
        )


def measure(given: argparse.Namespace, engine: Engine, jobs: int) -> dict[str, Any]:
    """Seconds of a run, what it comes to, and what a second run takes, which finds all done."""
    with tempfile.TemporaryDirectory() as folder:
        album, out = Path(folder, "album"), Path(folder, "out")
        many = given.files or given.count
        fill(album, given.photos, many, small=bool(given.files))
        settings = Settings(preset=given.preset)
        begun = time.perf_counter()
        report = protect_album(album, out, settings, engine=engine)
        took = time.perf_counter() - begun
        begun = time.perf_counter()
        plan_album(album, out, settings)
        again = time.perf_counter() - begun
        # Loading the networks is paid once, so what workers say of themselves is without it.
        busy = sum(entry.seconds for entry in report.named("done")) / jobs
        return {
            "files": many,
            "seconds": round(took, 1),
            "files_per_second": round(many / took, 2),
            "per_hour_and_core": round(3600 * many / took / jobs, 1),
            "share_at_work": round(busy / took, 3),
            "second_run_seconds": round(again, 2),
            "failed": len(report.named("failed")),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        }


def fill(album: Path, photos: Path, many: int, *, small: bool) -> None:
    """An album of so many files, each with a content of its own."""
    sources = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    for number, source in zip(range(many), itertools.cycle(sources), strict=False):
        target = album / f"{number % 50:02}" / f"{number:06}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        if small:
            target.write_bytes(b"%d" % number)
            continue
        with Image.open(source) as picture:
            picture.convert("RGB").save(target, quality=85 + number // len(sources))


if __name__ == "__main__":
    main()
