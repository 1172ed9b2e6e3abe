"""``bauta recognizers add | remove``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import Json
from bauta.cli.output import out, print_json, usage_errors

ADD_MANUAL = manual(
    """
    bauta recognizers add r50.onnx --name my-r50 --size 112 \\
        --mean 127.5 --std 127.5
    bauta recognizers add vgg.onnx --name my-vgg --size 224 --order bgr \\
        --crop loose --mean 91.4953,103.8827,131.0912 --std 1
    bauta recognizers add wide.onnx --name my-wide --size 128 --mean 127.5 \\
        --std 128 --crop 46.3,51.7,81.5,51.5,64,71.7,49.5,92.4,78.7,92.2 \\
        --licence MIT --commercial-use
    """,
    files="weights",
    environment="weights",
)
REMOVE_MANUAL = manual("bauta recognizers remove my-r50", files="weights")
_FED = "How it wants its faces"
_LICENCE = "What list and show say"


def add_command(
    file: Annotated[Path, typer.Argument(help="The ONNX file; it is copied.", metavar="FILE")],
    name: Annotated[str, typer.Option(help="What to call it.", metavar="NAME")],
    size: Annotated[
        int,
        typer.Option(
            help="Side of the network's input, in pixels.", metavar="PIXELS", rich_help_panel=_FED
        ),
    ],
    mean: Annotated[
        str,
        typer.Option(
            help="Taken from grey levels 0-255: one number, or three with commas between them, in "
            "the network's channel order.",
            metavar="LEVELS",
            rich_help_panel=_FED,
        ),
    ],
    std: Annotated[
        str,
        typer.Option(
            help="What the rest is divided by, likewise.", metavar="LEVELS", rich_help_panel=_FED
        ),
    ],
    order: Annotated[
        str,
        typer.Option(
            help="Channel order of the network: rgb or bgr.",
            metavar="NAME",
            autocompletion=complete.words("rgb", "bgr"),
            rich_help_panel=_FED,
        ),
    ] = "rgb",
    crop: Annotated[
        str,
        typer.Option(
            help="arcface, dlib (face chip), loose (whole head), or where it has left eye, right "
            "eye, nose and mouth's corners: x,y,x,y,x,y,x,y,x,y in pixels of the input.",
            metavar="NAME",
            autocompletion=complete.words(*complete.CROPS),
            rich_help_panel=_FED,
        ),
    ] = "arcface",
    unit_length: Annotated[
        bool,
        typer.Option(
            help="Compare embeddings by their angle, not by their distance.",
            rich_help_panel=_FED,
        ),
    ] = True,
    output_name: Annotated[
        str,
        typer.Option(
            "--output",
            help="Which output is the embedding, if there are several.",
            metavar="NAME",
            rich_help_panel=_FED,
        ),
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Licence of the file.", metavar="TEXT", rich_help_panel=_LICENCE)
    ] = "not stated",
    commercial_use: Annotated[
        bool,
        typer.Option(help="Whether the licence allows commercial use.", rich_help_panel=_LICENCE),
    ] = False,
    json: Json = False,
) -> None:
    """Add a recognizer of your own: an ONNX file and how it wants its faces."""
    from bauta.recognizers.adding import add_recognizer
    from bauta.recognizers.onnx_judge import Convention
    from bauta.recognizers.own import plain

    with usage_errors():
        convention = Convention(
            size=size,
            mean=_channels("--mean", mean),
            std=_channels("--std", std),
            order=order,  # type: ignore[arg-type]  # checked there
            crop=crop if crop[:1].isalpha() else _numbers("--crop", crop),
            unit_length=unit_length,
            output=output_name,
        )
        own = add_recognizer(file, name, convention, licence=licence, commercial_use=commercial_use)
    if json:
        print_json({**asdict(own.record), **plain(own)})
        return
    out.print(f"{own.name}: added, {own.dimensions} numbers per face")
    if own.judge_only:
        out.print(f"[yellow]It can judge, but not be a surrogate:[/] {escape(own.judge_only)}")
    else:
        out.print(
            f"It can judge and be a surrogate: its gradients' network agrees with onnxruntime to "
            f"{own.agreement:.1g} of an embedding's length"
        )
    out.print(
        "Before it takes part it needs thresholds: "
        f"bauta recognizers evaluate {own.name} --data lfw --pairs lfw-pairs.txt"
    )


def _numbers(option: str, text: str) -> tuple[float, ...]:
    from bauta.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} takes numbers with commas between them, not {text}") from error


def _channels(option: str, text: str) -> tuple[float, float, float]:
    """One number per channel; one for all is allowed."""
    from bauta.errors import UsageError

    numbers = _numbers(option, text)
    if len(numbers) not in (1, 3):
        raise UsageError(f"{option} takes one number or three, not {len(numbers)}")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def remove_command(
    name: Annotated[
        str,
        typer.Argument(
            help="A recognizer that you have added.", metavar="NAME", autocompletion=complete.own
        ),
    ],
) -> None:
    """Remove a recognizer of your own, its file and its thresholds. Nothing else is removed."""
    from bauta.recognizers.adding import remove_recognizer

    with usage_errors():
        remove_recognizer(name)
    out.print(f"{name}: removed")
