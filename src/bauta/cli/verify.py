"""``bauta verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import JUDGES, Json, Report
from bauta.cli.output import print_json, print_report, say_who_is_left_out, usage_errors

MANUAL = manual(
    """
    bauta verify me.jpg me-protected.jpg
    bauta verify me.jpg me-protected.jpg --other old.jpg --report proof.html
    bauta verify me.jpg me-blurred.jpg --surrogate none
    """,
    exits="0 every face is protected from every judge that took no part, 1 not so, or it failed, "
    "2 bad usage.",
    files="weights",
    environment="weights plugins",
)


def verify_command(
    original: Annotated[Path, typer.Argument(help="The original photo.", metavar="ORIGINAL")],
    protected: Annotated[Path, typer.Argument(help="Its protected copy.", metavar="PROTECTED")],
    other: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another photo of the same people to compare with; repeatable. Without one, the "
            "share of other photos that still match is estimated.",
            metavar="PHOTO",
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="Recognizer that judges; repeatable.",
            show_default="all that can",
            metavar="NAME",
            autocompletion=complete.recognizers,
            rich_help_panel=JUDGES,
        ),
    ] = None,
    surrogate: Annotated[
        list[str] | None,
        typer.Option(
            help="Recognizer that made the protection, so that neither it nor its kin counts; "
            "repeatable. [bold]none[/]: the copy was not made by recognizers.",
            show_default="all that bauta protect makes masks on by itself",
            metavar="NAME",
            autocompletion=complete.makers,
            rich_help_panel=JUDGES,
        ),
    ] = None,
    report: Report = None,
    json: Json = False,
) -> None:
    """Score a protected photo with recognizers, before and after.

    A face is protected from a judge that takes at most 5 % of the person's other photos for the
    same person, partly hidden up to 50 %.
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
