"""Scenarios on embeddings whose answers are plain to see."""

from __future__ import annotations

import numpy as np

from bauta.bench.judging import Shelf, judged

ANN, BOB, TIM, EVE = np.eye(4)
BETWEEN = (ANN + BOB) / np.sqrt(2)


def shelf():
    """Ann and Bob are protected, Tim is a target, Eve is nobody in particular."""
    return Shelf(
        people=["ann", "bob"],
        probes=np.stack([ANN, BOB]),
        seconds=np.stack([BETWEEN, BOB]),
        gallery=np.stack([ANN, BOB, TIM, EVE]),
        owners=["ann", "bob", "tim", "eve"],
        targets=["tim"],
    )


def test_nothing_protected():
    out = judged(shelf(), np.stack([ANN, BOB]), None)
    assert set(out) == {"A", "D"}
    assert out["A"]["own_rank"] == [1, 1]
    assert min(out["A"]["target_rank"]) > 1
    np.testing.assert_allclose(out["D"]["own_similarity"], [2**-0.5, 1], atol=1e-5)
    assert out["D"]["target_similarity"] == [0, 0]


def test_a_probe_that_looks_like_the_target():
    near = (2 * TIM + ANN) / np.sqrt(5)
    out = judged(shelf(), np.stack([near, BOB]), None)
    assert out["A"] == {"own_rank": [2, 1], "target_rank": [1, out["A"]["target_rank"][1]]}
    np.testing.assert_allclose(out["D"]["target_similarity"], [2 / 5**0.5, 0], atol=1e-5)


def test_the_gallery_of_b_and_c_holds_the_protected_seconds_alone():
    """Ann's seconds look like Eve, her probe too: only another protected photo finds her."""
    like_eve = (3 * EVE + ANN) / np.sqrt(10)
    out = judged(shelf(), np.stack([like_eve, BOB]), np.stack([like_eve, BOB]))
    assert out["A"]["own_rank"][0] == 2
    assert out["B"]["own_rank"] == [1, 1]
    assert out["C"]["own_rank"] == [1, 1]
    away = judged(shelf(), np.stack([EVE, BOB]), np.stack([TIM, BOB]))
    assert away["B"]["own_rank"][0] > 1
    assert away["C"]["own_rank"][0] > 1
