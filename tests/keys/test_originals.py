"""Records: the original comes back bit for bit, to one key, and nothing else ever comes back."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import KeyFileError, PassphraseError, UsageError, WrongKeyError
from bauta.keys import envelope, originals, sealing
from bauta.keys.mask import Facts, PersonalMask, mask_from_bytes
from bauta.keys.originals import Original, open_original, seal_original
from bauta.keys.sealing import is_sealed, seal, seal_with_secret, unseal

SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
PHOTO = b"\xff\xd8\xff\xe0 a photo of somebody at home"
KIND = "photo record"
SUFFIXES = [
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".dib",
    ".gif", ".heic", ".heif", ".hif", ".JPG", ".Jp2", ".x", ".abcdefg",
]  # fmt: skip
NO_SUFFIXES = [
    "", ".", "jpg", ".abcdefgh", ".a/b", ".a\\b", "/../x", "..", ".j.g", ".jpg\n", ".jpg\0", ". x",
    ".ä", ".j:p", ".１",
]  # fmt: skip


@pytest.fixture(scope="module")
def record() -> bytes:
    return seal_original(PHOTO, ".jpg", SECRET)


@pytest.fixture(scope="module")
def mask() -> PersonalMask:
    deltas = np.zeros((1, 3, 16, 16), np.float16)
    return PersonalMask(facts=Facts(method="m", epsilon=8.0), deltas=deltas)


def rehashed(content: bytes) -> bytes:
    """The same with a hash that fits, as a forger writes it."""
    return content[:-32] + hashlib.sha256(content[:-32]).digest()


def header_of(record: bytes) -> dict:
    (length,) = struct.unpack_from(">I", record, 10)
    return json.loads(record[14 : 14 + length])


def with_header(record: bytes, **changes: object) -> bytes:
    """The same record with another header, and a hash that fits it; None takes a word out."""
    (length,) = struct.unpack_from(">I", record, 10)
    header = {k: v for k, v in {**header_of(record), **changes}.items() if v is not None}
    return with_text(record, json.dumps(header, sort_keys=True).encode(), length)


def with_text(record: bytes, text: bytes, length: int) -> bytes:
    return rehashed(record[:10] + struct.pack(">I", len(text)) + text + record[14 + length :])


@given(
    data=st.binary(max_size=400),
    suffix=st.sampled_from(SUFFIXES),
    secret=st.binary(min_size=32, max_size=32),
)
@settings(max_examples=60)
def test_what_goes_in_comes_out(data: bytes, suffix: str, secret: bytes):
    assert open_original(seal_original(data, suffix, secret), secret) == Original(data, suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_photos_suffix_is_kept_as_written(suffix: str):
    assert open_original(seal_original(PHOTO, suffix, SECRET), SECRET).suffix == suffix


def test_a_photo_of_some_megabytes_comes_back():
    data = np.random.default_rng(0).bytes(8 << 20)
    sealed = seal_original(data, ".png", SECRET)
    assert open_original(sealed, SECRET).data == data
    assert len(sealed) - len(data) < 250


def test_the_key_of_a_mask_opens_it_after_the_mask_was_kept_in_a_file(mask: PersonalMask):
    again = mask_from_bytes(mask.to_bytes())
    assert open_original(seal_original(PHOTO, ".png", mask.secret), again.secret).data == PHOTO


def test_another_key_is_told_so(record: bytes):
    words = r"^me\.record was sealed with another key, and nothing was changed: use the key that"
    with pytest.raises(WrongKeyError, match=words):
        open_original(record, OTHER, name="me.record")
    assert issubclass(WrongKeyError, KeyFileError)


@given(bit=st.integers(0, 255))
@settings(max_examples=40)
def test_a_key_one_bit_off_is_another_key(bit: int):
    near = bytearray(SECRET)
    near[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WrongKeyError):
        open_original(seal_original(PHOTO, ".jpg", SECRET), bytes(near))


@pytest.mark.parametrize("hash_fits", [False, True])
def test_every_cut_is_found(record: bytes, hash_fits: bool):
    for length in range(len(record)):
        cut = record[:length]
        with pytest.raises(KeyFileError):
            open_original(rehashed(cut) if hash_fits and length > 32 else cut, SECRET)


def test_every_cut_and_addition_says_to_get_a_whole_copy(record: bytes):
    for changed in (record[:-1], record[:100], record[:12], record + b"\0"):
        with pytest.raises(KeyFileError, match=r"cut off.*get a whole copy"):
            open_original(changed, SECRET)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
@pytest.mark.parametrize("hash_fits", [False, True])
def test_every_changed_byte_is_found(record: bytes, hash_fits: bool, flip: int):
    """Also by a forger who mends the hash; one who makes the key's name another is found so."""
    for at in range(len(record) - 32 * hash_fits):
        changed = record[:at] + bytes([record[at] ^ flip]) + record[at + 1 :]
        with pytest.raises(KeyFileError):
            open_original(rehashed(changed) if hash_fits else changed, SECRET)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        # Told before anything is decrypted.
        ({"size": len(PHOTO)}, KeyFileError, "makes no sense"),
        ({"size": -1}, KeyFileError, "makes no sense"),
        ({"size": 1 << 40}, KeyFileError, "makes no sense"),
        ({"size": True}, KeyFileError, "makes no sense"),
        ({"size": 1e400}, KeyFileError, "makes no sense"),
        ({"nonce": "00"}, KeyFileError, "makes no sense"),
        ({"nonce": 5}, KeyFileError, "makes no sense"),
        ({"nonce": None}, KeyFileError, "makes no sense"),
        ({"key": "00"}, KeyFileError, "makes no sense"),
        ({"key": "ää" * 8}, KeyFileError, "makes no sense"),
        ({"key": ["00"] * 8}, KeyFileError, "makes no sense"),
        ({"key": None}, KeyFileError, "not sealed with a key"),
        ({"kind": "\x1b[2Jmask"}, KeyFileError, "makes no sense"),
        ({"kind": "x" * 33}, KeyFileError, "makes no sense"),
        ({"kind": "mask"}, KeyFileError, "is a mask key, not a photo record"),
        # Told by the cipher.
        ({"nonce": "00" * 12}, KeyFileError, "tampered with"),
        ({"more": 1}, KeyFileError, "tampered with"),
        ({"salt": "00" * 16}, KeyFileError, "tampered with"),
        # Who names another key only makes that key's holder be asked for.
        ({"key": "00" * 8}, WrongKeyError, "another key"),
    ],
)
def test_a_forged_header_with_a_fitting_hash(
    record: bytes, changes: dict, error: type[KeyFileError], words: str
):
    with pytest.raises(KeyFileError, match=words) as caught:
        open_original(with_header(record, **changes), SECRET)
    assert caught.type is error


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"3", b"\xff", b"[" * 60_000, b'{"size":'])
def test_headers_that_are_none(record: bytes, text: bytes):
    length = struct.unpack_from(">I", record, 10)[0]
    with pytest.raises(KeyFileError, match="makes no sense"):
        open_original(with_text(record, text, length), SECRET)


