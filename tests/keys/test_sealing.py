"""Envelopes: what goes in comes out, and every way to spoil one is a clear error."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import KeyFileError, PassphraseError
from bauta.keys import sealing
from bauta.keys.sealing import is_sealed, seal, unseal

DATA = bytes(range(256)) * 3


@pytest.fixture(autouse=True, scope="module")
def cheap():
    """scrypt at its full cost would make the property tests slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "_COST", 1 << 4)
        yield


def rehashed(content: bytes) -> bytes:
    """An envelope with other content and a hash that fits it, as a forger writes it."""
    return content[:-32] + hashlib.sha256(content[:-32]).digest()


def with_header(sealed: bytes, **changes: object) -> bytes:
    """The same envelope with another header, and a hash that fits it."""
    (length,) = struct.unpack_from(">I", sealed, 10)
    header = {**json.loads(sealed[14 : 14 + length]), **changes}
    text = json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    start = sealed[:10] + struct.pack(">I", len(text)) + text
    return rehashed(start + sealed[14 + length :])


@given(data=st.binary(max_size=300), passphrase=st.none() | st.text(min_size=1, max_size=20))
@settings(max_examples=40)
def test_what_goes_in_comes_out(data: bytes, passphrase: str | None):
    # Lone surrogates are no text that anybody can type.
    if passphrase is not None and not passphrase.isprintable():
        passphrase = "long enough"
    sealed = seal("mask", data, passphrase)
    assert unseal("mask", sealed, passphrase) == data
    assert is_sealed(sealed) is (passphrase is not None)


def test_the_real_cost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "_COST", 1 << 16)
    assert unseal("mask", seal("mask", DATA, "pass"), "pass") == DATA


def test_a_sealed_file_shows_nothing_and_is_never_the_same_twice():
    one, other = seal("mask", DATA, "pass"), seal("mask", DATA, "pass")
    assert DATA[:16] not in one
    assert one != other
    assert seal("mask", DATA) == seal("mask", DATA)


@pytest.mark.parametrize("passphrase", [None, "pass"])
@given(data=st.data())
@settings(max_examples=60)
def test_any_changed_byte_is_found(passphrase: str | None, data: st.DataObject):
    sealed = seal("mask", DATA, passphrase)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.integers(1, 255))
    changed = sealed[:at] + bytes([sealed[at] ^ other]) + sealed[at + 1 :]
    with pytest.raises(KeyFileError):
        unseal("mask", changed, passphrase)


@pytest.mark.parametrize("passphrase", [None, "pass"])
@given(data=st.data())
@settings(max_examples=40)
def test_any_cut_is_found(passphrase: str | None, data: st.DataObject):
    sealed = seal("mask", DATA, passphrase)
    with pytest.raises(KeyFileError, match=r"cut off|no key file"):
        unseal("mask", sealed[: data.draw(st.integers(0, len(sealed) - 1))], passphrase)


@given(noise=st.binary(max_size=200), magic=st.booleans())
@settings(max_examples=200)
def test_nonsense_is_refused(noise: bytes, magic: bool):
    with pytest.raises(KeyFileError):
        unseal("mask", b"BAUTAKEY" * magic + noise, "pass")


@given(data=st.data())
@settings(max_examples=60)
def test_a_forger_who_mends_the_hash_gets_nowhere_without_the_passphrase(data: st.DataObject):
    sealed = seal("mask", DATA, "pass")
    at = data.draw(st.integers(0, len(sealed) - 33))
    changed = sealed[:at] + bytes([sealed[at] ^ data.draw(st.integers(1, 255))]) + sealed[at + 1 :]
    with pytest.raises(KeyFileError):
        unseal("mask", rehashed(changed), "pass")


def test_each_trouble_has_its_own_words():
    sealed, plain = seal("mask", DATA, "pass"), seal("mask", DATA)
    body = sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:]
    later = sealed[:8] + b"\0\2" + sealed[10:]
    for changed, passphrase, error, words in (
        (sealed, "other", PassphraseError, "me.mask: this is not its passphrase"),
        (sealed, None, PassphraseError, "me.mask is sealed"),
        (plain, "pass", PassphraseError, "me.mask is not sealed"),
        (rehashed(body), "pass", KeyFileError, "me.mask was tampered with"),
        (body, "pass", KeyFileError, "me.mask is cut off or damaged"),
        (sealed[:100], "pass", KeyFileError, "me.mask is cut off"),
        (later, "pass", KeyFileError, "me.mask has version 2, this Bauta reads 1"),
        (b"\xff\xd8\xff", "pass", KeyFileError, "me.mask is no key file"),
    ):
        with pytest.raises(error, match=words):
            unseal("mask", changed, passphrase, name="me.mask")
    with pytest.raises(KeyFileError, match="is a mask key, not a watermark key"):
        unseal("watermark", plain)
    with pytest.raises(PassphraseError, match="empty"):
        seal("mask", DATA, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 5}, {"size": -1}, {"size": "all"}, {"size": None}, {"kind": 3}, {"kind": None},
    ],
)  # fmt: skip
def test_headers_that_make_no_sense(changes: dict):
    with pytest.raises(KeyFileError, match="makes no sense"):
        unseal("mask", with_header(seal("mask", DATA), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"cost": 1 << 30}, {"cost": 3}, {"cost": 0}, {"cost": None}, {"cost": "x"}, {"salt": "00"},
        {"salt": "zz"}, {"salt": 5}, {"nonce": ""}, {"check": None},
    ],
)  # fmt: skip
def test_locks_that_make_no_sense_cost_nothing(changes: dict):
    """Nor does a file make anybody spend gigabytes on its passphrase."""
    with pytest.raises(KeyFileError, match="makes no sense"):
        unseal("mask", with_header(seal("mask", DATA, "pass"), **changes), "pass")
