"""``bauta recognizers evaluate`` and ``bauta recognizers diversity``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import OUTPUT, Json
from bauta.cli.output import out, print_json, progress_bar, usage_errors

if TYPE_CHECKING:
    from bauta.recognizers.diversity import Team
    from bauta.recognizers.evaluate import Evaluation, Pair

EVALUATE_MANUAL = manual(
    """
    bauta recognizers evaluate dlib --data lfw --pairs lfw-pairs.txt
    bauta recognizers evaluate dlib mobilefacenet-ms1m --plot roc.png \\
      --data lfw --pairs lfw-pairs.txt
    bauta recognizers evaluate dlib --data lfw --split lfw-identification
    """,
    files="weights cache",
    environment="weights plugins",
)
DIVERSITY_MANUAL = manual(
    """
    bauta recognizers diversity --data lfw --pairs lfw-pairs.txt
    bauta recognizers diversity dlib mobilefacenet-ms1m --plot heat.png \\
      --data lfw --pairs lfw-pairs.txt
    """,
    files="cache",
    environment="weights plugins",
)
_TEAMS_SHOWN = 10
_Data = Annotated[
    Path, typer.Option(help="Folder of LFW: one folder per person.", metavar="FOLDER")
]
_Pairs = Annotated[Path | None, typer.Option(help="LFW's pairs.txt.", metavar="FILE")]
_Split = Annotated[
    str | None,
    typer.Option(
        help="Instead of --pairs: 6,000 pairs of the people of a split, such as "
        "lfw-identification, whom no network of Bauta was trained on.",
        metavar="NAME",
        autocompletion=complete.splits,
    ),
]


def evaluate_command(
    names: Annotated[
        list[str],
        typer.Argument(help="Recognizers.", metavar="NAME", autocompletion=complete.recognizers),
    ],
    data: _Data,
    pairs: _Pairs = None,
    split: _Split = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Thresholds file to update.",
            show_default="the user's own",
            metavar="FILE",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the ROC curves into this .png or .svg file.",
            metavar="FILE",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure verification accuracy, TAR at FAR 1 % and 0.1 %, and write the thresholds.

    Embeddings are kept, so that a second run takes seconds.
    """
    from bauta.audit.plots import check_picture, draw_roc
    from bauta.recognizers.thresholds import save_thresholds, user_file

    with usage_errors():
        if plot:
            check_picture(plot)
        results = _measure(names, data, pairs, split, quiet=json)
        file = save or user_file()
        for result in results:
            save_thresholds(file, result.recognizer, result.thresholds)
        if plot:
            draw_roc(results, plot)
    if json:
        print_json([_evaluation_json(result) for result in results])
        return
    for result in results:
        _print_evaluation(result)
    out.print(f"thresholds written to {escape(str(file))}")
    _say_drawn(plot)


