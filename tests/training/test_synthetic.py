"""Synthetic views as further faces of the same people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bauta.errors import UsageError
from bauta.training.faceset import FaceSet
from bauta.training.synthetic import views_of, with_views


def test_views_belong_to_their_faces_and_are_made_once(little: FaceSet, tmp_path: Path) -> None:
    some = little.subset(np.array([0, 1, 8, 9, 40]))
    told: list[tuple[int, int]] = []
    more = with_views(
        some, 2, tmp_path, seed=3, jobs=1, progress=lambda _w, d, n: told.append((d, n))
    )
    assert len(more) == 15
    assert told == [(5, 5)]
    assert more.people.tolist() == [0, 0, 1, 1, 2, *np.repeat([0, 0, 1, 1, 2], 2)]
    assert more.identities == some.identities
    assert len(set(more.names)) == 15
    first = views_of(some.take([2]), [3 + 2], 2)
    np.testing.assert_array_equal(more.take([5 + 4, 5 + 5]), first)
    # Somebody else in pose and light, but no other picture.
    gap = np.abs(first.astype(float) - some.take([2]).astype(float)).mean(axis=(1, 2, 3))
    assert ((gap > 4) & (gap < 90)).all()
    told.clear()
    again = with_views(some, 2, tmp_path, seed=3, progress=lambda _w, d, n: told.append((d, n)))
    assert not told
    np.testing.assert_array_equal(again.take(range(15)), more.take(range(15)))
    other = with_views(some, 2, tmp_path, seed=4, jobs=1)
    assert not np.array_equal(other.take([9]), more.take([9]))


def test_no_views(little: FaceSet, tmp_path: Path) -> None:
    assert with_views(little, 0, tmp_path) is little
    with pytest.raises(UsageError, match="0 or more"):
        with_views(little, -1, tmp_path)
