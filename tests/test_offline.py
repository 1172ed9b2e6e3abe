"""Nothing leaves the machine: a full run opens no connection and asks no name server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

# A process of its own, so that what imports do is seen too. Sockets fail, and what would hide the
# failure from the caller is still on record.
GUARD = """
import sys
seen = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
           "socket.bind", "urllib.Request", "http.client.connect")
sys.addaudithook(lambda event, args: seen.append(event) if event in watched else None)
import pytest_socket
refuse = pytest_socket.SocketBlockedError.__init__
def note(self, *args, **options):
    seen.append("blocked")
    refuse(self, *args, **options)
pytest_socket.SocketBlockedError.__init__ = note
pytest_socket.disable_socket(allow_unix_socket=True)
"""
RUN = """
from bauta.cli import main
codes = []
for words in (
    ["protect", "me.jpg", "--preset", "fast", "-o", "out.jpg", "--report", "page"],
    ["verify", "me.jpg", "out.jpg"],
    ["recognizers", "list"],
):
    sys.argv = ["bauta", *words]
    try:
        main()
    except SystemExit as end:
        codes.append(end.code)
"""
CONTROL = """
import requests
codes = []
try:
    requests.get("http://127.0.0.1:9/", timeout=1)
except Exception as error:
    codes.append(type(error).__name__)
"""
TELL = """
import json
print("\\n" + json.dumps([codes, seen]))
"""


def guarded(body: str, folder: Path) -> list[list[object]]:
    done = subprocess.run(
        [sys.executable, "-c", GUARD + body + TELL],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        env={
            **os.environ,
            "BAUTA_WEIGHTS": str(folder / "none"),
            "XDG_DATA_HOME": str(folder / "none"),
        },
    )
    assert done.returncode == 0, done.stderr
    result: list[list[object]] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_protect_and_verify_open_no_connection(collins_path: Path, tmp_path: Path) -> None:
    with Image.open(collins_path) as image:
        image.crop((96, 0, 352, 256)).save(tmp_path / "me.jpg")
    # 1: verify says that "fast" does not hide the face from the built-in judge.
    assert guarded(RUN, tmp_path) == [[0, 1, 0], []]
    assert (tmp_path / "page.html").is_file()


def test_the_guard_would_notice_one(tmp_path: Path) -> None:
    codes, seen = guarded(CONTROL, tmp_path)
    assert codes == ["SocketBlockedError"]
    assert "blocked" in seen
