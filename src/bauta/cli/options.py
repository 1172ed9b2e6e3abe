"""Options that several commands share, so that they say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Photos = Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")]
Media = Annotated[
    list[Path], typer.Argument(help="Photos, videos, or folders of photos and videos.")
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="File to write; a folder if there are several photos."),
]
Perceptual = Annotated[
    bool, typer.Option(help="Change smooth areas less, where the eye sees it most.")
]
Surrogates = Annotated[
    list[str] | None, typer.Option(help="Recognizer to optimise against; repeatable.")
]
Faces = Annotated[
    str, typer.Option(help="all, largest, or numbers such as 1,3 (1 is the largest).")
]
MinFace = Annotated[float | None, typer.Option(help="Smallest face to find, in pixels.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
KeepMetadata = Annotated[
    bool, typer.Option("--keep-metadata", help="Keep location, serial numbers and the like.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace existing outputs (never originals).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TrainingFolder = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for checkpoint, log, and result.")
]
Seed = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Minutes = Annotated[float, typer.Option(help="Stop after this time; the next call goes on.")]
