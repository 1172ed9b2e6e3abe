"""Watermark keys: they come back as they were, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bauta.errors import KeyFileError, PassphraseError
from bauta.keys import sealing
from bauta.keys.files import asks_for_passphrase
from bauta.keys.sealing import seal
from bauta.keys.watermark import WatermarkKey, read_watermark_key, watermark_key_from_bytes


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "_COST", 1 << 4)


@pytest.mark.parametrize("passphrase", [None, "a pass phrase"])
def test_a_key_comes_back(tmp_path: Path, passphrase: str | None):
    key, file = WatermarkKey(bauta="1.0"), tmp_path / "my.key"
    file.write_bytes(key.to_bytes(passphrase))
    again = read_watermark_key(file, passphrase)
    assert (again.secret, again.bauta) == (key.secret, "1.0")
    assert asks_for_passphrase(file) == (passphrase is not None)


def test_secrets_differ_and_are_not_shown():
    one, other = WatermarkKey(), WatermarkKey()
    assert one.secret != other.secret
    assert one.secret.hex() not in repr(one)
    assert str(one.secret) not in repr(one)


def test_wrong_passphrases_and_other_kinds_are_named(tmp_path: Path):
    sealed = WatermarkKey().to_bytes("right")
    with pytest.raises(PassphraseError, match="not its passphrase"):
        watermark_key_from_bytes(sealed, "wrong")
    with pytest.raises(KeyFileError, match="mask"):
        watermark_key_from_bytes(seal("mask", b"{}"))
    with pytest.raises(KeyFileError, match="cannot read the key"):
        read_watermark_key(tmp_path / "none.key")


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"secret": "00", "bauta": ""}', b'{"secret": 7, "bauta": ""}', b"\xff"],
)
def test_what_is_no_key_is_refused(data: bytes):
    with pytest.raises(KeyFileError):
        watermark_key_from_bytes(seal("watermark key", data))


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject):
    sealed = bytearray(WatermarkKey().to_bytes())
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(KeyFileError):
        watermark_key_from_bytes(bytes(sealed))


@given(st.binary(max_size=300))
def test_noise_is_no_key(noise: bytes):
    with pytest.raises(KeyFileError):
        watermark_key_from_bytes(noise)
