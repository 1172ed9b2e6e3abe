"""A paper's numbers beside those of a run."""

from __future__ import annotations

import pytest

from bauta.bench.papers import beside_paper
from bauta.bench.plan import read_plan
from bauta.bench.table import Row
from bauta.named import names_of, read_named


def row(measure: str, judge: str, percent: float, role: str = "stranger", **values: str) -> Row:
    return Row(
        method=values.get("method", "TIP-IM on MobileFaceNet"), epsilon=12, judge=judge, role=role,
        scenario=values.get("scenario", "A"), change="clean", measure=measure, percent=percent,
        low=0, high=100, people=5,
    )  # fmt: skip


def test_both_stand_in_a_line():
    rows = [
        row("rank1_t", "facexzoo", 30), row("rank1_ut", "facexzoo", 90),
        row("rank1_t", "faceres", 10), row("rank1_ut", "faceres", 70),
        row("rank1_t", "kin", 100, "kin"), row("rank1_ut", "kin", 100, "kin"),
        row("rank1_t", "faceres", 99, scenario="C"),
    ]  # fmt: skip
    text = beside_paper("tip-im-paper", rows)
    (line,) = [line for line in text.splitlines() if line.startswith("| TIP-IM on MobileFace |")]
    assert "ArcFace 44 / 69" in line
    assert line.endswith(
        "| TIP-IM on MobileFaceNet | **20 / 80** (facexzoo 30 / 90; faceres 10 / 70) |"
    )
    assert "kin" not in text
    assert "99" not in text


def test_other_runs_repeat_no_paper():
    assert beside_paper("smoke", [row("rank1_t", "faceres", 10)]) == ""


@pytest.mark.parametrize("name", names_of("paper"))
def test_what_a_paper_is_set_beside_is_in_its_plan(name: str):
    titles = {entry.title for entry in read_plan(name).methods}
    assert {one["here"] for one in read_named("paper", name)["rows"]} == titles - {"none"}