def diversity_command(
    data: _Data,
    pairs: _Pairs = None,
    split: _Split = None,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Recognizers; default: all installed.",
            metavar="NAME",
            autocompletion=complete.recognizers,
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Members of a team.", min=2, metavar="NUMBER")] = 2,
    at: Annotated[
        str,
        typer.Option(
            help="Where a judgement counts as wrong: equal-error, far-1% or far-0.1%.",
            metavar="NAME",
            autocompletion=complete.words(*complete.THRESHOLDS),
        ),
    ] = "equal-error",
    seed: Annotated[
        int, typer.Option(help="Of the resampling behind the intervals.", metavar="NUMBER")
    ] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the error correlation into this .png or .svg file.",
            metavar="FILE",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show which recognizers fail together, and which teams fail together most rarely.

    Each recognizer judges every pair at a threshold of its own. Pairs with a
    photo in which no face was found are left out. Focal diversity, 0 to 1, is
    high for teams whose members make their errors on different pairs.
    """
    import numpy as np

    from bauta.audit.plots import check_picture, draw_heat_map
    from bauta.errors import UsageError
    from bauta.recognizers.diversity import error_correlation, rank_teams
    from bauta.recognizers.zoo import installed

    with usage_errors():
        chosen = names or installed()
        if not size <= len(chosen):
            raise UsageError(f"teams of {size} need as many recognizers, not {len(chosen)}")
        if plot:
            check_picture(plot)
        results = _measure(chosen, data, pairs, split, quiet=json)
        # What the detector missed, all recognizers miss: that says nothing about them.
        counted = ~results[0].guessed
        errors = np.stack([result.errors(at)[counted] for result in results])
        table = error_correlation(errors)
        teams = rank_teams(chosen, errors, size, seed=seed)
        if plot:
            draw_heat_map(chosen, table, plot, title=f"Correlation of errors ({at} thresholds)")
    if json:
        print_json(
            {
                "at": at,
                "pairs": errors.shape[1],
                "pairs_left_out": int((~counted).sum()),
                "recognizers": [_errors_json(result, at) for result in results],
                "error_correlation": _without_nan(table.tolist()),
                "teams": [_without_nan(asdict(team)) for team in teams],
                "seed": seed,
            }
        )
        return
    _print_correlation(results, at, table.tolist())
    _print_teams(teams)
    _say_drawn(plot)


def _measure(
    names: Sequence[str], data: Path, pairs: Path | None, split: str | None, *, quiet: bool
) -> list[Evaluation]:
    """Evaluate recognizers one after the other; all are looked up before the first begins."""
    from bauta.errors import UsageError
    from bauta.recognizers.evaluate import evaluate
    from bauta.recognizers.zoo import get_recognizer
    from bauta.weights.records import data_folder

    if len(set(names)) < len(names):
        raise UsageError("a recognizer is named twice")
    judges = [get_recognizer(name) for name in names]
    rows, source = _read_pairs(data, pairs, split)
    command = f"--data {data.name} " + (f"--pairs {pairs.name}" if pairs else f"--split {split}")
    results = []
    with progress_bar(quiet=quiet) as bar:
        for judge in judges:
            task = bar.add_task(judge.name, total=None)

            def tell(done: int, total: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            result = evaluate(
                judge,
                data,
                rows,
                cache=data_folder().parent / "cache",
                data=f"{data.name}, {len(rows):,} pairs of {source}",
                command=f"bauta recognizers evaluate {judge.name} {command}",
                progress=tell,
            )
            bar.update(task, completed=1, total=1)
            results.append(result)
    return results


def _read_pairs(data: Path, pairs: Path | None, split: str | None) -> tuple[list[Pair], str]:
    """Pairs, and what they are pairs of."""
    from bauta.errors import UsageError
    from bauta.recognizers.evaluate import read_pairs
    from bauta.training.pairs import held_out_pairs, split_people

    if (pairs is None) == (split is None):
        raise UsageError("give either --pairs or --split")
    if pairs is not None:
        return read_pairs(pairs), pairs.name
    assert split is not None
    people = sorted(who for who in split_people(split) if (data / who).is_dir())
    photos = [f"{who}/{photo.name}" for who in people for photo in (data / who).iterdir()]
    return held_out_pairs(photos), f"{len(people):,} people of {Path(split).stem}"


def _evaluation_json(result: Evaluation) -> dict[str, Any]:
    return {
        "recognizer": result.recognizer,
        "accuracy": result.accuracy,
        "standard_error": result.deviation,
        "pairs": result.pairs,
        "assumed": result.assumed,
        "thresholds": {k: asdict(t) for k, t in result.thresholds.items()},
    }


def _print_evaluation(result: Evaluation) -> None:
    out.print(
        f"[bold]{result.recognizer}[/]: accuracy {result.accuracy:.2%} +- {result.deviation:.2%} "
        f"({result.pairs:,} pairs; in {result.assumed} photos no face was found, "
        "so the middle was taken)"
    )
    for key, limit in result.thresholds.items():
        out.print(
            f"  {key}: TAR {limit.tar:.2%}, FAR {limit.far:.2%} at similarity {limit.similarity}"
        )


def _errors_json(result: Evaluation, at: str) -> dict[str, Any]:
    wrong = result.errors(at) & ~result.guessed
    return {
        "recognizer": result.recognizer,
        "similarity": result.thresholds[at].similarity,
        "errors": int(wrong.sum()),
        "accepted_impostors": int(wrong[~result.same].sum()),
        "refused_genuine": int(wrong[result.same].sum()),
    }


def _print_correlation(results: Sequence[Evaluation], at: str, table: list[list[float]]) -> None:
    """The table of correlations, its columns numbered so that many fit."""
    out.print(
        f"[bold]Correlation of errors[/] on {(~results[0].guessed).sum():,} pairs, "
        f"each at its {at} threshold (1: they fail together; 0: independently)"
    )
    view = Table(box=None, padding=(0, 1), header_style="bold")
    view.add_column("", justify="right")
    view.add_column("recognizer", no_wrap=True)
    for title in ("at", "errors", *map(str, range(1, len(results) + 1))):
        view.add_column(title, justify="right")
    for number, (result, row) in enumerate(zip(results, table, strict=True), 1):
        facts = _errors_json(result, at)
        cells = ["-" if math.isnan(value) else f"{value:.2f}" for value in row]
        view.add_row(
            f"{number}",
            escape(result.recognizer),
            f"{facts['similarity']:.3f}",
            f"{facts['errors']}",
            *cells,
        )
    out.print(view)


def _print_teams(teams: Sequence[Team]) -> None:
    shown = teams[:_TEAMS_SHOWN]
    rest = f", the first {len(shown)} of {len(teams)}" if len(teams) > len(shown) else ""
    out.print(f"\n[bold]Focal diversity[/] of teams of {len(teams[0].members)}{rest}")
    view = Table(box=None, padding=(0, 1), header_style="bold")
    for title in ("diversity", "95 % interval", "all fail", "one fails"):
        view.add_column(title, justify="right", no_wrap=True)
    view.add_column("team")
    for team in shown:
        low, high = team.interval
        unknown = math.isnan(team.focal_diversity)
        view.add_row(
            "-" if unknown else f"{team.focal_diversity:.3f}",
            "-" if unknown else f"{low:.3f} to {high:.3f}",
            f"{team.all_fail}",
            f"{team.some_fail}",
            escape(" + ".join(team.members)),
        )
    out.print(view)


def _say_drawn(plot: Path | None) -> None:
    if plot:
        out.print(f"picture written to {escape(str(plot))}")


def _without_nan(value: Any) -> Any:
    """The same data with None for NaN, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
