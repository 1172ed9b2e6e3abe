"""The ``bauta`` command and what all its subcommands share."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bauta.cli import bench, mask, private, protect, recognizers, serve, verify, views, watermark
from bauta.cli.manual import manual, tidy
from bauta.cli.output import complain, said
from bauta.errors import BautaError

_MEASURING = "Measuring and training"
app = typer.Typer(
    name="bauta",
    help="Protect faces in photos from face recognition, on your own machine.",
    epilog=manual(
        """
        bauta protect me.jpg               writes me-protected.jpg
        bauta verify me.jpg me-protected.jpg --report proof.html
        bauta protect --help               every command has examples
        bauta --install-completion         Tab completes commands and names
        """,
        exits="0 done, 1 some inputs failed (the rest are done), 2 bad usage.",
        files="weights cache album",
        environment="weights plugins passphrase",
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("protect", epilog=protect.MANUAL)(protect.protect_command)
app.command("verify", epilog=verify.MANUAL)(verify.verify_command)
app.command("serve", epilog=serve.MANUAL)(serve.serve_command)
app.add_typer(mask.app, name="mask")
app.add_typer(watermark.app, name="watermark")
app.add_typer(private.app, name="private", rich_help_panel=_MEASURING)
app.add_typer(recognizers.app, name="recognizers", rich_help_panel=_MEASURING)
app.add_typer(views.app, name="views", rich_help_panel=_MEASURING)
app.add_typer(bench.app, name="bench", rich_help_panel=_MEASURING)
tidy(app)


def _version(wanted: bool) -> None:
    if wanted:
        from bauta import __version__

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
    try:
        with said():
            app()
    except BautaError as error:
        # Commands say their errors themselves; what fails while they load, such as a damaged file
        # of the package, is said here.
        complain(error)
        sys.exit(1)
