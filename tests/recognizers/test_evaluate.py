"""Evaluation against its definition, written out in the plainest way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bauta.errors import UsageError
from bauta.recognizers import evaluate as module
from bauta.recognizers.base import Judge
from bauta.recognizers.evaluate import (
    Pair,
    _best_threshold,
    equal_error_threshold,
    evaluate,
    fold_accuracies,
    read_pairs,
    roc_curve,
    threshold_at,
)
from tests.faces.make import face_at


@st.composite
def scores(draw, least=2, most=40):
    """Distinct similarities, of which at least one is genuine and lies above an impostor."""
    count = draw(st.integers(least, most))
    values = draw(st.lists(st.integers(0, 999), min_size=count, max_size=count, unique=True))
    same = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    similarities = np.array(values) / 1000
    genuine = np.array(same)
    genuine[similarities.argmax()] = True
    return similarities, genuine


def accuracy(threshold, similarities, same):
    return sum(bool(s >= threshold) == bool(g) for s, g in zip(similarities, same, strict=True))


@given(scores())
def test_no_threshold_is_more_accurate_than_the_best(data):
    similarities, same = data
    best = accuracy(_best_threshold(similarities, same), similarities, same)
    assert best == max(accuracy(t / 2000, similarities, same) for t in range(-1, 2001))


def test_the_best_threshold_lies_in_the_middle_of_its_gap():
    similarities, same = np.array([0.1, 0.9, 0.4, 0.8]), np.array([False, True, False, True])
    assert _best_threshold(similarities, same) == pytest.approx(0.6)


def test_equal_similarities_cannot_be_told_apart():
    similarities = np.array([0.2, 0.5, 0.5, 0.5])
    same = np.array([True, False, False, True])
    threshold = _best_threshold(similarities, same)
    best = max(accuracy(t, similarities, same) for t in (0, 0.3, 1))
    assert accuracy(threshold, similarities, same) == best


def test_refusing_everything_is_possible():
    similarities, same = np.array([0.2, 0.5, 0.9]), np.array([False, False, False])
    assert accuracy(_best_threshold(similarities, same), similarities, same) == 3


def test_one_fold_has_no_others():
    with pytest.raises(UsageError, match="two folds"):
        fold_accuracies(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 0]))


@settings(max_examples=40)
@given(scores(least=12, most=30), st.integers(2, 4))
def testfold_accuracies_are_leave_one_out(data, count):
    similarities, same = data
    folds = np.arange(len(same)) % count
    measured = fold_accuracies(similarities, same, folds)
    for fold, value in zip(range(count), measured, strict=True):
        rest = folds != fold
        threshold = _best_threshold(similarities[rest], same[rest])
        right = accuracy(threshold, similarities[~rest], same[~rest])
        assert value == pytest.approx(right / (~rest).sum())


@given(st.integers(10, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.2, 0.5]))
def test_the_threshold_is_the_lowest_within_its_far(count, seed, far):
    rng = np.random.default_rng(seed)
    similarities = rng.permutation(np.arange(2 * count)) / 100
    same = np.arange(2 * count) < count
    similarities[same] += 0.003  # off the middles between impostors
    found = threshold_at(far, similarities, same, "data", "command")
    impostors = similarities[~same]
    accepted = int((impostors >= found.similarity).sum())
    assert accepted / count <= far
    # One more impostor would be one too many.
    assert (accepted + 1) / count > far - 1e-9
    assert found.far == pytest.approx(accepted / count)
    assert found.tar == pytest.approx((similarities[same] >= found.similarity).mean(), abs=1e-4)
    assert (found.data, found.command) == ("data", "command")


def test_ties_do_not_raise_the_far():
    similarities = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.95])
    same = np.array([False] * 10 + [True])
    assert threshold_at(0.2, similarities, same, "", "").far <= 0.2


def test_the_far_is_that_of_the_threshold_as_stored():
    impostors = np.array([0.9, 0.50003, 0.50001, *np.linspace(0.1, 0.2, 17)])
    similarities, same = np.append(impostors, 0.95), np.arange(21) == 20
    found = threshold_at(0.1, similarities, same, "", "")
    assert (impostors >= found.similarity).mean() == pytest.approx(found.far)


def test_too_few_impostors_to_tell():
    with pytest.raises(UsageError, match="at least 100 impostor pairs"):
        threshold_at(0.01, np.linspace(0, 1, 99), np.zeros(99, bool), "", "")


def rates(threshold, similarities, same):
    accepted = similarities >= threshold
    return accepted[~same].mean(), 1 - accepted[same].mean()


@given(scores(least=4))
def test_no_threshold_has_more_equal_errors(data):
    similarities, same = data
    if same.all():
        with pytest.raises(UsageError, match="of one person and of two"):
            equal_error_threshold(similarities, same, "data", "command")
        return
    found = equal_error_threshold(similarities, same, "data", "command")
    far, frr = rates(found.similarity, similarities, same)
    others = [rates(t / 2000, similarities, same) for t in range(-1, 2001)]
    assert abs(far - frr) == pytest.approx(min(abs(a - b) for a, b in others))
    assert found.far == pytest.approx(far)
    assert found.tar == pytest.approx(1 - frr, abs=1e-4)
    assert (found.data, found.command) == ("data", "command")


def test_the_equal_error_threshold_lies_in_the_middle_of_its_gap():
    similarities = np.array([0.1, 0.2, 0.7, 0.4, 0.8, 0.9])
    same = np.array([False, False, False, True, True, True])
    # One error of each kind between 0.4 and 0.7.
    found = equal_error_threshold(similarities, same, "", "")
    assert (found.similarity, found.far, found.tar) == (0.55, pytest.approx(1 / 3), 0.6667)


@given(scores())
def test_every_point_of_the_curve_is_a_threshold(data):
    similarities, same = data
    if same.all():
        return
    far, tar = roc_curve(similarities, same)
    thresholds = [np.inf, *sorted(similarities, reverse=True)]
    expected = [rates(threshold, similarities, same) for threshold in thresholds]
    np.testing.assert_allclose(far, [a for a, _ in expected])
    np.testing.assert_allclose(tar, [1 - r for _, r in expected], atol=1e-12)
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1)
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= -1e-12).all()


def test_equal_similarities_are_one_point_of_the_curve():
    far, tar = roc_curve(np.array([0.5, 0.5, 0.2]), np.array([True, False, False]))
    np.testing.assert_allclose(far, [0, 0.5, 1])
    np.testing.assert_allclose(tar, [0, 1, 1])


PAIRS = "2\t1\nAnn\t1\t12\nAnn\t1\tBob\t2\nBob\t1\t2\nBob\t3\tAnn\t4\n"


def test_reading_pairs(tmp_path: Path):
    file = tmp_path / "pairs.txt"
    file.write_text(PAIRS)
    assert read_pairs(file) == [
        Pair("Ann/Ann_0001.jpg", "Ann/Ann_0012.jpg", True, 0),
        Pair("Ann/Ann_0001.jpg", "Bob/Bob_0002.jpg", False, 0),
        Pair("Bob/Bob_0001.jpg", "Bob/Bob_0002.jpg", True, 1),
        Pair("Bob/Bob_0003.jpg", "Ann/Ann_0004.jpg", False, 1),
    ]


@pytest.mark.parametrize(
    "text", ["", "2", "two one\n", PAIRS + "Ann\t1\t2\n", PAIRS.rsplit("\n", 2)[0],
             PAIRS.replace("12", "twelve"), PAIRS.replace("Bob\t1\t2", "Bob\t1"),
             PAIRS.replace("Bob\t1\t2", "Bob\t1\tAnn\t2\t3")],
)  # fmt: skip
def test_files_of_another_form_are_refused(tmp_path: Path, text: str):
    file = tmp_path / "pairs.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"pairs\.txt"):
        read_pairs(file)


def test_missing_and_binary_files_are_refused(tmp_path: Path):
    for name, content in (("none", None), ("photo", b"\xff\xd8\xff\xe0 1")):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=name):
            read_pairs(tmp_path / name)


@pytest.mark.shared
def test_lfws_own_file(shared: Path):
    pairs = read_pairs(shared / "data/lfw-pairs.txt")
    assert len(pairs) == 6000
    for fold in range(10):
        of_fold = [pair for pair in pairs if pair.fold == fold]
        assert (len(of_fold), sum(pair.same for pair in of_fold)) == (600, 300)
    assert all((Path(p.a).parent == Path(p.b).parent) == p.same for p in pairs)
    assert all((shared / "data/lfw" / p.a).is_file() for p in pairs[::97])


class Brightness(Judge):
    """Takes photos of equal brightness for one person."""

    name = "brightness"

    def embed(self, photos, faces):
        assert all(face.landmarks.shape == (5, 2) for face in faces)
        return np.array([[photo.mean() / 255] for photo in photos], dtype=np.float32)


def test_evaluation_of_a_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    levels = {"Ann/Ann_0001.png": 10, "Ann/Ann_0002.png": 14, "Bob/Bob_0001.png": 200,
              "Bob/Bob_0002.png": 190}  # fmt: skip
    for name, level in levels.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (level,) * 3).save(tmp_path / name)
    ann1, ann2, bob1, bob2 = levels
    pairs = [Pair(ann1, ann2, True, 0), Pair(ann1, bob1, False, 0),
             Pair(bob1, bob2, True, 1), Pair(ann2, bob2, False, 1)]  # fmt: skip
    found = {name: face_at(32, 32, 60) for name in levels}
    found[bob2] = None
    monkeypatch.setattr(module, "index_faces", lambda *_, **__: found)
    monkeypatch.setattr(module, "FARS", {"far-50%": 0.5})
    told: list[tuple[int, int]] = []
    result = evaluate(
        Brightness(), tmp_path, pairs, cache=tmp_path, data="toy", command="again",
        progress=lambda *p: told.append(p),
    )  # fmt: skip
    expected = [1 - ((levels[p.a] - levels[p.b]) / 255) ** 2 / 2 for p in pairs]
    np.testing.assert_allclose(result.similarities, expected, atol=1e-6)
    assert (result.accuracy, result.deviation, result.pairs, result.assumed) == (1, 0, 4, 1)
    assert result.thresholds["far-50%"].data == "toy"
    assert result.thresholds["far-50%"].tar == 1
    assert told == [(4, 4)]
    assert not result.errors().any()
    assert result.guessed.tolist() == [bob2 in (pair.a, pair.b) for pair in pairs]
    # Half of the two impostor pairs may be accepted, and the more similar one is.
    assert result.errors("far-50%").tolist() == [False, expected[1] > expected[3],
                                                 False, expected[3] > expected[1]]  # fmt: skip
    with pytest.raises(UsageError, match="known: far-50%, equal-error"):
        result.errors("far-1%")
