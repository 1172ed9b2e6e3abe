"""What is kept of one person's photos that wear a mask, and the rates that follow."""

from __future__ import annotations

import numpy as np
import pytest

from bauta.bench.personal import _compared
from bauta.bench.table import _personal
from bauta.recognizers.thresholds import thresholds_of


def unit(*degrees: float) -> np.ndarray:
    """Embeddings on a circle, by their angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_ranks_and_similarities():
    # The person at 0 degrees; a post that stays near, one that goes to a stranger, one beyond.
    out = _compared(unit(10, 80, 95), unit(0), unit(85, 200))
    assert out["own_rank"] == [1, 2, 2]  # A: the stranger at 85 degrees comes first for the others
    assert out["met_rank"] == [1]  # B: the clean photo finds the first post
    assert out["kin_rank"] == [1, 2, 2]  # C: beside two of them a stranger is nearer than kin
    assert out["own_similarity"] == pytest.approx(np.cos(np.radians([10, 80, 95])))
    assert out["pair_similarity"] == pytest.approx(np.cos(np.radians([70, 85, 15])))


def test_posts_that_all_flee_are_not_met_but_find_each_other():
    out = _compared(unit(170, 175), unit(0), unit(60, 250))
    assert out["met_rank"] == [3]
    assert out["kin_rank"] == [1, 1]


def test_a_single_post_has_no_kin():
    out = _compared(unit(10), unit(0), unit(85))
    assert out["kin_rank"] == out["pair_similarity"] == []


def test_people_count_alike_however_many_photos_they_have():
    judge = "tight-judge"
    at = thresholds_of(judge)["far-1%"].similarity
    values = {
        "own_rank": [1, 1, 1, 9], "own_rank_of": [0, 0, 0, 1],
        "met_rank": [1, 2], "met_rank_of": [0, 1],
        "kin_rank": [1, 2, 2], "kin_rank_of": [0, 0, 0],
        "own_similarity": [at + 0.1, at - 0.1, at - 0.1, at - 0.1],
        "own_similarity_of": [0, 0, 0, 1],
        "pair_similarity": [at, at - 0.1, at - 0.1], "pair_similarity_of": [0, 0, 0],
    }  # fmt: skip
    rates = {name: float(hits.mean()) for name, hits in _personal(judge, values).items()}
    assert rates["psr_1"] == 0.5
    assert rates["psr_10"] == 0
    assert rates["met_1"] == 0.5
    assert rates["apart_1"] == pytest.approx(2 / 3)
    assert rates["dodge_1"] == pytest.approx((2 / 3 + 1) / 2)
    assert rates["linked_1"] == pytest.approx(1 / 3)
