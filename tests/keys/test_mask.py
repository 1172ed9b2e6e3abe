"""Mask files: a mask comes back as it was, and nothing that is none gets near a photo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from bauta.errors import KeyFileError, PassphraseError
from bauta.keys import sealing
from bauta.keys.mask import Facts, PersonalMask, mask_from_bytes, read_mask
from bauta.keys.sealing import seal

FACTS = Facts(method="chameleon", epsilon=8.0, surrogates=("a", "b"), photos=10, seed=3)


def deltas(count: int = 2, side: int = 16, size: float = 8.0) -> np.ndarray:
    draw = np.random.default_rng(0).uniform(-size, size, (count, 3, side, side))
    return draw.astype(np.float16)


@pytest.fixture(scope="module")
def mask() -> PersonalMask:
    rows = np.random.default_rng(1).standard_normal((4, 8)).astype(np.float16)
    return PersonalMask(facts=FACTS, deltas=deltas(), owner={"tight-ms1m": rows})


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "_COST", 1 << 4)


@pytest.mark.parametrize("passphrase", [None, "a pass phrase"])
def test_a_mask_comes_back(mask: PersonalMask, tmp_path: Path, passphrase: str | None):
    file = tmp_path / "me.mask"
    file.write_bytes(mask.to_bytes(passphrase))
    again = read_mask(file, passphrase)
    assert again.facts == mask.facts
    assert again.secret == mask.secret
    np.testing.assert_array_equal(again.deltas, mask.deltas)
    assert again.owner.keys() == {"tight-ms1m"}
    np.testing.assert_array_equal(again.owner["tight-ms1m"], mask.owner["tight-ms1m"])


@pytest.mark.parametrize("epsilon", [0.7, 8.0, 20.305, 40.61, 63.99])
def test_limits_that_half_floats_round_up_are_kept(epsilon: float):
    full = np.full((1, 3, 16, 16), epsilon).astype(np.float16)
    mask = PersonalMask(facts=replace(FACTS, epsilon=epsilon), deltas=full)
    np.testing.assert_array_equal(mask_from_bytes(mask.to_bytes()).deltas, full)


def test_secrets_differ_and_are_not_shown(mask: PersonalMask):
    other = PersonalMask(facts=FACTS, deltas=deltas())
    assert other.secret != mask.secret
    assert str(other.secret) not in repr(other)
    assert "secret" not in repr(other)


def test_without_its_passphrase_nothing_is_shown(mask: PersonalMask, tmp_path: Path):
    sealed = mask.to_bytes("pass")
    assert mask.secret not in sealed
    assert b"chameleon" not in sealed
    (tmp_path / "me.mask").write_bytes(sealed)
    with pytest.raises(PassphraseError, match=r"me\.mask is sealed"):
        read_mask(tmp_path / "me.mask")
    with pytest.raises(KeyFileError, match=r"cannot read the key .*you\.mask"):
        read_mask(tmp_path / "you.mask")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"deltas": deltas(size=9)}, "more than its 8"),
        ({"deltas": np.full((1, 3, 16, 16), np.nan, np.float16)}, "more than its 8"),
        ({"deltas": deltas()[:, :2]}, "S, S"),
        ({"deltas": deltas()[:, :, :9]}, "S, S"),
        ({"deltas": deltas()[0]}, "S, S"),
        ({"deltas": deltas()[:0]}, "S, S"),
        ({"deltas": deltas(65)}, "1 to 64"),
        ({"deltas": deltas(1, 8)}, "16 to 512"),
        ({"facts": replace(FACTS, epsilon=65)}, "at most 64"),
        ({"facts": replace(FACTS, epsilon=float("nan"))}, "at most 64"),
        ({"secret": b"short"}, "32 bytes"),
    ],
)
def test_what_would_spoil_a_photo_is_no_mask(mask: PersonalMask, changes: dict, words: str):
    with pytest.raises(KeyFileError, match=words):
        replace(mask, **changes)


def spoilt(facts: object = None, **tensors: np.ndarray) -> bytes:
    """An envelope that is whole around what is not."""
    good = {"deltas": deltas(), "secret": np.zeros(32, np.uint8)}
    values = {name: t for name, t in (good | tensors).items() if t is not None}
    words = json.dumps({"method": "m", "epsilon": 8, "surrogates": []} if facts is None else facts)
    return seal("mask", save(values, {"facts": words}))


def test_a_small_file_is_enough():
    assert mask_from_bytes(spoilt()).facts == Facts(method="m", epsilon=8.0)


@pytest.mark.parametrize(
    "sealed",
    [
        seal("mask", b""),
        seal("mask", b"\xff" * 40),
        spoilt(deltas=None),
        spoilt(secret=None),
        spoilt(deltas=deltas().astype(np.float32)),
        spoilt(secret=np.zeros(32, np.int8)),
        spoilt(**{"owner/x": np.zeros((1, 2), np.float64)}),
        spoilt(facts=3),
        spoilt(facts={}),
        spoilt(facts={"method": "m", "epsilon": "x", "surrogates": []}),
        spoilt(facts={"method": "m", "epsilon": 8, "surrogates": None}),
        spoilt(facts={"method": "m", "epsilon": 8, "surrogates": [], "more": 1}),
        seal("mask", save({"deltas": deltas()})),
    ],
    ids=range(13),
)
def test_no_mask_in_a_whole_envelope(sealed: bytes):
    with pytest.raises(KeyFileError, match=r"me\.mask holds no mask"):
        mask_from_bytes(sealed, name="me.mask")


@given(data=st.data())
@settings(max_examples=150)
def test_fuzzed_insides_are_a_mask_or_an_error(data: st.DataObject):
    """Bytes of a good file changed inside an envelope that is made anew around them."""
    good = bytearray(sealing.unseal("mask", spoilt()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(good) - 1, 300)))
        good[at] = data.draw(st.integers(0, 255))
    try:
        mask = mask_from_bytes(seal("mask", bytes(good)))
    except KeyFileError:
        return
    assert np.abs(mask.deltas.astype(float)).max() <= 64.01
