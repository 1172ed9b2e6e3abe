"""``bauta recognizers list | show | fetch | add | remove | evaluate | diversity | train``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Table

from bauta.cli import card, complete, evaluate, own, train
from bauta.cli.manual import manual
from bauta.cli.options import Json
from bauta.cli.output import complain, err, out, print_json, progress_bar, usage_errors
from bauta.weights.table import WeightRecord

app = typer.Typer(
    help="Recognizers and detectors: what there is, under which licence, how good it is.",
    no_args_is_help=True,
)
#: What is said of a file that is not here, by its source.
_MISSING = {"user": "[red]altered[/]", "hand": "[dim]by hand[/]"}


@app.command(
    "list",
    epilog=manual(
        """
        bauta recognizers list
        bauta recognizers list --json
        """,
        files="weights",
        environment="weights",
    ),
)
def list_command(json: Json = False) -> None:
    """List all weight files and plug-ins, their licences, and whether they are on this machine."""
    from bauta.recognizers.zoo import plugged_in

    rows = _all_records()
    with usage_errors():
        others = plugged_in()
    if json:
        plug_ins = [
            {"name": name, "kind": "recognizer", "source": "plug-in", "installed": True}
            for name in others
        ]
        print_json([{**asdict(row), "installed": here} for row, here in rows] + plug_ins)
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("name", "kind", "here", "licence", "commercial use"):
        table.add_column(title)
    for row, here in rows:
        state = "[green]yes[/]" if here else _MISSING.get(row.source, "[dim]fetch[/]")
        use = "allowed" if row.commercial_use else "[red]no[/]"
        table.add_row(row.name, row.kind, state, escape(row.licence), use)
    for name in others:
        table.add_row(escape(name), "recognizer", "plug-in", "ask its author", "ask its author")
    out.print(table)


def _all_records() -> list[tuple[WeightRecord, bool]]:
    """All weight files, the user's own last, and whether they are on this machine."""
    from bauta.errors import WeightsError
    from bauta.recognizers.own import OWN
    from bauta.weights.records import locate_record, records

    rows = list(records().values())
    for name in OWN:
        try:
            rows.append(OWN[name].record)
        except WeightsError as error:
            complain(error)

    def here(row: WeightRecord) -> bool:
        try:
            locate_record(row)
        except WeightsError:
            return False
        return True

    return [(row, here(row)) for row in rows]


app.command("show", epilog=card.MANUAL)(card.show_command)


@app.command(
    "fetch",
    epilog=manual(
        """
        bauta recognizers fetch mobilefacenet-ms1m
        bauta recognizers fetch mobilefacenet-ms1m --from usb-stick/
        """,
        files="weights",
        environment="weights",
    ),
)
def fetch_command(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names out of `bauta recognizers list`.",
            metavar="NAME",
            autocompletion=complete.fetched,
        ),
    ],
    from_dir: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take the files from this folder, or this very file, offline.",
            metavar="PATH",
        ),
    ] = None,
    accept_noncommercial: Annotated[
        bool, typer.Option(help="Accept licences that forbid commercial use.")
    ] = False,
) -> None:
    """Fetch weights, checked against their hashes. Nothing else in Bauta opens a connection."""
    from bauta.weights.fetch import fetch
    from bauta.weights.records import record

    with usage_errors():
        for name in names:
            row = record(name)
            err.print(
                f"{name}: licence {escape(row.licence)}; trained on {escape(row.training_data)}"
            )
            with progress_bar(quiet=False) as bar:
                task = bar.add_task(name, total=row.size_bytes)

                def tell(done: int, total: int | None, task: TaskID = task) -> None:
                    bar.update(task, completed=done, total=total)

                path = fetch(
                    name,
                    from_dir=from_dir,
                    accept_noncommercial=accept_noncommercial,
                    progress=tell,
                )
            out.print(f"{name}: {escape(str(path))}")


app.command("add", epilog=own.ADD_MANUAL)(own.add_command)
app.command("remove", epilog=own.REMOVE_MANUAL)(own.remove_command)
app.command("evaluate", epilog=evaluate.EVALUATE_MANUAL)(evaluate.evaluate_command)
app.command("diversity", epilog=evaluate.DIVERSITY_MANUAL)(evaluate.diversity_command)
app.command("train", epilog=train.MANUAL)(train.train_command)
