"""``bauta recognizers list | show | fetch | evaluate | train``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Table

from bauta.cli import train
from bauta.cli.output import err, out, print_json, progress_bar, usage_errors

app = typer.Typer(
    help="Recognizers and detectors: what there is, under which licence, how good it is.",
    no_args_is_help=True,
)
app.command("train", epilog=train.EXAMPLES)(train.train_command)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("list", epilog="Example: bauta recognizers list --json")
def list_command(json: _Json = False) -> None:
    """List all weight files, their licences, and whether they are on this machine."""
    from bauta.errors import WeightsError
    from bauta.weights.records import available, records

    def here(name: str) -> bool:
        try:
            return available(name)
        except WeightsError:
            return False

    if json:
        print_json([{**asdict(row), "installed": here(row.name)} for row in records().values()])
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("name", "kind", "here", "licence", "commercial use"):
        table.add_column(title)
    for row in records().values():
        state = "[green]yes[/]" if here(row.name) else "[dim]fetch[/]"
        use = "allowed" if row.commercial_use else "[red]no[/]"
        table.add_row(row.name, row.kind, state, escape(row.licence), use)
    out.print(table)


@app.command("show", epilog="Example: bauta recognizers show mobilefacenet-ms1m")
def show_command(name: Annotated[str, typer.Argument()], json: _Json = False) -> None:
    """Show one record: source, hash, licence, training data, thresholds."""
    from bauta.recognizers.thresholds import thresholds_of
    from bauta.recognizers.zoo import WEIGHTS_OF
    from bauta.weights.records import record

    with usage_errors():
        row = record(WEIGHTS_OF.get(name, name))
        users = [name, *(user for user, weights in WEIGHTS_OF.items() if weights == row.name)]
        limits = {user: dict(thresholds_of(user)) for user in users if thresholds_of(user)}
    if json:
        plain = {u: {k: asdict(t) for k, t in table.items()} for u, table in limits.items()}
        print_json({**asdict(row), "thresholds": plain})
        return
    for key, value in asdict(row).items():
        if value not in (None, ""):
            out.print(f"[bold]{key:15}[/] {escape(str(value))}")
    for user, table in limits.items():
        for key, limit in table.items():
            out.print(
                f"[bold]{'threshold':15}[/] {user}, {key}: similarity {limit.similarity} "
                f"(TAR {limit.tar:.2%}; {escape(limit.data)})"
            )


@app.command(
    "fetch",
    epilog="""
Examples:

  bauta recognizers fetch mobilefacenet-ms1m

  bauta recognizers fetch mobilefacenet-ms1m --from usb-stick/
""",
)
def fetch_command(
    names: Annotated[list[str], typer.Argument(help="Names out of `bauta recognizers list`.")],
    from_dir: Annotated[
        Path | None, typer.Option("--from", help="Take the files from this folder, offline.")
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


@app.command("evaluate")
def evaluate_command(
    name: Annotated[str, typer.Argument(help="Recognizer.")],
    data: Annotated[Path, typer.Option(help="Folder of LFW: one folder per person.")],
    pairs: Annotated[Path, typer.Option(help="LFW's pairs.txt.")],
    save: Annotated[
        Path | None,
        typer.Option(help="Thresholds file to update; default: the user's own."),
    ] = None,
    json: _Json = False,
) -> None:
    """Measure verification accuracy, TAR at FAR 1 % and 0.1 %, and write the thresholds.

    Example: bauta recognizers evaluate dlib --data lfw --pairs lfw-pairs.txt
    """
    from bauta.recognizers.evaluate import evaluate, read_pairs
    from bauta.recognizers.thresholds import save_thresholds, user_file
    from bauta.recognizers.zoo import get_recognizer
    from bauta.weights.records import data_folder

    with usage_errors():
        judge = get_recognizer(name)
        rows = read_pairs(pairs)
        with progress_bar(quiet=json) as bar:
            task = bar.add_task(name, total=None)
            result = evaluate(
                judge,
                data,
                rows,
                cache=data_folder().parent / "cache",
                data=f"{data.name}, {len(rows):,} pairs of {pairs.name}",
                command=f"bauta recognizers evaluate {name} --data {data.name} "
                f"--pairs {pairs.name}",
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        file = save or user_file()
        save_thresholds(file, name, result.thresholds)
    if json:
        print_json(
            {
                "recognizer": name,
                "accuracy": result.accuracy,
                "standard_error": result.deviation,
                "pairs": result.pairs,
                "assumed": result.assumed,
                "thresholds": {k: asdict(t) for k, t in result.thresholds.items()},
            }
        )
        return
    out.print(
        f"[bold]{name}[/]: accuracy {result.accuracy:.2%} +- {result.deviation:.2%} "
        f"({result.pairs:,} pairs; in {result.assumed} photos no face was found, "
        "so the middle was taken)"
    )
    for key, limit in result.thresholds.items():
        out.print(f"  {key}: TAR {limit.tar:.2%} at similarity {limit.similarity}")
    out.print(f"thresholds written to {escape(str(file))}")
