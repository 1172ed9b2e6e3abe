"""``bauta recognizers list | show | fetch | add | remove | evaluate``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import TaskID
from rich.table import Table

from bauta.cli.output import complain, err, out, print_json, progress_bar, usage_errors
from bauta.weights.records import WeightRecord

app = typer.Typer(
    help="Recognizers and detectors: what there is, under which licence, how good it is.",
    no_args_is_help=True,
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("list", epilog="Example: bauta recognizers list --json")
def list_command(json: _Json = False) -> None:
    """List all weight files, their licences, and whether they are on this machine."""
    rows = _all_records()
    if json:
        print_json([{**asdict(row), "installed": here} for row, here in rows])
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for title in ("name", "kind", "here", "licence", "commercial use"):
        table.add_column(title)
    for row, here in rows:
        missing = "[red]altered[/]" if row.source == "user" else "[dim]fetch[/]"
        state = "[green]yes[/]" if here else missing
        use = "allowed" if row.commercial_use else "[red]no[/]"
        table.add_row(row.name, row.kind, state, escape(row.licence), use)
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


@app.command("show", epilog="Example: bauta recognizers show mobilefacenet-ms1m")
def show_command(name: Annotated[str, typer.Argument()], json: _Json = False) -> None:
    """Show one record: source, hash, licence, training data, thresholds."""
    from bauta.recognizers.own import OWN, plain
    from bauta.recognizers.thresholds import thresholds_of
    from bauta.recognizers.zoo import WEIGHTS_OF
    from bauta.weights.records import record, records

    with usage_errors():
        weights = WEIGHTS_OF.get(name, name)
        own = OWN.get(name) if weights not in records() else None
        row = own.record if own else record(weights)
        users = [name, *(user for user, weights in WEIGHTS_OF.items() if weights == row.name)]
        limits = {user: dict(thresholds_of(user)) for user in users if thresholds_of(user)}
    facts = {**asdict(row), **(plain(own) if own else {})}
    if json:
        limits_json = {u: {k: asdict(t) for k, t in table.items()} for u, table in limits.items()}
        print_json({**facts, "thresholds": limits_json})
        return
    for key, value in facts.items():
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


@app.command(
    "add",
    epilog="""
Examples:

  bauta recognizers add r50.onnx --name my-r50 --size 112 --mean 127.5 --std 127.5

  bauta recognizers add vgg.onnx --name my-vgg --size 224 --order bgr --crop loose
  --mean 91.4953,103.8827,131.0912 --std 1

  bauta recognizers add wide.onnx --name my-wide --size 128 --mean 127.5 --std 128
  --crop 46.3,51.7,81.5,51.5,64,71.7,49.5,92.4,78.7,92.2 --licence MIT --commercial-use
""",
)
def add_command(
    file: Annotated[Path, typer.Argument(help="The ONNX file; it is copied.")],
    name: Annotated[str, typer.Option(help="What to call it.")],
    size: Annotated[int, typer.Option(help="Side of the network's input, in pixels.")],
    mean: Annotated[
        str,
        typer.Option(
            help="Taken from grey levels 0-255: one number, or three with commas between them, in "
            "the network's channel order."
        ),
    ],
    std: Annotated[str, typer.Option(help="What the rest is divided by, likewise.")],
    order: Annotated[str, typer.Option(help="Channel order of the network: rgb or bgr.")] = "rgb",
    crop: Annotated[
        str,
        typer.Option(
            help="arcface, dlib (face chip), loose (whole head), or where it has left eye, right "
            "eye, nose and mouth's corners: x,y,x,y,x,y,x,y,x,y in pixels of the input."
        ),
    ] = "arcface",
    unit_length: Annotated[
        bool, typer.Option(help="Compare embeddings by their angle, not by their distance.")
    ] = True,
    output_name: Annotated[
        str, typer.Option("--output", help="Which output is the embedding, if there are several.")
    ] = "",
    licence: Annotated[str, typer.Option(help="Licence of the file.")] = "not stated",
    commercial_use: Annotated[
        bool, typer.Option(help="Whether the licence allows commercial use.")
    ] = False,
    json: _Json = False,
) -> None:
    """Add a recognizer of your own: an ONNX file and how it wants its faces."""
    from bauta.recognizers.adding import add_recognizer
    from bauta.recognizers.onnx_judge import Convention
    from bauta.recognizers.own import plain

    with usage_errors():
        convention = Convention(
            size=size,
            mean=_channels("--mean", mean),
            std=_channels("--std", std),
            order=order,  # type: ignore[arg-type]  # checked there
            crop=crop if crop[:1].isalpha() else _numbers("--crop", crop),
            unit_length=unit_length,
            output=output_name,
        )
        own = add_recognizer(file, name, convention, licence=licence, commercial_use=commercial_use)
    if json:
        print_json({**asdict(own.record), **plain(own)})
        return
    out.print(f"{own.name}: added, {own.dimensions} numbers per face")
    if own.judge_only:
        out.print(f"[yellow]It can judge, but not be a surrogate:[/] {escape(own.judge_only)}")
    else:
        out.print(
            f"It can judge and be a surrogate: its gradients' network agrees with onnxruntime to "
            f"{own.agreement:.1g} of an embedding's length"
        )
    out.print(
        "Before it takes part it needs thresholds: "
        f"bauta recognizers evaluate {own.name} --data lfw --pairs lfw-pairs.txt"
    )


def _numbers(option: str, text: str) -> tuple[float, ...]:
    from bauta.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} takes numbers with commas between them, not {text}") from error


def _channels(option: str, text: str) -> tuple[float, float, float]:
    """One number per channel; one for all is allowed."""
    from bauta.errors import UsageError

    numbers = _numbers(option, text)
    if len(numbers) not in (1, 3):
        raise UsageError(f"{option} takes one number or three, not {len(numbers)}")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


@app.command("remove", epilog="Example: bauta recognizers remove my-r50")
def remove_command(
    name: Annotated[str, typer.Argument(help="A recognizer that you have added.")],
) -> None:
    """Remove a recognizer of your own, its file and its thresholds. Nothing else is removed."""
    from bauta.recognizers.adding import remove_recognizer

    with usage_errors():
        remove_recognizer(name)
    out.print(f"{name}: removed")


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
