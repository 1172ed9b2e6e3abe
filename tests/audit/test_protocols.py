"""Identification protocols against loops that say the same more slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.audit.protocols import (
    first_ranks,
    interval,
    pair_similarities,
    rank_targeted,
    rank_untargeted,
    ranked,
)
from bauta.recognizers.base import similarity_matrix

SEEDS = st.integers(0, 2**32 - 1)
PEOPLE = ["ann", "bob", "cid", "dee", "eve"]


@given(SEEDS, st.integers(1, 5))
def test_ranks_against_loops(seed, n):
    rng = np.random.default_rng(seed)
    probes, gallery = rng.normal(size=(4, 3)), rng.normal(size=(9, 3))
    names = rng.choice(PEOPLE, 9).tolist()
    own, targets = rng.choice(PEOPLE, 4).tolist(), set(rng.choice(PEOPLE, 2))
    rows = ranked(probes, gallery, names)
    for i, probe in enumerate(probes):
        order = sorted(range(9), key=lambda k: float(((probe - gallery[k]) ** 2).sum()))
        nearest = [names[k] for k in order]
        assert rows[i].tolist() == nearest
        assert rank_untargeted(rows, own, n)[i] == (own[i] not in nearest[:n])
        assert rank_targeted(rows, targets, n)[i] == bool(targets & set(nearest[:n]))


@given(SEEDS, st.integers(1, 9))
def test_first_ranks_say_the_same_as_rank_n(seed, n):
    rng = np.random.default_rng(seed)
    rows = rng.choice(PEOPLE, (4, 9))
    own, targets = rng.choice(PEOPLE, 4).tolist(), sorted(set(rng.choice(PEOPLE, 2)))
    hidden = first_ranks(rows, [[who] for who in own]) > n
    np.testing.assert_array_equal(hidden, rank_untargeted(rows, own, n))
    taken_for = first_ranks(rows, [targets] * 4) <= n
    np.testing.assert_array_equal(taken_for, rank_targeted(rows, targets, n))


def test_nobody_of_the_wanted_comes_after_the_last():
    assert first_ranks(np.array([["a", "b"]]), [["c"]]).tolist() == [3]


@given(SEEDS)
def test_pairs_are_the_matrix_diagonal(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 5, 8)).astype(np.float32)
    np.testing.assert_allclose(
        pair_similarities(a, b), similarity_matrix(a, b).diagonal(), rtol=1e-9, atol=1e-9
    )


def test_more_candidates_help_whoever_searches():
    rows = ranked(np.eye(4), np.eye(4)[::-1] + 0.1, ["a", "b", "c", "d"])
    own = ["a", "b", "c", "d"]
    rates = [rank_untargeted(rows, own, n).mean() for n in (1, 2, 3, 4)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0
    hits = [rank_targeted(rows, {"b"}, n).mean() for n in (1, 2, 3, 4)]
    assert hits == sorted(hits)
    assert (hits[0], hits[-1]) == (0.25, 1)


def test_without_targets_nobody_is_hit():
    rows = ranked(np.eye(2), np.eye(2), ["a", "b"])
    assert not rank_targeted(rows, [], 2).any()


@settings(max_examples=20)
@given(SEEDS, st.integers(5, 60))
def test_the_interval_holds_the_mean_and_repeats(seed, count):
    values = np.random.default_rng(seed).random(count)
    low, high = interval(values)
    assert values.min() <= low < values.mean() < high <= values.max()
    assert interval(values) == (low, high)


def test_the_interval_is_the_textbooks():
    """For a share of 0.3 among 400 the normal interval is 0.3 +- 1.96 sqrt(0.3 0.7 / 400)."""
    values = np.arange(400) < 120
    half = 1.96 * np.sqrt(0.3 * 0.7 / 400)
    assert interval(values) == pytest.approx((0.3 - half, 0.3 + half), abs=0.006)
    assert interval(values, seed=1) != interval(values)
    assert interval(np.ones(7, dtype=bool)) == (1, 1)
    few, many = (np.diff(interval(np.tile([0.0, 1.0], n)))[0] for n in (10, 1000))
    assert many < few / 5