def test_parts_of_two_records_make_none(record: bytes):
    """Not even of two that one key sealed: the header belongs to its body."""
    other = seal_original(PHOTO[::-1], ".jpg", SECRET)
    assert len(other) == len(record)
    start = 14 + struct.unpack_from(">I", record, 10)[0]
    with pytest.raises(KeyFileError, match="tampered with"):
        open_original(rehashed(record[:start] + other[start:]), SECRET)


def test_an_open_envelope_is_no_record():
    """Anybody can write one, so nobody's original may come from it."""
    forged = seal(KIND, struct.pack("8s", b".jpg") + PHOTO)
    with pytest.raises(KeyFileError, match="not sealed with a key"):
        open_original(forged, SECRET)


def test_a_record_that_a_passphrase_sealed_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "_COST", 1 << 4)
    with pytest.raises(KeyFileError, match="not sealed with a key"):
        open_original(seal(KIND, struct.pack("8s", b".jpg") + PHOTO, "pass"), SECRET)


@pytest.mark.parametrize("passphrase", [None, "pass"])
def test_a_mask_is_no_record(
    mask: PersonalMask, passphrase: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sealing, "_COST", 1 << 4)
    with pytest.raises(KeyFileError, match=r"^me\.mask is a mask key, not a photo record$"):
        open_original(mask.to_bytes(passphrase), mask.secret, name="me.mask")


@pytest.mark.parametrize("passphrase", [None, "pass"])
def test_a_record_is_no_mask(record: bytes, passphrase: str | None):
    with pytest.raises(KeyFileError, match=r"^it is a photo record, not a mask key$"):
        mask_from_bytes(record, passphrase, name="it")
    # Nor does its cipher text pass for data where the kind would fit.
    with pytest.raises(KeyFileError, match="with a key, not with a passphrase") as caught:
        unseal(KIND, record, passphrase)
    assert not isinstance(caught.value, PassphraseError)
    assert not is_sealed(record)


def test_another_version_is_told_so(record: bytes):
    with pytest.raises(KeyFileError, match="version 2, this Bauta reads 1"):
        open_original(rehashed(record[:8] + b"\0\2" + record[10:]), SECRET)


@given(noise=st.binary(max_size=200), magic=st.booleans())
@settings(max_examples=100)
def test_nonsense_is_refused(noise: bytes, magic: bool):
    with pytest.raises(KeyFileError):
        open_original(b"BAUTAKEY" * magic + noise, SECRET)


