"""Pairs of held-out people: balanced, without repetition, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import UsageError
from bauta.training.faceset import FaceSet
from bauta.training.pairs import held_out_pairs, pair_similarities, split_people


@settings(max_examples=50)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=12), st.integers(1, 40), st.integers(0, 99))
def test_pairs_are_balanced_true_and_different(sizes: list[int], count: int, seed: int) -> None:
    sizes[0] = max(2, sizes[0])
    names = [f"p{who}/{i}.jpg" for who, size in enumerate(sizes) for i in range(size)]
    pairs = held_out_pairs(names, count=count, seed=seed)
    genuine = [pair for pair in pairs if pair.same]
    impostor = [pair for pair in pairs if not pair.same]
    possible = sum(size * (size - 1) // 2 for size in sizes)
    assert len(genuine) == min(count, possible)
    assert len(impostor) <= len(genuine)
    assert len({(pair.a, pair.b) for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair.a != pair.b
        assert pair.same == (pair.a.split("/")[0] == pair.b.split("/")[0])
        assert 0 <= pair.fold < 10
    assert pairs == held_out_pairs(names[::-1], count=count, seed=seed)


def test_people_take_turns() -> None:
    names = [f"many/{i}.jpg" for i in range(30)] + ["a/0.jpg", "a/1.jpg", "b/0.jpg", "b/1.jpg"]
    genuine = [pair for pair in held_out_pairs(names, count=3) if pair.same]
    assert {pair.a.split("/")[0] for pair in genuine} == {"many", "a", "b"}


def test_what_cannot_make_pairs_is_refused() -> None:
    with pytest.raises(UsageError):
        held_out_pairs(["a/0.jpg", "b/0.jpg"])
    with pytest.raises(UsageError):
        held_out_pairs(["a/0.jpg", "a/1.jpg"])


def test_similarities_are_cosines_in_the_order_of_the_pairs() -> None:
    names = ["a/0.jpg", "a/1.jpg", "b/0.jpg"]
    faces = FaceSet(
        [], np.zeros((3, 2), int), names, np.array([0, 0, 1]), ["a", "b"], np.zeros((3, 3))
    )
    e = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    pairs = held_out_pairs(names)
    similarities, same, folds = pair_similarities(e, faces, pairs)
    assert len(pairs) == 2
    assert similarities[same].tolist() == [pytest.approx(0.6)]
    expected = {("a/0.jpg", "b/0.jpg"): 0.0, ("a/1.jpg", "b/0.jpg"): 0.8}
    assert similarities[~same][0] == pytest.approx(expected[pairs[1].a, pairs[1].b])
    assert folds.tolist() == [0, 0]


def test_the_benchmarks_people_are_all_in_the_split() -> None:
    people = split_people("lfw-identification")
    assert len(people) == 1010
    with pytest.raises(UsageError, match="no split"):
        split_people("nothing")
