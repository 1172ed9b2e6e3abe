"""Error correlation and focal diversity: by hand, by their laws, and against other definitions."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bauta.errors import UsageError
from bauta.recognizers.diversity import (
    disagreement,
    double_fault,
    error_correlation,
    focal_diversity,
    focal_scores,
    generalised_diversity,
    rank_teams,
)


def rows(*texts: str) -> np.ndarray:
    """Errors written as one text per member, x for an error."""
    return np.array([[letter == "x" for letter in text] for text in texts])


@st.composite
def errors(draw, least=2, most=5):
    shape = draw(st.tuples(st.integers(least, most), st.integers(1, 25)))
    return draw(arrays(np.bool_, shape))


TWO = rows("xxx.....", "..xx....")
THREE = rows("xxxx....", "..xxx...", "...xxx..")


def test_two_members_by_hand():
    # Both are wrong on one of 8, the first alone on 2, the second alone on 1.
    # p(1) = (2 / 2 + 1 / 2 + 1) / 8 = 2.5 / 8 and p(2) = 1 / 8.
    assert generalised_diversity(TWO) == pytest.approx(1 - 1 / 2.5)
    # On the first's three errors: p(1) = (2 / 2 + 1) / 3, p(2) = 1 / 3, so 1 - 1/2.
    # On the second's two: p(1) = (1 / 2 + 1) / 2, p(2) = 1 / 2, so 1 - 2/3.
    np.testing.assert_allclose(focal_scores(TWO), [1 / 2, 1 / 3])
    assert focal_diversity(TWO) == pytest.approx(5 / 12)
    # Of 8 samples: n11 = 1, n10 = 2, n01 = 1, n00 = 4.
    phi = (1 * 4 - 2 * 1) / np.sqrt(3 * 5 * 2 * 6)
    np.testing.assert_allclose(error_correlation(TWO), [[1, phi], [phi, 1]])
    np.testing.assert_allclose(disagreement(TWO), [[0, 3 / 8], [3 / 8, 0]])
    np.testing.assert_allclose(double_fault(TWO), [[3 / 8, 1 / 8], [1 / 8, 2 / 8]])


def test_three_members_by_hand():
    # How many fail on each sample: 1 1 2 3 2 1 0 0.
    one = (1 + 1 + 2 + 3 + 2 + 1) / 3
    two = (2 * 1 + 3 * 2 + 2 * 1) / 6
    assert generalised_diversity(THREE) == pytest.approx(1 - two / one)
    focal = [
        1 - ((2 + 6) / 6) / ((1 + 1 + 2 + 3) / 3),
        1 - ((2 + 6 + 2) / 6) / ((2 + 3 + 2) / 3),
        1 - ((6 + 2) / 6) / ((3 + 2 + 1) / 3),
    ]
    np.testing.assert_allclose(focal_scores(THREE), focal)
    assert focal_diversity(THREE) == pytest.approx(np.mean(focal))


@given(errors())
def test_generalised_diversity_is_what_its_words_say(wrong):
    """Pick two members at random: the chance that the second does not fail when the first does."""
    pairs = list(permutations(range(len(wrong)), 2))
    first = sum(wrong[i].sum() for i, _ in pairs)
    both = sum((wrong[i] & wrong[j]).sum() for i, j in pairs)
    assume(first)
    assert generalised_diversity(wrong) == pytest.approx(1 - both / first)


@given(errors())
def test_focal_scores_are_generalised_diversities_of_the_negative_samples(wrong):
    for own, score in zip(wrong, focal_scores(wrong), strict=True):
        if own.any():
            assert score == pytest.approx(generalised_diversity(wrong[:, own]))
        else:
            assert np.isnan(score)


@given(errors())
def test_ranges(wrong):
    for value in (generalised_diversity(wrong), focal_diversity(wrong), *focal_scores(wrong)):
        assert np.isnan(value) or -1e-9 <= value <= 1
    correlation = error_correlation(wrong)
    assert np.isnan(correlation[np.isnan(correlation)]).all()
    assert (np.abs(correlation[~np.isnan(correlation)]) <= 1).all()
    assert ((disagreement(wrong) >= 0) & (disagreement(wrong) <= 1)).all()


@given(errors())
def test_pairwise_tables_are_symmetric_and_consistent(wrong):
    both, apart = double_fault(wrong), disagreement(wrong)
    for table in (error_correlation(wrong), both, apart):
        np.testing.assert_allclose(table, table.T)
    rates = wrong.mean(axis=1)
    np.testing.assert_allclose(np.diag(both), rates)
    np.testing.assert_allclose(rates[:, None] + rates - 2 * both, apart, atol=1e-12)


@given(errors(), st.randoms(use_true_random=False))
def test_neither_the_order_of_members_nor_of_samples_matters(wrong, random):
    members, samples = list(range(len(wrong))), list(range(wrong.shape[1]))
    random.shuffle(members)
    random.shuffle(samples)
    assert focal_diversity(wrong[members][:, samples]) == pytest.approx(
        focal_diversity(wrong), nan_ok=True
    )


@given(errors())
def test_samples_that_nobody_fails_tell_nothing_about_diversity(wrong):
    more = np.hstack([wrong, np.zeros((len(wrong), 7), bool)])
    assert focal_diversity(more) == pytest.approx(focal_diversity(wrong), nan_ok=True)


@given(errors(least=1), st.integers(2, 4))
def test_identical_members_have_none(wrong, count):
    assume(wrong[0].any())
    team = np.repeat(wrong[:1], count, axis=0)
    assert focal_diversity(team) == pytest.approx(0, abs=1e-12)
    assert generalised_diversity(team) == pytest.approx(0, abs=1e-12)
    if not wrong[0].all():
        np.testing.assert_allclose(error_correlation(team), 1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_errors_that_never_meet_are_as_diverse_as_can_be(owner):
    assume(len(set(owner)) > 1)
    wrong = np.arange(4)[:, None] == np.array(owner)
    assert generalised_diversity(wrong) == 1
    # On a focal member's errors nobody else fails, so no two ever fail together.
    assert focal_diversity(wrong) == 1


def test_independent_errors_lie_between():
    wrong = np.random.default_rng(0).random((2, 40_000)) < 0.25
    assert np.abs(error_correlation(wrong)[0, 1]) < 0.02
    # Of the focal member's errors the other shares a quarter: 1 - (1/4) / (5/8).
    assert focal_diversity(wrong) == pytest.approx(0.6, abs=0.01)


@settings(max_examples=50)
@given(errors())
def test_correlation_is_numpys(wrong):
    varying = wrong[wrong.any(axis=1) & ~wrong.all(axis=1)]
    assume(len(varying) > 1)
    np.testing.assert_allclose(error_correlation(varying), np.corrcoef(varying), atol=1e-9)


def test_members_without_errors_are_no_evidence():
    wrong = rows("....", "xx..", ".xx.")
    assert np.isnan(error_correlation(wrong)[0]).all()
    assert np.isnan(error_correlation(wrong)[:, 0]).all()
    assert np.isfinite(error_correlation(wrong)[1:, 1:]).all()
    scores = focal_scores(wrong)
    assert np.isnan(scores[0])
    assert focal_diversity(wrong) == pytest.approx(scores[1:].mean())
    assert np.isnan(error_correlation(rows("xxxx", "x..."))[0, 1])


def test_without_any_errors_nothing_is_known():
    none = np.zeros((3, 5), bool)
    assert np.isnan(generalised_diversity(none))
    assert np.isnan(focal_diversity(none))
    (team,) = rank_teams("abc", none, 3)
    assert np.isnan([team.focal_diversity, *team.interval]).all()
    assert (team.all_fail, team.some_fail) == (0, 0)


@pytest.mark.parametrize("measure", [generalised_diversity, focal_scores, focal_diversity])
def test_one_member_is_no_team(measure):
    with pytest.raises(UsageError, match="at least 2, not of 1"):
        measure(rows("x.x"))


def test_ranking_finds_the_complementary_team():
    names = ("a", "a again", "other", "perfect", "also perfect")
    wrong = rows("xxx......", "xxx......", ".....xxx.", ".........", ".........")
    teams = rank_teams(names, wrong, 2)
    assert len(teams) == 10
    best = {team.members for team in teams if team.focal_diversity == 1}
    assert {("a", "other"), ("a again", "other")} <= best
    assert teams[-1].members == ("perfect", "also perfect")
    assert np.isnan(teams[-1].focal_diversity)
    by_members = {team.members: team for team in teams}
    twins = by_members["a", "a again"]
    assert (twins.focal_diversity, twins.interval) == (0, (0, 0))
    assert (twins.all_fail, twins.some_fail) == (3, 3)
    values = [team.focal_diversity for team in teams[:-1]]
    assert values == sorted(values, reverse=True)


def test_intervals_hold_the_value_shrink_with_evidence_and_repeat():
    rng = np.random.default_rng(1)
    few, many = rng.random((2, 60)) < 0.3, rng.random((2, 6000)) < 0.3
    widths = []
    for wrong in (few, many):
        (team,) = rank_teams("ab", wrong, 2)
        low, high = team.interval
        assert low < team.focal_diversity < high
        assert rank_teams("ab", wrong, 2) == [team]
        assert rank_teams("ab", wrong, 2, seed=1)[0].interval != team.interval
        widths.append(high - low)
    assert widths[1] < widths[0] / 4


@pytest.mark.parametrize("size", [-1, 0, 1, 4])
def test_sizes_out_of_range(size):
    with pytest.raises(UsageError, match="2 to 3 members"):
        rank_teams("abc", THREE, size)
