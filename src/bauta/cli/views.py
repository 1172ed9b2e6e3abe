"""``bauta views``: pictures made of one photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.output import Tell, err, out, progress_bar, usage_errors
from bauta.errors import NoFaceError

app = typer.Typer(
    help="Varied pictures of a face, made of one photo: what a mask from one photo is fitted on.",
    no_args_is_help=True,
)


@app.command(
    "sheet",
    epilog=manual(
        """
        bauta views sheet me.jpg -o views.jpg
        """,
    ),
)
def sheet_command(
    photo: Annotated[
        Path, typer.Argument(help="The photo; its largest face is taken.", metavar="PHOTO")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The picture to write.", metavar="FILE")
    ],
    engine: Annotated[
        str,
        typer.Option(
            help="embedded, or arc2face (docs/views.md).",
            metavar="NAME",
            autocompletion=complete.words(*complete.VIEW_ENGINES),
        ),
    ] = "embedded",
    count: Annotated[int, typer.Option(help="How many views.", metavar="NUMBER")] = 8,
    seed: Annotated[int, typer.Option(help="Seed of all randomness.", metavar="NUMBER")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output.")] = False,
) -> None:
    """Show the views that are made of a photo."""
    from bauta.faces.finders import find
    from bauta.media import photo_from_array, read_photo, write_photo
    from bauta.views.base import engines
    from bauta.views.sheet import sheet_of

    with usage_errors():
        pixels = read_photo(photo).pixels
        found = find(pixels)
        if not found:
            raise NoFaceError(f"{photo}: no face was found")
        views = engines[engine]().make(pixels, found[0], count, seed=seed)
        kind = "JPEG" if output.suffix.lower() in (".jpg", ".jpeg") else "PNG"
        sheet = photo_from_array(sheet_of(views, pixels), format=kind)
        write_photo(sheet, sheet.pixels, output, overwrite=overwrite)
    for view in views:
        out.print(escape(view.about))


@app.command(
    "import",
    epilog=manual(
        """
        bauta views import brought/ --accept-licences
        """,
        files="weights",
    ),
)
def import_command(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the files that docs/views.md names.", metavar="FOLDER")
    ],
    accept_licences: Annotated[
        bool, typer.Option("--accept-licences", help="Accept the licences of these files.")
    ] = False,
) -> None:
    """Take over the files of Arc2Face that you have brought; nothing is downloaded."""
    from bauta.views.arc2face_weights import TERMS, import_arc2face

    if accept_licences:
        err.print(escape(TERMS))
    with usage_errors(), progress_bar(quiet=False) as bar:
        tell = Tell(bar)
        where = import_arc2face(
            folder, accept_licences=accept_licences,
            progress=lambda done, total: tell("copying", done, total),
        )  # fmt: skip
    out.print(f"arc2face is ready: {escape(str(where))}")
