"""The ``bauta`` command and what all its subcommands share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bauta import __version__
from bauta.cli import bench, mask, private, protect, recognizers, verify, views, watermark

app = typer.Typer(
    name="bauta",
    help="Protect faces in photos from face recognition, on your own machine.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("protect", epilog=protect.EXAMPLES)(protect.protect_command)
app.command("verify", epilog=verify.EXAMPLES)(verify.verify_command)
app.add_typer(mask.app, name="mask")
app.add_typer(watermark.app, name="watermark")
app.add_typer(private.app, name="private")
app.add_typer(recognizers.app, name="recognizers")
app.add_typer(views.app, name="views")
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bauta {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 some inputs failed, 2 bad usage."""
    # Photos are named in messages, and names are in any script.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
