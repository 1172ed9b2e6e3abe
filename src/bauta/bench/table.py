"""From what judges said, person by person, to rates with intervals."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import interval
from bauta.bench.contestants import Contestant
from bauta.bench.group_tables import group_tables
from bauta.bench.papers import beside_paper
from bauta.bench.plan import Plan
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
            hits = _personal(values) if scenario == "U" else _identified(values)
        for measure, hit in hits.items():
            low, high = interval(hit)
            yield Row(
                method=contestant.entry.title,
                epsilon=contestant.epsilon,
                judge=judge,
                role=role,
                scenario=scenario,
                change=change,
                measure=measure,
                percent=round(100 * float(hit.mean()), 2),
                low=round(100 * low, 2),
                high=round(100 * high, 2),
                people=len(hit),
            )


def _identified(values: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    own, target = (np.asarray(values[key]) for key in ("own_rank", "target_rank"))
    return {
        "rank1_ut": own > 1, "rank5_ut": own > 5, "rank1_t": target <= 1, "rank5_t": target <= 5
    }  # fmt: skip


def _personal(values: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    """Share of each person's tested photos, so that nobody with many outweighs the others."""
    ranks, people = np.asarray(values["own_rank"]), np.asarray(values["person"])
    out = {}
    for n in (1, 5, 10):
        shares = [float((ranks[people == who] > n).mean()) for who in np.unique(people)]
        out[f"psr_{n}"] = np.array(shares)
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


def to_markdown(
    rows: Sequence[Row],
    *,
    measure: str,
    scenario: str,
    change: str = "clean",
    order: Callable[[float], float] = float.__neg__,
) -> str:
    """One measure as a table: methods down, judges across, best mean over strangers first.

    Kin of the surrogates stand in their own columns, in italics, and count in no mean.
    """
    some = [r for r in rows if (r.measure, r.scenario, r.change) == (measure, scenario, change)]
    # Who is kin of one entry's surrogates may be a stranger to another's.
    heard = {r.judge for r in some if r.role == "stranger"}
    judges = sorted({(r.judge not in heard, r.judge) for r in some})
    cells = {(r.method, r.epsilon, r.judge): r for r in some}
    lines = []
    for method, epsilon in dict.fromkeys((r.method, r.epsilon) for r in some):
        got = [cells.get((method, epsilon, judge)) for _, judge in judges]
        strangers = [r.percent for r in got if r and r.role == "stranger"]
        mean = float(np.mean(strangers)) if strangers else math.nan
        words = [_cell(r) for r in got]
        lines.append(
            (mean, [method, f"{epsilon:g}" if epsilon else "–", f"**{mean:.1f}**", *words])
        )
    lines.sort(key=lambda line: order(line[0]))
    titles = ["method", "ε", "mean of strangers"]
    titles += [f"*{judge} (kin)*" if kin else judge for kin, judge in judges]
    table = [titles, ["---"] * len(titles), *(words for _, words in lines)]
    return "\n".join(f"| {' | '.join(words)} |" for words in table) + "\n"


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    text = f"{row.percent:.0f} ({row.low:.0f}–{row.high:.0f})"
    return text if row.role == "stranger" else f"*{text}*"


def write_tables(rows: Sequence[Row], plan: Plan, made: Mapping[str, Any]) -> str:
    """A run as Markdown: what was run, and a table per scenario."""
    people = max(row.people for row in rows)
    who = "chips" if any(row.scenario == "F" for row in rows) else "people"
    parts = [
        f"# {plan.name}\n",
        f"{plan.about}\n" if plan.about else "",
        f"{people} {who} of {plan.split}, seed {plan.seed}, surrogates "
        f"{', '.join(made['surrogates'])}. `{made['command']}`, {made['machine']}, "
        f"{', '.join(f'{k} {v}' for k, v in made['versions'].items())}.\n",
        f"Rates in %, with 95 % intervals over {who}. Kin of a surrogate are no strangers: they "
        "stand apart and count in no mean.\n",
    ]
    parts.append(beside_paper(plan.name, rows))
    shown = {"D": ("dodge_1", "taken_1"), "U": ("psr_1", "psr_5")}
    for scenario in dict.fromkeys(row.scenario for row in rows):
        if scenario == "F":
            parts.append(group_tables(rows, MEASURES))
            continue
        for measure in shown.get(scenario, ("rank1_ut", "rank1_t")):
            parts.append(f"## Scenario {scenario}, {MEASURES[measure]}\n")
            parts.append(to_markdown(rows, measure=measure, scenario=scenario))
    return "\n".join(part for part in parts if part)
