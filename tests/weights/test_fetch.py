"""Fetching against a real server on 127.0.0.1: resuming, cut connections, wrong content."""

from __future__ import annotations

import errno
import hashlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import requests

from bauta.errors import RegistryError, UsageError, WeightsError
from bauta.weights import fetch as fetching
from bauta.weights import records as weights
from bauta.weights.fetch import fetch
from bauta.weights.table import WeightRecord

pytestmark = pytest.mark.enable_socket

CONTENT = bytes(range(256)) * 1500  # several pieces of a transfer
HALF = len(CONTENT) // 2
#: What is kept of a connection cut anywhere in its third piece: the whole pieces.
KEPT = 2 * fetching._CHUNK
CUT = KEPT + 5


@dataclass
class Script:
    """What the server does, and the requests that it saw."""

    body: bytes = CONTENT
    ranges: bool = True
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seen: list[str | None] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        script = self.script
        wanted = self.headers["Range"]
        script.seen.append(wanted)
        script.headers.append(dict(self.headers))
        if script.statuses and (status := script.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        start = int(wanted[6:-1]) if wanted and script.ranges else 0
        if start >= len(script.body):
            self.send_error(416)
            return
        self._send(script, start, partial=bool(wanted and script.ranges))

    def _send(self, script: Script, start: int, *, partial: bool) -> None:
        body = script.body[start:]
        self.send_response(206 if partial else 200)
        if partial:
            end = len(script.body)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        if not script.chunked:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # a client that has had enough
            self.wfile.write(body[: script.cuts.pop(0)] if script.cuts else body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read the script."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    monkeypatch.setenv("NO_PROXY", "*")
    script = Script()
    handler = type("ScriptedHandler", (Handler,), {"script": script})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    script.url = f"http://127.0.0.1:{httpd.server_address[1]}/small.bin"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield script
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def make_record(**changes: object) -> WeightRecord:
    fields: dict[str, object] = {
        "name": "small",
        "kind": "recognizer",
        "architecture": "none",
        "filename": "small.bin",
        "source": "download",
        "url": "https://localhost.invalid/small.bin",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size_bytes": len(CONTENT),
        "licence": "MIT",
        "commercial_use": True,
        "training_data": "made up",
        "origin": "https://example.org",
    }
    return WeightRecord(**(fields | changes))  # type: ignore[arg-type]  # of mixed types


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's data folder, with a table of the one record "small"."""
    place = tmp_path / "data" / "weights"
    monkeypatch.setattr(weights, "_RECORDS", {"small": make_record()})
    for module in (weights, fetching):
        monkeypatch.setattr(module, "data_folder", lambda: place)
    monkeypatch.delenv("BAUTA_WEIGHTS", raising=False)
    return place


@dataclass
class Download:
    """One call of the real transfer, over http and without waiting."""

    script: Script
    folder: Path
    pauses: list[float] = field(default_factory=list)
    told: list[tuple[int, int | None]] = field(default_factory=list)

    def __call__(self, *, allow_http: bool = True, url: str = "", **changes: object) -> Path:
        row = make_record(**changes)
        fill = partial(
            fetching._download,
            row=row,
            url=url or self.script.url,
            progress=lambda done, total: self.told.append((done, total)),
            allow_http=allow_http,
            pause=self.pauses.append,
        )
        return fetching._install(row, self.folder / row.filename, fill)

    @property
    def part(self) -> Path:
        return self.folder / "small.bin.part"

    def leave_part(self, content: bytes) -> None:
        self.folder.mkdir(parents=True)
        self.part.write_bytes(content)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def download(server: Script, folder: Path) -> Download:
    return Download(server, folder)


# --- transfers -------------------------------------------------------------------------------


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_whole_file_arrives_in_one_request(download: Download, ranges: bool, chunked: bool) -> None:
    download.script.ranges, download.script.chunked = ranges, chunked
    path = download()
    assert path.read_bytes() == CONTENT
    assert download.left() == ["small.bin"]
    assert download.script.seen == [None]
    assert download.pauses == []
    done = [done for done, _ in download.told]
    assert done == sorted(done)
    assert download.told[-1] == (len(CONTENT), len(CONTENT))


def test_cut_connection_is_resumed_where_it_broke(download: Download) -> None:
    download.script.cuts = [CUT]
    assert download().read_bytes() == CONTENT
    assert download.script.seen == [None, f"bytes={KEPT}-"]
    assert download.pauses == [1.0]


def test_cut_connection_starts_anew_where_the_server_has_no_ranges(download: Download) -> None:
    download.script.ranges = False
    download.script.cuts = [CUT]
    assert download().read_bytes() == CONTENT
    assert download.script.seen == [None, f"bytes={KEPT}-"]
    assert download.told[-1] == (len(CONTENT), len(CONTENT))


def test_cut_without_stated_length_is_noticed_by_the_known_size(download: Download) -> None:
    download.script.chunked = True
    download.script.cuts = [HALF]
    assert download().read_bytes() == CONTENT
    assert len(download.script.seen) == 2


def test_a_server_that_always_cuts_is_given_up_and_the_part_kept(download: Download) -> None:
    download.script.cuts = [fetching._CHUNK + 5] * 4
    with pytest.raises(WeightsError, match=r"after 4 attempts.*--from FOLDER"):
        download()
    assert download.pauses == [1.0, 2.0, 4.0]
    assert download.part.read_bytes() == CONTENT[: 4 * fetching._CHUNK]
    assert download().read_bytes() == CONTENT
    assert download.script.seen[-1] == f"bytes={4 * fetching._CHUNK}-"
    assert download.left() == ["small.bin"]


def test_finished_part_needs_no_request(download: Download) -> None:
    download.leave_part(CONTENT)
    assert download().read_bytes() == CONTENT
    assert download.script.seen == []


@pytest.mark.parametrize(
    "stale", [b"x" * HALF, CONTENT + b"more", b"x" * len(CONTENT)], ids=["short", "long", "equal"]
)
@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_stale_part_is_replaced(download: Download, stale: bytes, size: int | None) -> None:
    download.leave_part(stale)
    assert download(size_bytes=size).read_bytes() == CONTENT
    assert download.left() == ["small.bin"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_error_of_the_server_is_retried(download: Download, status: int) -> None:
    download.script.statuses = [status, status]
    assert download().read_bytes() == CONTENT
    assert download.pauses == [1.0, 2.0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_final_error_of_the_server_is_not_retried(download: Download, status: int) -> None:
    download.script.statuses = [status]
    with pytest.raises(WeightsError, match=rf"small.bin answered {status}.*--from FOLDER"):
        download()
    assert len(download.script.seen) == 1
    assert download.left() == []


def test_no_network_says_so(download: Download) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = free.getsockname()[1]
        with pytest.raises(WeightsError, match=r"Check the connection.*fetch small --from FOLDER"):
            download(url=f"http://127.0.0.1:{port}/small.bin")
    assert download.pauses == [1.0, 2.0, 4.0]
    assert download.left() == []


def test_no_secrets_of_the_user_are_sent(
    download: Download, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(download.script.url) == ("somebody", "secret")
    download()
    assert "Authorization" not in download.script.headers[0]
    assert "Cookie" not in download.script.headers[0]


def test_the_stored_bytes_are_asked_for(download: Download) -> None:
    download()
    assert download.script.headers[0]["Accept-Encoding"] == "identity"


# --- wrong content ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"x" * len(CONTENT), "changed at its source"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "LFS pointer"),
        (b"\n<!DOCTYPE html><html>log in</html>", "web page"),
        (CONTENT + b"more", "changed at its source"),
        (CONTENT[:-1], "changed at its source"),
    ],
    ids=["hash", "lfs", "html", "long", "short"],
)
def test_wrong_content_is_removed_and_explained(download: Download, body: bytes, hint: str) -> None:
    download.script.body = body
    with pytest.raises(WeightsError, match=hint) as caught:
        download()
    assert make_record().sha256 in str(caught.value)
    assert download.left() == []
    assert len(download.script.seen) == 1


def test_endless_body_is_cut_off(download: Download) -> None:
    download.script.body = CONTENT * 40
    with pytest.raises(WeightsError, match="wrong content"):
        download()
    assert download.told[-1][0] < 2 * len(CONTENT)


def test_nothing_appears_under_the_final_name_before_the_check(download: Download) -> None:
    names: list[list[str]] = []
    row = make_record()

    def fill(handle: BinaryIO) -> None:
        handle.write(CONTENT)
        handle.flush()
        names.append(download.left())

    fetching._install(row, download.folder / row.filename, fill)
    assert names == [["small.bin.part"]]
    assert download.left() == ["small.bin"]


# --- https only ------------------------------------------------------------------------------


def test_plain_http_is_refused_before_any_request(download: Download) -> None:
    with pytest.raises(WeightsError, match="without https"):
        download(allow_http=False)
    assert download.script.seen == []


def test_redirect_to_plain_http_would_be_refused() -> None:
    with fetching._session(False) as session:
        assert session.get_adapter("https://example.org/")
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get_adapter("http://example.org/")


# --- the disk --------------------------------------------------------------------------------


def failing(code: int) -> Callable[[BinaryIO], None]:
    def fill(handle: BinaryIO) -> None:
        handle.write(CONTENT[:HALF])
        raise OSError(code, "no luck")

    return fill


def test_full_disk_is_named_and_the_part_kept(download: Download) -> None:
    row = make_record()
    with pytest.raises(WeightsError, match=rf"disk is full.*{len(CONTENT)} bytes"):
        fetching._install(row, download.folder / row.filename, failing(errno.ENOSPC))
    assert download.part.read_bytes() == CONTENT[:HALF]


def test_other_trouble_with_the_disk_is_named(download: Download) -> None:
    row = make_record()
    with pytest.raises(WeightsError, match=r"cannot write .*small.bin: no luck"):
        fetching._install(row, download.folder / row.filename, failing(errno.EIO))


def test_folder_that_cannot_be_made_is_named(download: Download, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="cannot write"):
        download()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows bars renaming an open file itself")
def test_second_process_is_turned_away(download: Download) -> None:
    row = make_record()
    problems: list[str] = []

    def fill(handle: BinaryIO) -> None:
        with pytest.raises(WeightsError) as caught:
            download()
        problems.append(str(caught.value))
        handle.write(CONTENT)

    fetching._install(row, download.folder / row.filename, fill)
    assert "another process is fetching small" in problems[0]
    assert (download.folder / "small.bin").read_bytes() == CONTENT


# --- fetch -----------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where a connection is tried."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(requests.Session, "send", refuse)


def put(place: Path, content: bytes = CONTENT) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / "small.bin"
    path.write_bytes(content)
    return path


def test_fetch_downloads_from_the_address_of_the_record(
    server: Script, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = fetching._download

    def over_http(handle: BinaryIO, *, url: str, **rest: Any) -> None:
        asked.append(url)
        real(handle, url=server.url, allow_http=True, **rest)

    monkeypatch.setattr(fetching, "_download", over_http)
    told: list[int] = []
    path = fetch("small", progress=lambda done, _: told.append(done))
    assert asked == [make_record().url]
    assert path == folder / "small.bin"
    assert path.read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)
    assert fetch("small") == path  # already there
    assert len(asked) == 1


def test_fetch_copies_from_a_folder(offline: None, folder: Path, tmp_path: Path) -> None:
    put(tmp_path / "stick")
    told: list[tuple[int, int | None]] = []
    path = fetch("small", from_dir=tmp_path / "stick", progress=lambda *now: told.append(now))
    assert path == folder / "small.bin"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_fetch_copies_a_file_of_any_name(offline: None, folder: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "stick").rename(tmp_path / "model.pt")
    assert fetch("small", from_dir=other) == folder / "small.bin"
    put(tmp_path / "stick", b"something else").rename(other)
    (folder / "small.bin").unlink()
    with pytest.raises(WeightsError, match="expected sha256"):
        fetch("small", from_dir=other)


def test_fetch_from_a_folder_checks_the_content(
    offline: None, folder: Path, tmp_path: Path
) -> None:
    put(tmp_path / "stick", b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match="LFS pointer"):
        fetch("small", from_dir=tmp_path / "stick")
    with pytest.raises(WeightsError, match=r"cannot read .*small.bin: No such file"):
        fetch("small", from_dir=tmp_path / "absent")
    assert list(folder.iterdir()) == []


def test_fetch_replaces_a_damaged_file_of_its_own_folder(
    offline: None, folder: Path, tmp_path: Path
) -> None:
    put(folder, b"damaged")
    put(tmp_path / "stick")
    assert fetch("small", from_dir=tmp_path / "stick").read_bytes() == CONTENT


def test_fetch_leaves_the_files_of_bauta_weights_alone(
    offline: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "own")
    monkeypatch.setenv("BAUTA_WEIGHTS", str(path.parent))
    assert fetch("small") == path
    put(path.parent, b"damaged")
    with pytest.raises(WeightsError, match="delete it"):
        fetch("small")
    assert path.read_bytes() == b"damaged"


def test_unknown_name(offline: None) -> None:
    with pytest.raises(RegistryError, match="sphere20"):
        fetch("sphere")


def test_noncommercial_weights_must_be_accepted(offline: None) -> None:
    with pytest.raises(UsageError, match=r"300-W.*accept_noncommercial=True"):
        fetch("dlib-landmarks-68")
    path = fetch("dlib-landmarks-68", accept_noncommercial=True)
    assert path.name == "shape_predictor_68_face_landmarks.dat"


def test_noncommercial_download_must_be_accepted(
    offline: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_RECORDS", {"small": make_record(commercial_use=False)})
    put(tmp_path / "stick")
    with pytest.raises(UsageError, match="accept_noncommercial"):
        fetch("small", from_dir=tmp_path / "stick")
    assert fetch("small", from_dir=tmp_path / "stick", accept_noncommercial=True).is_file()


def test_package_files_are_returned_without_network(offline: None) -> None:
    assert fetch("dlib-landmarks-5") == weights.locate("dlib-landmarks-5")


def test_nothing_is_printed(
    download: Download, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    download.script.cuts = [HALF]
    download()
    fetch("small")
    assert capfd.readouterr() == ("", "")


def test_a_file_brought_by_hand_is_asked_for_and_checked(
    offline: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = make_record(source="hand", url=None, obtain="carry small.bin, then fetch --from")
    monkeypatch.setattr(weights, "_RECORDS", {"small": by_hand})
    with pytest.raises(WeightsError, match=r"does not download it. Run: carry small.bin"):
        fetch("small")
    put(tmp_path / "stick", b"something else")
    with pytest.raises(WeightsError, match="expected sha256"):
        fetch("small", from_dir=tmp_path / "stick")
    assert list(folder.iterdir()) == []
    put(tmp_path / "stick")
    assert fetch("small", from_dir=tmp_path / "stick") == folder / "small.bin"
    assert fetch("small") == folder / "small.bin"
