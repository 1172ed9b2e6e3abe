"""Use the local page for long, and watch its memory.

python benchmarks/soak.py photos/ --uploads 500 --every 25 -o soak.json

Starts ``bauta serve`` as people do, and brings photo after photo: each is looked at, every
``--every``-th is hidden and fetched, and all are removed again, as a page that stays open for days
would. Memory is what /proc says of the server and of its two workers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

_SERVE = "import sys; from bauta.cli import main; sys.argv[0] = 'bauta'; main()"


def main() -> None:
    """Bring photos, and write down what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--every", type=int, default=25, help="hide every so many-th photo")
    parser.add_argument("-o", "--output", type=Path, default=Path("soak.json"))
    given = parser.parse_args()
    photos = [path for path in sorted(given.photos.rglob("*")) if path.is_file()]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "serve", "--no-browser"],
            env={**os.environ, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout
        found = None
        while not found:
            found = re.search(r"(http://[\w.:]+)/#(\S+)", server.stdout.readline())
        page = httpx2.Client(base_url=found[1], headers={"Origin": found[1]}, timeout=120)
        secret = page.post("/api/session", json={"link": found[2]}).json()["secret"]
        page.headers["Authorization"] = f"Bearer {secret}"
        rows = []
        for number, photo in zip(range(1, given.uploads + 1), itertools.cycle(photos)):
            bring(page, photo, hide=number % given.every == 0)
            if number % given.every == 0 or number == 1:
                rows.append({"uploads": number, **memory(server.pid), "files": files(folder)})
                print(rows[-1], flush=True)
        server.terminate()
        server.wait()
        left = files(folder)
    given.output.write_text(json.dumps({"rows": rows, "left": left}, indent=1), "utf-8")


def bring(page: httpx2.Client, photo: Path, *, hide: bool) -> None:
    """Bring a photo, hide it if asked, and remove it."""
    headers = {"X-Name": "photo.jpg"}
    which = page.post("/api/photos", content=photo.read_bytes(), headers=headers).json()["id"]
    look = over(page, which)["look"]
    assert look["status"] == "done", look
    page.get(f"/api/photos/{which}/before-0.jpg").raise_for_status()
    if hide and look["data"]["faces"]:
        body = {"method": "tip-im", "preset": "fast", "photos": {which: [1]}}
        page.post("/api/protect", json=body).raise_for_status()
        result = over(page, which)["result"]
        assert result["status"] == "done", result
        link = page.post("/api/tickets", json={"what": "photo", "id": which}).json()["link"]
        page.get(link).raise_for_status()
    page.delete(f"/api/photos/{which}").raise_for_status()


def over(page: httpx2.Client, which: str) -> Any:
    """The photo once nothing is being done to it."""
    while True:
        state = page.get("/api/state").json()
        if not state["busy"]:
            return next(photo for photo in state["photos"] if photo["id"] == which)
        time.sleep(0.05)


def memory(server: int) -> dict[str, int]:
    """MiB of the server and of its workers, in the order in which they started."""
    sizes = {"server": resident(server)}
    for number, worker in enumerate(children(server), 1):
        sizes[f"worker {number}"] = resident(worker)
    return sizes


def resident(process: int) -> int:
    """MiB that a process has in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) >> 10  # type: ignore[index]  # always there


def children(process: int) -> list[int]:
    """Workers of a server, which are what multiprocessing spawned."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        head, tail = stat.read_text().rsplit(")", 1)
        pid = int(head.split(" ")[0])
        if (
            int(tail.split()[1]) == process
            and b"spawn_main" in stat.with_name("cmdline").read_bytes()
        ):
            found.append(pid)
    return sorted(found)


def files(folder: str) -> int:
    """How many files lie in the private folder."""
    return sum(path.is_file() for path in Path(folder).rglob("*"))


if __name__ == "__main__":
    main()
