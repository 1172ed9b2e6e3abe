"""``bauta watermark``: keys, marks and traces of files, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from bauta.keys import sealing
from bauta.keys.watermark import WatermarkKey
from bauta.media import read_photo

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
WORD = "correct horse"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_COST", 1 << 4)


@pytest.fixture
def key(bauta: Run, portrait: Path) -> Path:
    file = portrait.with_name("my.key")
    assert bauta("watermark", "keygen", "-o", file).exit_code == 0
    # One that is always the same: how well a mark is read depends on its bits.
    file.write_bytes(WatermarkKey(secret=bytes(range(32))).to_bytes())
    return file


@pytest.fixture
def marked(bauta: Run, portrait: Path, key: Path) -> Path:
    done = bauta("watermark", "embed", portrait, "--key", key, "--id", "me/2026-11")
    assert done.exit_code == 0, done.output
    return portrait.with_name("me-marked.jpg")


def test_a_photo_is_marked_and_traced(bauta: Run, portrait: Path, key: Path, marked: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.with_name("my.key.ids").stat().st_mode) == 0o600
    done = bauta("watermark", "trace", marked, "--key", key)
    assert done.exit_code == 0
    assert "yours" in done.output
    assert "me/2026-11 (my.key)" in done.output


def test_no_identifier_is_in_clear(portrait: Path, key: Path, marked: Path) -> None:
    for file in (key, key.with_name("my.key.ids"), marked):
        assert b"2026-11" not in file.read_bytes()


def test_three_answers(bauta: Run, parsed: Parse, portrait: Path, key: Path, marked: Path) -> None:
    other = key.with_name("other.key")
    bauta("watermark", "keygen", "-o", other)
    bauta(
        "watermark",
        "embed",
        portrait,
        "--key",
        other,
        "--id",
        "x",
        "-o",
        portrait.with_name("o.jpg"),
    )
    files = [marked, portrait.with_name("o.jpg"), portrait]
    told = parsed(bauta("watermark", "trace", *files, "--key", key, "--json"))
    assert [row["answer"] for row in told["files"]] == ["yours", "not yours", "unreadable"]
    (face,) = told["files"][0]["faces"]
    assert face["identifier"] == "me/2026-11"
    assert face["agreeing"] >= 60
    assert 0 < face["chance"] < 1e-9
    both = parsed(bauta("watermark", "trace", *files, "--key", key, "--key", other, "--json"))
    assert [row["answer"] for row in both["files"]] == ["yours", "yours", "unreadable"]
    assert both["files"][1]["faces"][0]["key"] == "other.key"


def test_a_lost_register_is_told_what_to_try(
    bauta: Run, key: Path, marked: Path, parsed: Parse
) -> None:
    key.with_name("my.key.ids").unlink()
    done = bauta("watermark", "trace", marked, "--key", key)
    assert done.exit_code == 2
    assert "--id" in done.output
    told = parsed(bauta("watermark", "trace", marked, "--key", key, "--id", "me/2026-11", "--json"))
    assert told["files"][0]["answer"] == "yours"


def test_the_original_stays_and_private_things_go(bauta: Run, portrait: Path, key: Path) -> None:
    before = hashlib.sha256(portrait.read_bytes()).hexdigest()
    bauta("watermark", "embed", portrait, "--key", key, "--id", "a")
    assert hashlib.sha256(portrait.read_bytes()).hexdigest() == before
    again = bauta("watermark", "embed", portrait, "--key", key, "--id", "a")
    assert again.exit_code != 0
    assert "exists" in again.output or "--overwrite" in again.output


def test_a_folder_is_marked(bauta: Run, parsed: Parse, portrait: Path, key: Path) -> None:
    album = portrait.with_name("album")
    album.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (album / name).write_bytes(portrait.read_bytes())
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(album / "wall.png")
    done = bauta(
        "watermark", "embed", album, "--key", key, "--id", "a", "-o", portrait.with_name("out")
    )
    assert done.exit_code == 1
    assert "no face was found" in done.output
    told = parsed(bauta("watermark", "trace", portrait.with_name("out"), "--key", key, "--json"))
    assert [row["answer"] for row in told["files"]] == ["yours", "yours"]


def test_a_sealed_key_asks(bauta: Run, portrait: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = portrait.with_name("sealed.key")
    monkeypatch.setenv("BAUTA_PASSPHRASE", WORD)
    assert bauta("watermark", "keygen", "-o", key, "--passphrase").exit_code == 0
    assert bauta("watermark", "embed", portrait, "--key", key, "--id", "a").exit_code == 0
    monkeypatch.setenv("BAUTA_PASSPHRASE", "wrong")
    done = bauta("watermark", "trace", portrait, "--key", key)
    assert done.exit_code == 1
    assert WORD not in done.output


def test_a_new_key_does_not_replace_an_old_one(bauta: Run, key: Path, marked: Path) -> None:
    before = key.read_bytes()
    assert bauta("watermark", "keygen", "-o", key).exit_code != 0
    assert key.read_bytes() == before
    assert bauta("watermark", "keygen", "-o", key, "--overwrite").exit_code == 0
    assert key.read_bytes() != before
    assert not key.with_name("my.key.ids").exists()


@pytest.mark.parametrize("spoil", ["cut", "flipped", "register"])
def test_tampered_files_are_refused(bauta: Run, key: Path, marked: Path, spoil: str) -> None:
    file = key.with_name("my.key.ids") if spoil == "register" else key
    data = bytearray(file.read_bytes())
    if spoil == "cut":
        data = data[:-5]
    else:
        data[-3] ^= 1
    file.write_bytes(data)
    done = bauta("watermark", "trace", marked, "--key", key)
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_what_is_asked_wrongly(bauta: Run, portrait: Path, key: Path) -> None:
    for wrong in (
        ("embed", portrait, "--key", key, "--id", " "),
        ("embed", portrait, "--key", key, "--id", "a", "--epsilon", 0),
        ("embed", portrait, "--key", key, "--id", "a", "--faces", "7"),
    ):
        assert bauta("watermark", *wrong).exit_code == 2, wrong
    assert bauta("protect", portrait, "--method", "dpg").exit_code == 2
    assert bauta("protect", portrait, "--key", key, "--id", "a").exit_code == 2


def test_protecting_marks_too(bauta: Run, portrait: Path, key: Path, parsed: Parse) -> None:
    report = portrait.with_name("r.json")
    done = bauta(
        "protect", portrait, "--method", "dpg", "--key", key, "--id", "me/2026-11",
        "--preset", "fast", "--judge", "tight-judge", "--report", report,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "read back" in done.output
    written = portrait.with_name("me-protected.jpg")
    told = parsed(bauta("watermark", "trace", written, "--key", key, "--json"))
    assert told["files"][0]["answer"] == "yours"
    text = report.read_text("utf-8")
    assert "me/2026-11" not in text
    assert json.loads(text)["photos"][0]["settings"]["word"] is True
    assert read_photo(written).pixels.shape == read_photo(portrait).pixels.shape


def test_identifiers_are_given_out_for_something_alone(
    bauta: Run, portrait: Path, key: Path, folder: Path
) -> None:
    (folder / "empty").mkdir()
    done = bauta("protect", folder / "empty", "--method", "dpg", "--key", key, "--id", "a")
    assert done.exit_code == 2
    assert not key.with_name("my.key.ids").exists()
