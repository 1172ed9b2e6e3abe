"""``bauta serve``."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from typing import Annotated

import typer
from rich.markup import escape

from bauta.cli.manual import manual
from bauta.cli.output import err, out, usage_errors
from bauta.errors import MissingExtraError, UsageError

MANUAL = manual(
    """
    bauta serve                         opens the page in your browser
    bauta serve --no-browser            only shows the link
    bauta serve --minutes 10            wiped after ten minutes without use
    bauta serve --host 192.168.1.5 --port 8000    for others on the network too
    """,
    exits="0 closed, 2 bad usage.",
    files="weights page",
    environment="weights plugins page",
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_command(
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0: any that is free.", metavar="N")
    ] = 0,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any but this machine's own lets the network in.",
            metavar="ADDRESS",
        ),
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    minutes: Annotated[
        float,
        typer.Option(help="Wipe a page's photos after so long without use.", metavar="MINUTES"),
    ] = 60.0,
) -> None:
    """Open a page in your browser: drop photos, hide faces, and compare before and after.

    The page is served by this machine to itself; photos never leave it, and the page asks nobody
    else for anything. What you drop lies in a private folder, which is wiped when you end this
    command, press Wipe, or do not use the page for an hour. Each link that is shown opens one page.
    """
    with usage_errors():
        if not find_spec("starlette") or not find_spec("uvicorn"):
            raise MissingExtraError("the local page", "web")
        if minutes <= 0:
            raise UsageError(f"photos are kept for more than {minutes:g} minutes")
        if host not in _LOOPBACK:
            err.print(
                f"[yellow]careful:[/] {escape(host)} can be reached from other machines, and what "
                "they send is not encrypted on its way"
            )
        from bauta.web.limits import Limits
        from bauta.web.server import serve

        opened = 0

        def announce(link: str) -> None:
            nonlocal opened
            opened += 1
            if opened == 1:
                out.print(f"Bauta's page: {link}\n[dim]Ctrl-C ends it, and wipes all photos.[/]")
                if browser:
                    webbrowser.open(link)
            else:
                out.print(f"[dim]for another page: {link}[/]")

        serve(host=host, port=port, limits=Limits(idle=60 * minutes), announce=announce)
    out.print("The page is closed; its photos are wiped.")
