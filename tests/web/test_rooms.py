"""Rooms: names, links, keys of one room in another, and what is left when they are wiped."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bauta.errors import BautaError, UsageError
from bauta.web.lane import Job
from bauta.web.limits import Limits
from bauta.web.requests import fit_asked, hide_asked, trace_asked, wear_asked
from bauta.web.rooms import Picture, Room, Rooms, plain_name
from bauta.web.work import Answer, Look


def rooms_in(folder: Path, **limits: Any) -> tuple[Rooms, list[str]]:
    links: list[str] = []
    return Rooms(folder, Limits(**limits), links.append), links


def room_of(rooms: Rooms, links: list[str]) -> tuple[str, Room]:
    secret = rooms.enter(links[-1])
    room = rooms.room(secret)
    assert room
    return secret, room


def seen(room: Room, faces: int = 2) -> Picture:
    """A photo whose faces were found."""
    photo = room.add_photo("me.jpg")
    photo.path.write_bytes(b"a photo")
    boxes = [(0.0, 0.0, 50.0, 50.0)] * faces
    data = {"faces": boxes, "min_face": 40.0, "width": 100, "height": 100}
    ask = Look(photo=photo.path, folder=photo.folder, pixels=1)
    photo.look = Job(ask, "look", status="done", answer=Answer(data=data))
    return photo


@given(st.text(max_size=300))
def test_names_are_names_and_nothing_else(name: str) -> None:
    plain = plain_name(name, "photo")
    assert plain
    assert plain == PurePosixPath(plain).name == PureWindowsPath(plain).name
    assert plain not in (".", "..")
    assert plain.isprintable()
    assert len(plain) <= 140
    assert plain_name(plain, "photo") == plain


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("me.jpg", "me.jpg"), ("../../etc/passwd", "passwd"), (r"C:\me\sun.HEIC", "sun.HEIC"),
        ("été.png", "été.png"), ("", "photo"), ("..", "photo"), ("a\nb.jpg", "ab.jpg"),
    ],
)  # fmt: skip
def test_names_stay_what_people_call_them(name: str, plain: str) -> None:
    assert plain_name(name, "photo") == plain


def test_photos_are_kept_under_names_that_say_nothing(tmp_path: Path) -> None:
    _, room = room_of(*rooms_in(tmp_path))
    photo = room.add_photo("anna-at-the-demo.JPG")
    assert "anna" not in str(photo.path)
    assert photo.path.suffix == ".jpg"
    assert room.add_photo("strange.exe").path.suffix == ""
    assert photo.folder.stat().st_mode & 0o077 == 0


def test_rooms_do_not_know_each_other(tmp_path: Path) -> None:
    rooms, links = rooms_in(tmp_path)
    (first, mine), (second, theirs) = room_of(rooms, links), room_of(rooms, links)
    assert first != second
    photo = seen(mine)
    with pytest.raises(UsageError, match="not here any more"):
        theirs.photo(photo.id)
    with pytest.raises(UsageError, match="not here any more"):
        hide_asked(theirs, {"method": "tip-im", "photos": {photo.id: [1]}})
    assert rooms.room("") is None
    assert rooms.room(first[:-1]) is None


def test_a_ticket_is_good_once(tmp_path: Path) -> None:
    rooms, links = rooms_in(tmp_path)
    _, room = room_of(rooms, links)
    ticket = room.ticket(tmp_path / "a", "a.jpg")
    assert rooms.redeem("x") is None
    assert rooms.redeem(ticket) == (tmp_path / "a", "a.jpg")
    assert rooms.redeem(ticket) is None


def test_leaving_leaves_nothing(tmp_path: Path) -> None:
    rooms, links = rooms_in(tmp_path)
    secret, room = room_of(rooms, links)
    photo = seen(room)
    photo.result = Job(photo.look.ask, "protect", status="running")  # type: ignore[union-attr]  # seen() made it
    rooms.leave(secret)
    assert photo.result.status == "stopped"
    assert [*tmp_path.iterdir()] == []
    assert rooms.room(secret) is None
    rooms.leave(secret)


def test_idle_rooms_are_wiped_and_busy_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms, links = rooms_in(tmp_path, idle=100.0)
    (idle, _), (busy, room) = room_of(rooms, links), room_of(rooms, links)
    photo = seen(room)
    photo.result = Job(photo.look.ask, "protect", status="running")  # type: ignore[union-attr]  # seen() made it
    late = time.monotonic() + 101
    monkeypatch.setattr(time, "monotonic", lambda: late)
    (tmp_path / "written-while-its-room-was-wiped").mkdir()
    rooms.wipe_idle()
    assert [*tmp_path.iterdir()] == [room.folder]
    assert rooms.room(idle) is None
    assert rooms.room(busy) is room


def test_there_is_an_end_to_rooms_and_photos(tmp_path: Path) -> None:
    rooms, links = rooms_in(tmp_path, rooms=1, photos=1)
    _, room = room_of(rooms, links)
    with pytest.raises(UsageError, match="too many pages"):
        rooms.enter(links[-1])
    room.add_photo("a.jpg")
    with pytest.raises(UsageError, match="on the command line, which takes thousands"):
        room.add_photo("b.jpg")


words = st.text(max_size=9)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    ["method", "style", "preset", "epsilon", "makeup", "full", "photos", "key", "passphrase", "off",
     "anybody", "identifiers", "identifier", "name"]
)  # fmt: skip


@given(body=st.dictionaries(fields, json_values, max_size=6), faces=json_values)
def test_whatever_is_asked_is_done_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: dict[str, Any], faces: Any
) -> None:
    _, room = room_of(*rooms_in(tmp_path_factory.mktemp("rooms")))
    photo = seen(room)
    for asked in (hide_asked, fit_asked, wear_asked, trace_asked):
        for given_body in (body, {**body, "method": "tip-im", "photos": {photo.id: faces}}):
            with suppress(BautaError):
                asked(room, given_body)
    room.wipe()


def test_a_good_request_becomes_settings(tmp_path: Path) -> None:
    _, room = room_of(*rooms_in(tmp_path))
    photo = seen(room)
    asked = {"method": "dfpp", "style": "tan", "preset": "strong", "epsilon": 10, "full": True}
    ((got, ask),) = hide_asked(room, {**asked, "photos": {photo.id: [2, 1]}})
    assert got is photo
    settings = ask.settings
    assert (settings.method, settings.style, settings.preset) == ("dfpp", "tan", "strong")
    assert (settings.epsilon, settings.spare, settings.faces) == (10.0, False, "2,1")
    assert settings.min_face == 40.0
    assert settings.metadata == "private"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"style": "/etc/passwd.toml"}, "style must be one of"),
        ({"epsilon": 64}, "between 2 and 16"),
        ({"epsilon": float("inf")}, "between 2 and 16"),
        ({"epsilon": True}, "no number"),
        ({"method": "noise"}, "method must be one of"),
        ({"preset": "../x"}, "unknown preset"),
        ({"photos": {}}, "choose a photo"),
        ({"method": "dpg"}, "open its file first"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, body: dict[str, Any], words: str) -> None:
    _, room = room_of(*rooms_in(tmp_path))
    photo = seen(room)
    with pytest.raises(UsageError, match=words):
        hide_asked(room, {"method": "tip-im", "photos": {photo.id: [1]}, **body})


@pytest.mark.parametrize("numbers", [[], [0], [3], [True], ["1"], "1", None, [1.0]])
def test_only_faces_that_there_are_can_be_chosen(tmp_path: Path, numbers: Any) -> None:
    _, room = room_of(*rooms_in(tmp_path))
    photo = seen(room)
    with pytest.raises(UsageError, match=r"choose a face in me\.jpg"):
        hide_asked(room, {"method": "tip-im", "photos": {photo.id: numbers}})
