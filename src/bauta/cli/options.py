"""Options that several commands share, so that they say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bauta.cli import complete

#: Panels that options stand in, where a command has more than a handful.
WHOM = "Whom"
OUTPUT = "What is written"
JUDGES = "Recognizers"
MACHINE = "Computing"

_FACES = "all, largest, or numbers such as 1,3 (1 is the largest)."

Photos = Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", metavar="PATH")]
Media = Annotated[
    list[Path],
    typer.Argument(help="Photos, videos, or folders of photos and videos.", metavar="PATH"),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="File to write; a folder if there are several photos. Without it, beside each photo.",
        metavar="PATH",
        rich_help_panel=OUTPUT,
    ),
]
Perceptual = Annotated[
    bool, typer.Option(help="Change smooth areas less, where the eye sees it most.")
]
Surrogates = Annotated[
    list[str] | None,
    typer.Option(
        help="Recognizer to make it against, instead of the preset's; repeatable.",
        metavar="NAME",
        autocompletion=complete.recognizers,
        rich_help_panel=JUDGES,
    ),
]
Faces = Annotated[
    str,
    typer.Option(
        help=_FACES,
        metavar="WHICH",
        autocompletion=complete.words("all", "largest"),
        rich_help_panel=WHOM,
    ),
]
MinFace = Annotated[
    float | None,
    typer.Option(
        help="Smallest face to find, in pixels; by default a share of the photo's longer side.",
        metavar="PIXELS",
        rich_help_panel=WHOM,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="cpu or cuda.",
        metavar="NAME",
        autocompletion=complete.words("cpu", "cuda"),
        rich_help_panel=MACHINE,
    ),
]
Devices = Annotated[
    int, typer.Option(help="How many devices.", metavar="NUMBER", rich_help_panel=MACHINE)
]
Precision = Annotated[
    str,
    typer.Option(
        help="32-true, bf16-mixed or 16-mixed.",
        metavar="NAME",
        autocompletion=complete.words("32-true", "bf16-mixed", "16-mixed"),
        rich_help_panel=MACHINE,
    ),
]
KeepMetadata = Annotated[
    bool,
    typer.Option(
        "--keep-metadata",
        help="Keep location, serial numbers and the like.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace existing outputs (never originals).",
        rich_help_panel=OUTPUT,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Write a report: FILE.html, FILE.json, or FILE for both.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs.", rich_help_panel=OUTPUT)
]
TrainingFolder = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="Folder for checkpoint, log, and result.",
        metavar="FOLDER",
        rich_help_panel=OUTPUT,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        help="Of all randomness, instead of the recipe's.",
        metavar="NUMBER",
        rich_help_panel=MACHINE,
    ),
]
Minutes = Annotated[
    float,
    typer.Option(
        help="Stop after so many minutes; the next call goes on.",
        metavar="MINUTES",
        show_default="no limit",
        rich_help_panel=MACHINE,
    ),
]