def test_messages_name_the_record_where_nobody_else_does():
    with pytest.raises(KeyFileError, match=r"^the record of the original is no key file or record"):
        open_original(PHOTO, SECRET)


@pytest.mark.parametrize(
    "content", [b"", b".jpg", *(struct.pack("8s", s) for s in (b"", b"jpg", b"../x", b".\0jpg"))]
)
def test_what_the_key_sealed_but_is_no_original(content: bytes):
    with pytest.raises(KeyFileError, match="holds no original"):
        open_original(seal_with_secret(KIND, content, SECRET), SECRET)


@pytest.mark.parametrize("suffix", NO_SUFFIXES)
def test_what_is_no_suffix_gets_into_no_record(suffix: str):
    with pytest.raises(UsageError, match="a suffix is a dot and"):
        seal_original(PHOTO, suffix, SECRET)
    with pytest.raises(UsageError, match="a suffix is a dot and"):
        Original(PHOTO, suffix)


@pytest.mark.parametrize("secret", [b"", SECRET[:-1], SECRET + b"\0"])
def test_secrets_of_another_length(record: bytes, secret: bytes):
    with pytest.raises(UsageError, match=f"32 bytes, got {len(secret)}"):
        seal_original(PHOTO, ".jpg", secret)
    with pytest.raises(UsageError, match=f"32 bytes, got {len(secret)}"):
        open_original(record, secret)


def test_an_original_that_is_too_large(monkeypatch: pytest.MonkeyPatch):
    assert originals._MAX_ORIGINAL + 8 == envelope.MAX_DATA == 1 << 28
    monkeypatch.setattr(originals, "_MAX_ORIGINAL", 92)
    monkeypatch.setattr(envelope, "MAX_DATA", 100)
    assert open_original(seal_original(bytes(92), ".jpg", SECRET), SECRET).data == bytes(92)
    words = "has 93 bytes, and a record holds at most 92: .* keep a copy elsewhere"
    with pytest.raises(UsageError, match=words):
        seal_original(bytes(93), ".jpg", SECRET)
    with pytest.raises(UsageError, match="at most 100 bytes, got 101"):
        seal_with_secret(KIND, bytes(101), SECRET)
    with pytest.raises(UsageError, match="at most 100 bytes, got 101"):
        seal("mask", bytes(101))


def test_nothing_of_the_original_can_be_read(record: bytes):
    for part in (PHOTO, PHOTO[:4], PHOTO[5:12], b"somebody", b".jpg", b"jpg", SECRET, SECRET[:4]):
        assert part not in record
        assert part.hex().encode() not in record
    assert header_of(record).keys() == {"kind", "size", "nonce", "key"}
    assert "data" not in repr(open_original(record, SECRET))
    # Nor how long the suffix is.
    assert len(seal_original(PHOTO, ".x", SECRET)) == len(seal_original(PHOTO, ".abcdefg", SECRET))


def test_never_the_same_twice():
    records = [seal_original(PHOTO, ".jpg", SECRET) for _ in range(20)]
    assert len({header_of(r)["nonce"] for r in records}) == 20
    assert len({r[-60:-32] for r in records}) == 20


def test_the_name_of_a_key_says_nothing_of_it(record: bytes):
    shown = header_of(record)["key"]
    assert len(bytes.fromhex(shown)) == 8
    # One key has one name, and that of a key one bit off has nothing to do with it.
    assert header_of(seal_original(b"", ".png", SECRET))["key"] == shown
    near = bytes([SECRET[0] ^ 1]) + SECRET[1:]
    apart = int(shown, 16) ^ int(header_of(seal_original(b"", ".png", near))["key"], 16)
    assert 12 <= apart.bit_count() <= 52
    # It is no part of the secret, of its hash, or of what encrypts.
    encrypts = sealing._made(SECRET, sealing._FOR_DATA, 32)
    for tells in (SECRET, hashlib.sha256(SECRET).digest(), encrypts):
        assert shown not in tells.hex()
        assert shown not in tells[::-1].hex()


def test_the_derivation_is_rfc_5869s_and_stays_as_it_is():
    """Worked out from HMAC alone: records written today are to be opened in many years."""

    def hkdf(info: bytes) -> bytes:
        mixed = hashlib.sha256

        def hmac(key: bytes, text: bytes) -> bytes:
            block = key.ljust(64, b"\0")
            inner = mixed(bytes(b ^ 0x36 for b in block) + text).digest()
            return mixed(bytes(b ^ 0x5C for b in block) + inner).digest()

        return hmac(hmac(bytes(32), SECRET), info + b"\1")

    assert sealing._made(SECRET, sealing._FOR_DATA, 32) == hkdf(b"bauta/sealing/1/data")
    assert sealing._made(SECRET, sealing._FOR_ID, 8) == hkdf(b"bauta/sealing/1/key-id")[:8]
