"""Code words: nobody else makes them, and chance does not look like one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bauta.errors import UsageError
from bauta.keys.watermark import WatermarkKey
from bauta.watermark.codes import BITS, CERTAIN, best_match, chance_of, checked, code_word

KEY, OTHER = WatermarkKey(secret=bytes(range(32))), WatermarkKey(secret=bytes(32))
IDS = ["me/2026-11", "me/2026-12", "newspaper"]


def spoilt(word: np.ndarray, count: int) -> np.ndarray:
    wrong = word.copy()
    wrong[:count] = ~wrong[:count]
    return wrong


def test_words_differ_by_key_and_identifier_and_stay():
    words = [code_word(key, name) for key in (KEY, OTHER) for name in IDS]
    assert all(word.shape == (BITS,) for word in words)
    for at, one in enumerate(words):
        for other in words[at + 1 :]:
            assert 15 < int((one == other).sum()) < 50
    np.testing.assert_array_equal(words[0], code_word(KEY, "me/2026-11"))


def test_words_are_tossed_coins():
    words = np.stack([code_word(KEY, f"photo {at}") for at in range(2000)])
    # Five standard errors of 2,000 coins, and of as many agreements.
    assert np.abs(words.mean(axis=0) - 0.5).max() < 5 * 0.5 / 2000**0.5
    agreeing = (words[0] == words[1:]).sum(axis=1)
    assert abs(agreeing.mean() - 32) < 5 * 4 / 2000**0.5
    assert abs(agreeing.std() - 4) < 0.4


def test_a_word_is_recognised_until_chance_might_have_made_it():
    word = code_word(KEY, IDS[1])
    for wrong in (0, 3, 6):
        match = best_match(spoilt(word, wrong)[None], KEY, IDS)
        assert match is not None
        assert (match.identifier, match.agreeing) == (IDS[1], BITS - wrong)
        assert match.chance == chance_of(BITS - wrong, 3) < CERTAIN
    assert best_match(spoilt(word, 12)[None], KEY, IDS) is None
    assert best_match(word[None], OTHER, IDS) is None


def test_every_look_and_every_try_is_counted():
    word = spoilt(code_word(KEY, IDS[0]), 6)
    noise = np.random.default_rng(0).integers(0, 2, (8, BITS)).astype(bool)
    once = best_match(word[None], KEY, IDS)
    often = best_match(np.vstack([noise, word[None]]), KEY, IDS, tries=2)
    assert once is not None
    assert often is None or often.chance == pytest.approx(18 * once.chance)
    assert best_match(word[None], KEY, IDS, tries=10**6) is None


@pytest.mark.parametrize("agreeing", [0, 20, 32, 50, 58, 64])
def test_chance_is_the_binomial_tail(agreeing: int):
    coins = np.random.default_rng(0).integers(0, 2, (20000, BITS)).sum(axis=1)
    assert chance_of(agreeing) == pytest.approx(float((coins >= agreeing).mean()), abs=0.02)
    assert chance_of(64) == 2.0**-64
    assert chance_of(58) == pytest.approx(4.5e-12, rel=0.01)


def test_nothing_is_matched_with_nothing():
    assert best_match(np.zeros((0, BITS), bool), KEY, IDS) is None
    assert best_match(np.zeros((1, BITS), bool), KEY, []) is None


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\nb", "a\x1b[2J", "\u202egpj"])
def test_identifiers_that_cannot_be_used(text: str):
    with pytest.raises(UsageError):
        checked(text)


@given(st.text(max_size=40))
def test_an_identifier_has_one_form(text: str):
    try:
        once = checked(text)
    except UsageError:
        return
    assert checked(once) == once
    np.testing.assert_array_equal(code_word(KEY, text), code_word(KEY, once))
