"""``bauta bench``: compare methods under one protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import MACHINE, Device, Json
from bauta.cli.output import Tell, out, print_json, progress_bar, usage_errors
from bauta.errors import UsageError

_Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="Folder of all runs; each has its own in it.", metavar="FOLDER"
    ),
]

app = typer.Typer(
    help="Compare protections: methods, budgets, judges, scenarios.", no_args_is_help=True
)
RUN_MANUAL = manual(
    """
    bauta bench run smoke --data lfw
    bauta bench run mine.toml --data lfw --people 50 --jobs 1
    """,
    files="cache weights",
    environment="weights plugins",
)
REPORT_MANUAL = manual(
    """
    bauta bench report smoke
    """,
)
LIST_MANUAL = manual(
    """
    bauta bench list
    """,
)


@app.command("list", epilog=LIST_MANUAL)
def list_command(
    json: Json = False,
) -> None:
    """List plans, methods and adversaries, with papers and where settings are from."""
    from bauta.bench.changes import adversary_names, curve_of
    from bauta.bench.plan import plan_names, read_plan
    from bauta.methods.baselines.base import baselines
    from bauta.methods.baselines.obscuring import obscurers
    from bauta.methods.registry import methods

    plans = [(name, read_plan(name).about) for name in plan_names()]
    own = [(name, "Bauta's own") for name in methods.names()]
    papers = [(n, baselines[n].paper, baselines[n].settings) for n in baselines.names()]
    plain = [(name, "what people do", obscurers[name].about) for name in obscurers.names()]
    changes = [
        (name, curve_of(name).unit, ", ".join(f"{s:g}" for s in curve_of(name).strengths))
        for name in adversary_names()
    ]
    if json:
        print_json({"plans": plans, "methods": [*own, *papers, *plain], "adversaries": changes})
        return
    for title, rows in (
        ("plans", plans),
        ("methods", [*own, *papers, *plain]),
        ("adversaries", changes),
    ):
        table = Table(
            box=None, padding=(0, 2), show_header=False, title=title, title_justify="left"
        )
        for row in rows:
            table.add_row(*map(escape, row))
        out.print(table)


@app.command("run", epilog=RUN_MANUAL)
def run_command(
    plan: Annotated[
        str,
        typer.Argument(
            help="A plan of Bauta's, or a .toml file.",
            metavar="PLAN",
            autocompletion=complete.named("plan"),
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of LFW: one folder per person; for fairness, UTKFace's zip.",
            metavar="PATH",
        ),
    ],
    output: _Out = Path("runs"),
    people: Annotated[
        int | None, typer.Option(help="How many, instead of the plan's.", metavar="NUMBER")
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(help="Processes; 0: one per core.", metavar="NUMBER", rich_help_panel=MACHINE),
    ] = 0,
    device: Device = "cpu",
) -> None:
    """Run a plan, or go on with it: whatever is done already is not done again."""
    from dataclasses import replace

    from bauta.bench.bench import Bench, check_judges
    from bauta.bench.plan import read_plan
    from bauta.bench.run import run
    from bauta.bench.store import Store
    from bauta.weights.records import data_folder

    with usage_errors():
        chosen = read_plan(plan)
        if people is not None:
            chosen = replace(chosen, people=people)
        cache = data_folder().parent / "cache"
        store = Store(output / chosen.name)
        bench = Bench(plan=chosen, data=data, store=store, cache=cache, device=device)
        check_judges(bench)
        with progress_bar(quiet=False) as bar:
            run(bench, jobs=jobs, progress=Tell(bar))
    out.print(f"done: {escape(str(bench.store.folder))}")
    out.print(f"next: bauta bench report {escape(bench.plan.name)}")


@app.command("report", epilog=REPORT_MANUAL)
def report_command(
    name: Annotated[
        str, typer.Argument(help="The run.", metavar="RUN", autocompletion=complete.runs)
    ],
    output: _Out = Path("runs"),
    json: Json = False,
) -> None:
    """Report a run as far as it has come: a web page, and tables in Markdown and CSV."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from bauta.bench.contestants import contestants
    from bauta.bench.markdown import write_tables
    from bauta.bench.page import page
    from bauta.bench.run import results
    from bauta.bench.store import Store
    from bauta.bench.table import to_csv
    from bauta.bench.visibility import quality_csv, read_quality
    from bauta.media import atomic_write

    with usage_errors():
        folder = output / name
        if not (folder / "plan.json").is_file():
            raise UsageError(f"{folder} holds no run: bauta bench run {name} --data lfw")
        plan, made, rows = results(Store(folder))
        if not rows and not any(folder.glob("photos/*/*.jpg")):
            raise UsageError(f"nothing is written yet: {made['command']}")
        quality = read_quality(Store(folder), plan)
        text = write_tables(rows, plan, made, quality) if rows else ""
        with progress_bar(quiet=json) as bar:
            html = page(Store(folder), plan, made, rows, datetime.now(UTC), Tell(bar))
        files = {"report.html": html}
        # Without rates there is nothing to put into tables yet, but there are photos to look at.
        files |= {"report.md": text, "rates.csv": to_csv(rows)} if rows else {}
        files |= {"quality.csv": quality_csv(contestants(plan), quality)} if quality else {}
        for file, content in files.items():
            atomic_write(folder / file, content.encode(), overwrite=True)
    if json:
        print_json([asdict(row) for row in rows])
        return
    out.print(escape(text or "nothing is judged yet: no tables, but the photos so far"))
    out.print(", ".join(escape(str(folder / file)) for file in files))
