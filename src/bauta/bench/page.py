"""The web page of a run: one self-contained file that asks the network for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bauta.audit.document import Html, Parts, document, join
from bauta.bench.bench import Progress
from bauta.bench.changes import changes_of
from bauta.bench.contestants import Contestant, contestants
from bauta.bench.figures import robustness_figures, trade_offs
from bauta.bench.gallery import failures, sheet
from bauta.bench.grids import grid_of, leading
from bauta.bench.listing import Listed, listed, quality_table, rate_table
from bauta.bench.plan import Plan
from bauta.bench.run import looking
from bauta.bench.sheets import faces_of, numbers_of
from bauta.bench.store import Store
from bauta.bench.table import MEASURES, Row
from bauta.bench.visibility import Quality, read_quality

_parts = Parts("bauta.bench", "report.html")
_fill = _parts.fill
#: What a scenario is, as its heading says it.
_SCENARIOS: Mapping[str, str] = {
    "A": "Scenario A: a protected photo is searched among clean ones",
    "B": "Scenario B: a clean photo is searched among protected ones",
    "C": "Scenario C: protected photos are searched among protected ones",
    "D": "Scenario D: a protected photo is compared one to one",
    "U": "Personal masks, on photos that they were not fitted on",
    "F": "Fairness",
}
_RATES = "Rates in %, with 95 % intervals over people. The mean of strangers leads."
_GROUPS = (
    "By groups, with 95 % intervals over chips. What counts is how groups differ within a method, "
    "and from themselves without protection; report.md has the largest gaps."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """All that is known of a run."""

    store: Store
    plan: Plan
    made: Mapping[str, Any]
    rows: Sequence[Row]
    entries: Sequence[Contestant]
    methods: Sequence[Listed]
    quality: Quality


def page(
    store: Store,
    plan: Plan,
    made: Mapping[str, Any],
    rows: Sequence[Row],
    created: datetime,
    progress: Progress,
) -> str:
    """Return a run, as far as it has come, as one self-contained web page.

    Args:
        store: the run; its photos and outcomes are read.
        plan: what it was to do.
        made: what it was made with, as :func:`bauta.bench.run.results` gives it.
        rows: its rates; there may be none yet.
        created: when, in UTC.
        progress: told the rows of pictures done and in all.

    Raises:
        UsageError: a file of the run is damaged.
        MediaError: a photo of it is.

    """
    entries = contestants(plan)
    lead = leading(rows)
    run = _Run(
        store=store,
        plan=plan,
        made=made,
        rows=rows,
        entries=entries,
        methods=listed(entries, grid_of(rows, *lead) if lead else None),
        quality=read_quality(store, plan),
    )
    sections = {**_rates(run), **_charts(run), **_quality(run), **_pictures(run, progress)}
    links = [_fill("link", id=key, text=title) for key, (title, _) in sections.items()]
    body = [_summary(run, join(links)), *(html for _, html in sections.values()), _fill("reading")]
    return document(
        "Protections compared",
        plan.name,
        join(body),
        style=_parts.text("style"),
        script=_parts.text("script"),
        created=created,
    )


#: Anchor to what links call it, and the section.
_Sections = dict[str, tuple[str, Html]]


def _section(key: str, title: str, about: str, body: Html, link: str = "") -> _Sections:
    return {key: (link or title, _fill("section", id=key, title=title, about=about, body=body))}


def _summary(run: _Run, links: Html) -> Html:
    weights = [_fill("weight", name=k, hash=v) for k, v in run.made["weights"].items()]
    return _fill(
        "summary",
        name=run.plan.name,
        about=run.plan.about,
        progress=_come(run),
        facts=join(_fill("fact", term=t, value=v, hint=hint) for t, v, hint in _facts(run)),
        command=run.made["command"],
        weights=join(weights),
        links=links,
    )


def _facts(run: _Run) -> list[tuple[str, str, str]]:
    plan, made = run.plan, run.made
    judges = {
        role: [name for name, one in made["judges"].items() if (one == "stranger") is stranger]
        for role, stranger in (("Strangers", True), ("Kin", False))
    }
    after = f", after the first {plan.skip}" if plan.skip else ""
    return [
        ("People", f"{plan.people} of {plan.split}{after}", ""),
        ("Seed", str(plan.seed), "of all randomness"),
        ("Budget ε", ", ".join(f"{e:g}" for e in plan.epsilon), "grey levels"),
        ("Surrogates", ", ".join(made["surrogates"]), "what methods are optimised on"),
        ("Judges: strangers", ", ".join(judges["Strangers"]) or "none", "they count"),
        ("Judges: kin", ", ".join(judges["Kin"]) or "none", "of a surrogate; count in no mean"),
        ("Adversaries", ", ".join(plan.adversaries) or "none", "before judging"),
        ("Machine", made["machine"], f"computed on {made['device']}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in made["versions"].items()), ""),
    ]


def _come(run: _Run) -> str:
    """How far the run has come."""
    wanted = [
        run.store.outcome(entry, judge, change.name)
        for entry in run.entries
        for change in changes_of(run.plan)
        for judge in looking(run.made, entry, change)
    ]
    done = sum(file.is_file() for file in wanted)
    if done == len(wanted):
        return f"Finished: {len(run.entries)} methods, each seen by every judge."
    counts = [len(numbers_of(run.store, entry)) for entry in run.entries]
    return (
        f"Not finished: {sum(counts)} photos of {sum(map(bool, counts))} of {len(counts)} methods "
        f"are written, and {done} of {len(wanted)} verdicts (methods × judges × changes) are there."
    )


def _rates(run: _Run) -> _Sections:
    """A section per scenario: its first measure, and the others behind a click."""
    out: _Sections = {}
    for scenario in dict.fromkeys(row.scenario for row in run.rows):
        there = {row.measure for row in run.rows if row.scenario == scenario}
        names = [name for name in MEASURES if name in there] + sorted(there - set(MEASURES))
        tables = [
            _fill("measure", title=_words(name), table=rate_table(run.methods, grid, _words(name)))
            for name in names
            if (grid := grid_of(run.rows, scenario, name)).lines
        ]
        if not tables:
            continue
        rest = [_fill("more", title="Other measures", body=join(tables[1:]))] if tables[1:] else []
        title = _SCENARIOS.get(scenario, f"Scenario {scenario}")
        about = _GROUPS if scenario == "F" else _RATES
        link = title.split(":")[0].split(",")[0]
        body = join([tables[0], *rest])
        out |= _section(f"scenario-{scenario.lower()}", title, about, body, link)
    return out


def _words(measure: str) -> str:
    words = MEASURES.get(measure, measure)
    return words[:1].upper() + words[1:]


def _charts(run: _Run) -> _Sections:
    lead = leading(run.rows)
    if lead is None:
        return {}
    measure = f"{_words(lead[1]).split(':')[0]}, scenario {lead[0]}, mean of strangers"
    body = trade_offs(run.methods, grid_of(run.rows, *lead), run.quality, measure)
    about = (
        "Further up hides better, further to the right changes less; the line is where nothing is "
        "known to do both. Filled blue: Bauta's own; grey: published methods; hollow: covering."
    )
    out: _Sections = {}
    if body:
        out |= _section("trade-offs", "Protection against visibility", about, body, "Trade-offs")
    curves = robustness_figures(run.methods, run.rows, run.plan, lead, measure)
    if curves:
        about = (
            f"{measure}, after what adversaries do to the protected photo before it is judged. "
            "Bands are 95 % intervals; thin grey lines are the other methods."
        )
        out |= _section("robustness", "What adversaries undo", about, curves, "Adversaries")
    return out


def _quality(run: _Run) -> _Sections:
    table = quality_table(run.methods, run.quality)
    if not table:
        return {}
    about = (
        "Means over people, of written files against originals; the largest change is that of any "
        "sample of any photo, in grey levels. Face: within the detector's box. MMD: between "
        "protected and real faces. Seconds: per face, on the machine above."
    )
    return _section("quality", "How much the photos change", about, table, "Quality")


def _pictures(run: _Run, progress: Progress) -> _Sections:
    faces = faces_of(run.store, run.entries)
    if faces is None:
        return {}
    about = "The same square of every photo. Numbers are those of the files in the run's folder."
    if not faces.unchanged:
        about += (
            " The run has no unchanged photos, since “none” is not among its methods or has not "
            f"been run yet: there are no originals, and faces are where {faces.reference.key} has "
            "them."
        )
    out = _section("faces", "Faces", about, sheet(run.methods, faces, progress))
    worst = failures(run.methods, faces, run.made)
    if worst:
        about = (
            "Of each of Bauta's methods, the photos in which most strangers still find the person "
            "first; among equals, the most similar one. Nothing is left out of the choice."
        )
        out |= _section("failures", "The worst failures", about, worst)
    return out
