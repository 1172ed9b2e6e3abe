"""A run as Markdown: what was run, a table per scenario, and one per adversary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bauta.bench.changes import CLEAN, changes_of, curve_of
from bauta.bench.contestants import contestants
from bauta.bench.grids import Line, grid_of, leading
from bauta.bench.group_tables import group_tables
from bauta.bench.papers import beside_paper
from bauta.bench.plan import Plan
from bauta.bench.table import MEASURES, Row
from bauta.bench.visibility import Quality, measured_columns

#: What stands in the tables of a scenario; the CSV has the rest.
_SHOWN = {"D": ("dodge_1", "taken_1"), "U": ("psr_1", "psr_5")}


def write_tables(rows: Sequence[Row], plan: Plan, made: Mapping[str, Any], quality: Quality) -> str:
    """A run's rates.

    Args:
        rows: at least one rate.
        plan: what was run.
        made: what it was made with, as :func:`bauta.bench.run.results` gives it.
        quality: how much photos changed.

    """
    parts = [_heading(rows, plan, made), beside_paper(plan.name, rows)]
    for scenario in dict.fromkeys(row.scenario for row in rows):
        if scenario == "F":
            parts.append(group_tables(rows, MEASURES))
            continue
        for measure in _SHOWN.get(scenario, ("rank1_ut", "rank1_t")):
            parts.append(f"## Scenario {scenario}, {MEASURES[measure]}\n")
            parts.append(to_markdown(rows, measure=measure, scenario=scenario))
    parts += [*_adversaries(rows, plan), _changes(plan, quality)]
    return "\n".join(part for part in parts if part)


def _heading(rows: Sequence[Row], plan: Plan, made: Mapping[str, Any]) -> str:
    who = "chips" if any(row.scenario == "F" for row in rows) else "people"
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return "\n".join(
        [
            f"# {plan.name}\n",
            *([f"{plan.about}\n"] if plan.about else []),
            f"{max(row.people for row in rows)} {who} of {plan.split}, seed {plan.seed}, "
            f"surrogates {', '.join(made['surrogates'])}. `{made['command']}`, "
            f"{made['machine']}, {versions}.\n",
            f"Rates in %, with 95 % intervals over {who}. Kin of a surrogate are no strangers: "
            "they stand apart and count in no mean.\n",
        ]
    )


def to_markdown(rows: Sequence[Row], *, measure: str, scenario: str, change: str = CLEAN) -> str:
    """One measure as a table: methods down, judges across, best mean over strangers first.

    Kin of the surrogates stand in their own columns, in italics, and count in no mean.
    """
    grid = grid_of(rows, scenario, measure, change)
    titles = ["method", "ε", "mean of strangers"]
    titles += [f"*{name} (kin)*" if role == "kin" else name for name, role in grid.judges]
    lines = [[*_first(line), *(_cell(row) for row in line.cells)] for line in grid.lines]
    return _table([titles, *lines])


def _first(line: Line) -> list[str]:
    mean = f"**{line.mean.percent:.1f}**" if line.mean else ""
    return [*_named(line.method, line.epsilon), mean]


def _adversaries(rows: Sequence[Row], plan: Plan) -> Iterator[str]:
    """For each adversary, the leading measure's mean over strangers at each strength."""
    lead = leading(rows)
    for name in plan.adversaries if lead else ():
        assert lead is not None
        changes = [change for change in changes_of(plan) if change.adversary == name]
        lines: dict[tuple[str, float], list[str]] = {}
        for at, change in enumerate(changes):
            for line in grid_of(rows, *lead, change.name).lines:
                # A run that goes on still may not have come to every strength.
                words = lines.setdefault((line.method, line.epsilon), [""] * len(changes))
                words[at] = f"{line.mean.percent:.0f}" if line.mean else ""
        if not lines:
            continue
        unit = curve_of(name).unit
        yield f"## Adversary {name}: scenario {lead[0]}, {MEASURES[lead[1]]}\n"
        yield f"Mean of strangers after {name}; across: {unit}.\n"
        titles = ["method", "ε", *(f"{change.strength:g}" for change in changes)]
        yield _table([titles, *([*_named(*key), *words] for key, words in lines.items())])


def _changes(plan: Plan, quality: Quality) -> str:
    """How much photos change; "" before anything was measured."""
    columns = measured_columns(quality)
    lines = [
        [*_named(entry.entry.title, entry.epsilon), *(c.text(measured) for c in columns)]
        for entry in contestants(plan)
        if (measured := quality.get(entry.key)) is not None
    ]
    if not lines:
        return ""
    about = "Means over people of the written files, and the largest change of all.\n"
    titles = ["method", "ε", *(column.title for column in columns)]
    return "\n".join(["## How much the photos change\n", about, _table([titles, *lines])])


def _named(method: str, epsilon: float) -> list[str]:
    return [method, f"{epsilon:g}" if epsilon else "–"]


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    text = f"{row.percent:.0f} ({row.low:.0f}–{row.high:.0f})"
    return text if row.role == "stranger" else f"*{text}*"


def _table(lines: Sequence[Sequence[str]]) -> str:
    titles, *rest = lines
    whole = [titles, ["---"] * len(titles), *rest]
    return "\n".join(f"| {' | '.join(words)} |" for words in whole) + "\n"
