"""Who may ask, and what browsers are told: requests that are not the page's are turned away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bauta.web.app import make_app
from bauta.web.lane import Lanes
from bauta.web.limits import Limits
from bauta.web.rooms import Rooms
from tests.pages import Page

HOST = "127.0.0.1:8000"
OWN = {"Origin": f"http://{HOST}"}
STATIC = list(resources.files("bauta.web").joinpath("static").iterdir())


@pytest.fixture
def links() -> list[str]:
    return []


@pytest.fixture
def client(tmp_path: Path, links: list[str]) -> Iterator[TestClient]:
    rooms = Rooms(tmp_path, Limits(file_bytes=1000, json_bytes=100, photos=2), links.append)
    app = make_app(rooms, Lanes(), [HOST, "localhost:8000"])
    with TestClient(app, base_url=f"http://{HOST}") as client:
        yield client


@pytest.fixture
def room(client: TestClient, links: list[str]) -> dict[str, str]:
    """Headers of somebody who is in."""
    secret = client.post("/api/session", json={"link": links[-1]}, headers=OWN).json()["secret"]
    return {**OWN, "Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8000.evil.example", ""]
)
def test_other_names_of_this_machine_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "<" not in answer.text


def test_own_names_are_answered(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"Host": "LOCALHOST:8000"}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", f"https://{HOST}", "http://127.0.0.1:8001"]
)
def test_other_pages_change_nothing(
    client: TestClient, links: list[str], origin: str | None
) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = client.post("/api/session", json={"link": links[-1]}, headers=headers)
    assert answer.status_code == 403
    assert len(links) == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_pages_read_nothing(client: TestClient, site: str) -> None:
    # Another server of this machine is "same-site": ports do not count there.
    for path in ("/", "/icon.svg", "/api/state", "/download/x"):
        assert client.get(path, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "none"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/app.js", "/nothing", "/api/state", "/download/x"])
def test_every_answer_keeps_the_browser_strict(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_nobody_is_in_without_a_link(client: TestClient) -> None:
    for path in ("/api/state", "/api/about"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer "}).status_code == 401
    assert client.post("/api/photos", content=b"x", headers=OWN).status_code == 401


def test_a_link_opens_one_page(client: TestClient, links: list[str]) -> None:
    first = links[-1]
    for link in ("", "x", "ä"):
        assert client.post("/api/session", json={"link": link}, headers=OWN).status_code == 400
    assert client.post("/api/session", json={"link": first}, headers=OWN).status_code == 200
    again = client.post("/api/session", json={"link": first}, headers=OWN)
    assert again.status_code == 400
    assert "used already" in again.json()["error"]
    assert len({*links}) == 2


def test_files_that_are_too_large_leave_nothing(
    client: TestClient, room: dict[str, str], tmp_path: Path
) -> None:
    answer = client.post("/api/photos", content=b"x" * 1001, headers=room)
    assert answer.status_code == 413
    assert client.get("/api/state", headers=room).json()["photos"] == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 90, b'{"a": NaN'])
def test_what_is_no_object_is_refused(
    client: TestClient, room: dict[str, str], body: bytes
) -> None:
    for path in ("/api/protect", "/api/tickets", "/api/masks/fit", "/api/trace"):
        answer = client.post(path, content=body, headers=room)
        assert answer.status_code == 400
        assert answer.json()["error"] == "this request is no JSON object"


def test_long_requests_are_refused(client: TestClient, room: dict[str, str]) -> None:
    answer = client.post("/api/protect", content=b'{"a":"' + b"x" * 200, headers=room)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/../guard.py", "/%2e%2e/guard.py", "/static/app.js", "/app.py", "//etc/passwd"]
)
def test_nothing_but_the_page_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_page_brings_all_of_its_own(client: TestClient) -> None:
    page = Page(client.get("/").text)
    for tag, attributes in page.tags:
        assert not {"style", "srcset"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "script" not in page.inside
    for name in [link["href"] for link in page.all("link")] + ["app.js", "photos.js", "keys.js"]:
        assert client.get(f"/{name}").status_code == 200


@pytest.mark.parametrize("file", STATIC, ids=lambda file: file.name)
def test_no_file_of_the_page_knows_another_place(file: Path, client: TestClient) -> None:
    text = file.read_text("utf-8")
    assert re.findall(r"(?:https?:)?//[a-z][\w.-]*\.\w+", text.replace("//www.w3.org", "")) == []
    assert "eval(" not in text
    assert "innerHTML" not in text
    assert client.get(f"/{file.name}").text == text
