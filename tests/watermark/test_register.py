"""Registers: a key remembers what it has given out, and nobody else can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bauta.errors import KeyFileError, UsageError, WrongKeyError
from bauta.keys.sealing import seal_with_secret
from bauta.keys.watermark import WatermarkKey
from bauta.watermark import register
from bauta.watermark.register import give_out, read_register, register_of

KEY = WatermarkKey()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return register_of(tmp_path / "my.key")


def test_identifiers_are_kept_once_and_in_order(file: Path):
    assert file.name == "my.key.ids"
    assert read_register(file, KEY) == []
    for name in ("b", "a", " b ", "café", "cafe\u0301"):
        give_out(file, KEY, name)
    assert read_register(file, KEY) == ["b", "a", "café"]


def test_no_identifier_lies_in_clear(file: Path):
    give_out(file, KEY, "me/2026-11")
    assert b"2026" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_another_key_reads_nothing_and_changes_nothing(file: Path):
    give_out(file, KEY, "mine")
    before = file.read_bytes()
    with pytest.raises(WrongKeyError):
        give_out(file, WatermarkKey(), "theirs")
    assert file.read_bytes() == before


@pytest.mark.parametrize("at", [0, 10, 40, -1])
def test_damage_is_noticed(file: Path, at: int):
    give_out(file, KEY, "mine")
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    with pytest.raises(KeyFileError):
        read_register(file, KEY)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"identifiers": "a"}', b'{"identifiers": [""]}'])
def test_what_is_no_register_is_refused(file: Path, data: bytes):
    file.write_bytes(seal_with_secret("watermark ids", data, KEY.secret))
    with pytest.raises(KeyFileError):
        read_register(file, KEY)


def test_a_full_register_says_so(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(register, "_MOST", 2)
    give_out(file, KEY, "a")
    give_out(file, KEY, "b")
    assert give_out(file, KEY, "a") == ["a", "b"]
    with pytest.raises(KeyFileError, match="another key"):
        give_out(file, KEY, "c")
    with pytest.raises(UsageError):
        give_out(file, KEY, "")
