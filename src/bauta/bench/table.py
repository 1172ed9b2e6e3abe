"""From what judges said, person by person, to rates with intervals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import interval
from bauta.bench.contestants import Contestant
from bauta.recognizers.thresholds import thresholds_of

#: Name of a measure to what the tables say of it.
MEASURES: Mapping[str, str] = {
    "rank1_ut": "Rank-1-UT: the person is not the first found",
    "rank5_ut": "Rank-5-UT: the person is not among the first five",
    "rank1_t": "Rank-1-T: a target is the first found",
    "rank5_t": "Rank-5-T: a target is among the first five",
    "dodge_1": "dodging ASR at FAR 1 %: below the threshold beside the person's other photo",
    "dodge_01": "dodging ASR at FAR 0.1 %",
    "taken_1": "impersonation ASR at FAR 1 %: above the threshold beside a target's photo",
    "taken_01": "impersonation ASR at FAR 0.1 %",
    "psr_1": "PSR at top 1: the person is not the first found, on photos new to the mask",
    "psr_5": "PSR at top 5",
    "psr_10": "PSR at top 10",
    "met_1": "scenario B: a clean photo does not find the person's masked posts first",
    "apart_1": "scenario C: a masked post does not find another of the person's first",
    "linked_1": "pairs of a person's masked posts that match at FAR 1 %; strangers: 1 %",
    "hidden_1": "hidden at FAR 1 %: below the threshold beside another picture of the face",
    "hidden_01": "hidden at FAR 0.1 %",
    "likeness": "similarity x 100 to another, clean picture of the face",
    "drop": "how much lower that is than without protection",
    "psnr": "PSNR of the face in dB",
    "ssim": "SSIM of the face x 100",
    "largest": "largest change of the face in grey levels",
    "lpips": "LPIPS of the face x 100",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A rate.

    Attributes:
        method: title of the entry.
        epsilon: its budget in grey levels; 0 for none.
        judge: who judged; "mean of strangers" in F; empty for what needs no judge.
        role: "stranger", or "kin" of a surrogate, which is no opinion of its own; "mean" for the
            mean of strangers, and empty without a judge.
        scenario: "A" to "D", "U" for personal masks on unseen photos, or "F" for groups.
        change: the adversary and its strength, or "clean".
        measure: out of :data:`MEASURES`.
        percent: the rate; in F also a mean, in the unit that :data:`MEASURES` names.
        low: lower end of its 95 % interval over people.
        high: upper end.
        people: how many there were; in F, chips.
        group: in F, whom it is about: "all", or "sex: female" and the like.

    """

    method: str
    epsilon: float
    judge: str
    role: str
    scenario: str
    change: str
    measure: str
    percent: float
    low: float
    high: float
    people: int
    group: str = ""


def rows_of(
    contestant: Contestant, judge: str, role: str, change: str, outcome: Mapping[str, Any]
) -> Iterator[Row]:
    """Rates of one outcome, as :func:`bauta.bench.judging.judged` gives it.

    Those of F need all judges at once: :func:`bauta.bench.group_rows.rows_of_groups`.
    """
    for scenario, values in outcome.items():
        if scenario == "F":
            continue
        if scenario == "D":
            hits = _verified(judge, values)
        else:
            hits = _personal(judge, values) if scenario == "U" else _identified(values)
        for measure, hit in hits.items():
            yield rate(contestant, judge, role, scenario, change, measure, 100.0 * hit)


def rate(
    contestant: Contestant,
    judge: str,
    role: str,
    scenario: str,
    change: str,
    measure: str,
    values: NDArray[np.floating],
    group: str = "",
) -> Row:
    """Mean of one value per person, with its interval; the rest is as :class:`Row` has it."""
    if not len(values):
        raise ValueError(f"{measure} of nobody")
    low, high = interval(values)
    return Row(
        method=contestant.entry.title,
        epsilon=contestant.epsilon,
        judge=judge,
        role=role,
        scenario=scenario,
        change=change,
        measure=measure,
        percent=round(float(values.mean()), 2),
        low=round(low, 2),
        high=round(high, 2),
        people=len(values),
        group=group,
    )


def _identified(values: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    own, target = (np.asarray(values[key]) for key in ("own_rank", "target_rank"))
    return {
        "rank1_ut": own > 1, "rank5_ut": own > 5, "rank1_t": target <= 1, "rank5_t": target <= 5
    }  # fmt: skip


def _personal(judge: str, values: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    """Each person's share, so that nobody with many photos outweighs the others."""

    def share(key: str, hits: NDArray[np.bool_]) -> NDArray[Any]:
        people = np.asarray(values[f"{key}_of"])
        return np.array([hits[people == who].mean() for who in np.unique(people)])

    rows = {key: np.asarray(values[key]) for key in values if not key.endswith("_of")}
    out = {f"psr_{n}": share("own_rank", rows["own_rank"] > n) for n in (1, 5, 10)}
    out["met_1"] = share("met_rank", rows["met_rank"] > 1)
    # Who has one tested photo has no two of them.
    if len(rows["kin_rank"]):
        out["apart_1"] = share("kin_rank", rows["kin_rank"] > 1)
    table = thresholds_of(judge)
    # A recognizer that was never evaluated has no threshold to be above.
    if "far-1%" in table:
        at = table["far-1%"].similarity
        out["dodge_1"] = share("own_similarity", rows["own_similarity"] < at)
        if len(rows["pair_similarity"]):
            out["linked_1"] = share("pair_similarity", rows["pair_similarity"] >= at)
    return out


def _verified(judge: str, values: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    own, target = (np.asarray(values[key]) for key in ("own_similarity", "target_similarity"))
    out = {}
    table = thresholds_of(judge)
    for suffix, name in (("1", "far-1%"), ("01", "far-0.1%")):
        # A recognizer that was never evaluated has no threshold to be above.
        if name in table:
            at = table[name].similarity
            out[f"dodge_{suffix}"], out[f"taken_{suffix}"] = own < at, target >= at
    return out


def to_csv(rows: Sequence[Row]) -> str:
    """All rates as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
