"""``bauta verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bauta.cli.options import Json
from bauta.cli.output import print_json, print_report, say_who_is_left_out, usage_errors

EXAMPLES = """
Examples:

  bauta verify me.jpg me-protected.jpg

  bauta verify me.jpg me-protected.jpg --other me-last-year.jpg --report proof.html

  bauta verify me.jpg me-blurred.jpg --surrogate none
"""


def verify_command(
    original: Annotated[Path, typer.Argument(help="The original photo.")],
    protected: Annotated[Path, typer.Argument(help="Its protected copy.")],
    other: Annotated[
        list[Path] | None,
        typer.Option(help="Another photo of the same people to compare with; repeatable."),
    ] = None,
    judge: Annotated[
        list[str] | None, typer.Option(help="Recognizer that judges; default: all installed.")
    ] = None,
    surrogate: Annotated[
        list[str] | None,
        typer.Option(
            help="Recognizer that made the protection, so that neither it nor its kin counts; "
            "default: all that bauta protect makes masks on by itself. [bold]none[/] for a copy "
            "that was not made by recognizers."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report: FILE.html, FILE.json, or FILE for both.")
    ] = None,
    json: Json = False,
) -> None:
    """Score a protected photo with recognizers, before and after.

    Exit code 0 only if every face is protected from every judge that took no part; 1 if not,
    2 for bad usage.
    """
    from bauta.audit.report import write_report
    from bauta.audit.verify import verify
    from bauta.recognizers.zoo import default_judges, every_default_surrogate, get_recognizer

    with usage_errors():
        judges = [get_recognizer(name) for name in judge or default_judges()]
        makers = [name for name in surrogate or every_default_surrogate() if name != "none"]
        made_by = {part for name in makers for part in get_recognizer(name).lineage}
        result = verify(original, protected, judges=judges, others=other or (), surrogates=made_by)
        if report:
            write_report([result], report)
    if json:
        print_json(result.to_json())
    else:
        print_report(result)
        if not judge:
            say_who_is_left_out()
    if result.verdict != "protected":
        raise typer.Exit(1)
