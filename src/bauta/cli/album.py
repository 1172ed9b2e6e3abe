"""``bauta protect FOLDER -o OUT``: albums on the command line."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from bauta.albums.album import AlbumReport, Planned, plan_album, protect_album
from bauta.albums.cluster import RayEngine
from bauta.albums.engines import Engine, LocalEngine
from bauta.albums.manifest import Entry
from bauta.albums.page import write_album_report
from bauta.cli.output import VERDICTS, Tell, err, out, print_json, progress_bar, usage_errors
from bauta.errors import UsageError
from bauta.settings import Settings

#: What plans mean to a person.
_PLANS = {
    "do": "to do",
    "again": "to do again: it failed, stopped, was changed, or protected in another way",
    "copy": "has the same content as another file, whose result it gets",
    "done": "done",
    "faceless": "no face was found in it",
    "ours": "protected already",
    "taken": "NOT BAUTA'S: its name in the output is taken",
}
_NAMED = 20


def run_album(
    folder: Path,
    output: Path,
    settings: Settings,
    *,
    engine: str,
    address: str | None,
    jobs: int,
    dry_run: bool,
    overwrite: bool,
    report: Path | None,
    json: bool,
) -> None:
    """Protect an album, or say what would be done.

    Raises:
        typer.Exit: with 1 if a file failed, with 2 if the album cannot be worked on at all.

    """
    if dry_run:
        with usage_errors(), progress_bar(quiet=json) as bar:
            planned = plan_album(folder, output, settings, overwrite=overwrite, progress=Tell(bar))
        _say_plans(planned, json=json)
        return
    with usage_errors():
        runs = engine_of(engine, address, jobs)
        with progress_bar(quiet=json) as bar:

            def told(entry: Entry) -> None:
                if not json:
                    bar.console.print(_said(entry))

            try:
                album = protect_album(
                    folder, output, settings, engine=runs, overwrite=overwrite,
                    progress=Tell(bar), told=told,
                )  # fmt: skip
            except KeyboardInterrupt:
                err.print("interrupted: the same command goes on from here")
                raise
        written = write_album_report(album, report) if report else []
    if json:
        print_json(album.to_json())
    else:
        _say_summary(album)
        if written:
            err.print("report: " + escape(", ".join(str(file) for file in written)))
    if album.named("failed"):
        raise typer.Exit(1)


def engine_of(name: str, address: str | None, jobs: int) -> Engine:
    """Build an engine by name.

    Raises:
        UsageError: there is none of that name, or it has no use of an address.
        MissingExtraError: it is not installed.

    """
    if jobs < 0:
        raise UsageError(f"there are no {jobs} jobs: use 0 or more")
    if name == "ray":
        return RayEngine(address, jobs)
    if name != "local":
        raise UsageError(f"unknown engine {name!r}: use local or ray")
    if address:
        raise UsageError("--address is for --engine ray")
    return LocalEngine(jobs)


def _said(entry: Entry) -> str:
    name = f"[bold]{escape(entry.name)}[/]"
    if entry.status == "done":
        return f"{name}: {VERDICTS[entry.verdict]}"
    if entry.status == "faceless":
        return f"{name}: [yellow]no face was found, so nothing was written[/]"
    return f"{name}: [red]failed:[/] {escape(entry.error)}"


def _say_plans(planned: list[Planned], *, json: bool) -> None:
    if json:
        print_json([{"path": one.media.name, "plan": one.plan} for one in planned])
        return
    for one in planned:
        if one.plan not in ("done", "ours", "faceless"):
            out.print(f"{escape(one.media.name)}: {_PLANS[one.plan]}")
    table = Table(box=None, padding=(0, 2), show_header=False)
    for plan, words in _PLANS.items():
        if count := sum(one.plan == plan for one in planned):
            table.add_row(f"{count:,}", words)
    out.print(table)


def _say_summary(album: AlbumReport) -> None:
    table = Table(box=None, padding=(0, 2), show_header=False)
    for verdict, count in sorted(album.verdicts.items()):
        table.add_row(f"{count:,}", VERDICTS[verdict])
    for status, words in (
        ("faceless", "no face was found in them: nothing was written"),
        ("failed", "[red]failed[/]"),
    ):
        if entries := album.named(status):
            table.add_row(f"{len(entries):,}", words)
    kept = sum(album.planned.get(plan, 0) for plan in ("done", "faceless", "ours"))
    if kept:
        table.add_row(f"{kept:,}", "[dim]of them as they were[/]")
    if album.gone:
        table.add_row(f"{len(album.gone):,}", "[dim]are in the album no more; their files stay[/]")
    out.print(table)
    for entry in album.named("failed")[:_NAMED]:
        out.print(f"[red]failed:[/] {escape(entry.name)}: {escape(entry.error)}")
    left_out = sorted(
        {
            item
            for entry in album.named("done")
            for item in entry.report.get("settings", {}).get("left_out", ())
        }
    )
    if left_out:
        out.print(f"[dim]metadata left out: {escape(', '.join(left_out))}[/]")
