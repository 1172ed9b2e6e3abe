"""A page that is really served, by a process of its own, and browsers' rooms in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("httpx2", reason="what tests ask with is not installed")

_SERVE = "import sys; from bauta.cli import main; sys.argv[0] = 'bauta'; main()"
_LINK = re.compile(r"(http://[\w.:]+)/#(\S+)")
#: Long, as machines that test are busy.
PATIENCE = 300.0


class Server:
    """``bauta serve`` as people start it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-W", "error", "-c", _SERVE, "serve", "--no-browser", *options]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._given = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: _LINK.search(self.said) or self.process.poll() is not None, 120)
        if not _LINK.search(self.said):
            raise AssertionError(self.stop())

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line

    @property
    def address(self) -> str:
        """Where it listens."""
        return _LINK.findall(self.said)[-1][0]

    def link(self) -> str:
        """A link that opens a page; a new one is shown once the last was used."""
        until(lambda: _LINK.findall(self.said)[-1][1] != self._given, 60)
        self._given = _LINK.findall(self.said)[-1][1]
        return f"{self.address}/#{self._given}"

    @property
    def rooms(self) -> list[Path]:
        """What lies in the private folder."""
        return [path for path in self.folder.glob("bauta-serve-*/**/*") if path.is_file()]

    def stop(self) -> str:
        """End it as Ctrl-C or the system would, and return all that it said."""
        self.process.terminate()
        self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()
        return self.said


class Browser:
    """A browser's room: what the page's own scripts would ask."""

    def __init__(self, link: str) -> None:
        base, word = link.split("/#")
        self.http = httpx2.Client(base_url=base, headers={"Origin": base}, timeout=60)
        answer = self.http.post("/api/session", json={"link": word})
        answer.raise_for_status()
        self.secret = answer.json()["secret"]
        self.http.headers["Authorization"] = f"Bearer {self.secret}"

    def leave(self) -> None:
        """Wipe it all, and close."""
        self.http.delete("/api/session")
        self.http.close()

    def bring(self, path: Path, name: str = "", to: str = "/api/photos") -> Any:
        headers = {"X-Name": quote(name or path.name)}
        answer = self.http.post(to, content=path.read_bytes(), headers=headers)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> Any:
        return self.http.get("/api/state").raise_for_status().json()

    def over(self) -> Any:
        """The state once nothing is being done any more."""
        until(lambda: not self.state()["busy"], PATIENCE)
        return self.state()

    def photo(self, which: str) -> Any:
        return next(photo for photo in self.over()["photos"] if photo["id"] == which)

    def fetch(self, what: str, which: str = "") -> httpx2.Response:
        link = self.post("/api/tickets", what=what, id=which)["link"]
        # A download is a plain link: it carries no secret but its own.
        return httpx2.get(f"{self.http.base_url}".rstrip("/") + link, timeout=60).raise_for_status()


def until(true: Callable[[], Any], seconds: float) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not stop it."""
    server = Server(tmp_path_factory.mktemp("served"))
    yield server
    server.stop()


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    """A room of its own."""
    browser = Browser(server.link())
    yield browser
    browser.leave()
