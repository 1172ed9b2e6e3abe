"""The report: what each defence costs in accuracy, and what it keeps.

Scores are of the paper's kind, four of them from 0 (everything is given away) to 1 (nothing is):
two of what is to be seen without learning, two of what the strongest attack draws. Their mean,
weighed 0.4 to 0.6, is the privacy score; linkage, which draws nothing, stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bauta.errors import UsageError
from bauta.media import atomic_write
from bauta.plain import build
from bauta.private.attacking import read_attacks, read_measured
from bauta.private.plots import plots

EVALUATION = "evaluation.json"
_VISUAL, _ATTACK = 0.4, 0.6


@dataclass(frozen=True, kw_only=True)
class Row:
    """One defence in the report.

    Attributes:
        name: the run's name.
        accuracy: on pairs of people who were not trained on.
        error: half its 95 % interval.
        s1: 1 less the structural similarity of what is to be seen.
        s2: 1 less what a recognizer knows in it, 0 to 1 being chance to certainty.
        s3: as s1, of what the strongest white box draws.
        s4: as s2, likewise.
        s3_black: as s3, of the strongest black box; None if it was not tried.
        s4_black: as s4, likewise.
        unlinked: as s2, of the strongest linkage; None if it was not tried.
        s3_several: as s3, of who averages over several mixtures of a face; None if nobody did.
        s4_several: as s4, likewise.
        unlinked_several: as unlinked, likewise.
        spread: half the 95 % interval of s4.

    """

    name: str
    accuracy: float
    error: float
    s1: float
    s2: float
    s3: float
    s4: float
    s3_black: float | None
    s4_black: float | None
    unlinked: float | None
    s3_several: float | None
    s4_several: float | None
    unlinked_several: float | None
    spread: float

    @property
    def privacy(self) -> float:
        """0.4 of the visual scores' mean and 0.6 of the attacks'."""
        return _VISUAL * (self.s1 + self.s2) / 2 + _ATTACK * (self.s3 + self.s4) / 2


def read_row(folder: Path) -> Row:
    """Read what evaluation and attacks have left in a run's folder.

    Raises:
        UsageError: something has not been measured yet.

    """
    if not (folder / EVALUATION).is_file():
        raise UsageError(f"{folder}: run bauta private evaluate first")
    try:
        return _row(folder, read_measured(folder / EVALUATION))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            f"what was measured in {folder} is damaged ({error}): run bauta private evaluate and "
            "bauta private invert again"
        ) from error


def _row(folder: Path, scores: Mapping[str, Any]) -> Row:
    every = [row for row in read_attacks(folder) if row.get("count") is None]
    attacks = [row for row in every if row.get("several", 1) == 1]
    several = [row for row in every if row.get("several", 1) > 1]
    glimpse = [row for row in attacks if row["attack"] == "glimpse"]
    white = _drawn(attacks, "white")
    if not glimpse or not white:
        raise UsageError(f"{folder}: run bauta private invert first, with --attack all")
    black = _drawn(attacks, "black")
    averaged = _drawn(several, "white")
    linked, relinked = _linked(attacks), _linked(several)
    worst = max(white, key=lambda row: row["verification"])
    return build(Row, {
        "name": folder.name, "accuracy": scores["accuracy"], "error": scores["error"],
        "s1": 1 - glimpse[0]["ssim"], "s2": _unknown(glimpse),
        "s3": 1 - max(row["ssim"] for row in white), "s4": _unknown(white),
        "s3_black": 1 - max(row["ssim"] for row in black) if black else None,
        "s4_black": _unknown(black) if black else None,
        "unlinked": _unknown(linked) if linked else None,
        "s3_several": 1 - max(row["ssim"] for row in averaged) if averaged else None,
        "s4_several": _unknown(averaged) if averaged else None,
        "unlinked_several": _unknown(relinked) if relinked else None, "spread": 2 * worst["error"],
    })  # fmt: skip


def frontier(rows: Sequence[Row]) -> set[str]:
    """Names of the defences that no other is both as accurate and as private as, or more."""
    return {
        row.name
        for row in rows
        if not any(
            (o.accuracy >= row.accuracy and o.privacy >= row.privacy)
            and (o.accuracy > row.accuracy or o.privacy > row.privacy)
            for o in rows
        )
    }


def write_report(rows: Sequence[Row], target: Path) -> Path:
    """Write ``report.md`` and its plots into a folder, and return the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: there is nothing to report.

    """
    if not rows:
        raise UsageError("a report needs at least one network")
    target.mkdir(parents=True, exist_ok=True)
    atomic_write(target / "report.png", plots(rows, frontier(rows)), overwrite=True)
    page = target / "report.md"
    atomic_write(page, _page(rows).encode(), overwrite=True)
    return page


def _drawn(attacks: Sequence[dict[str, Any]], box: str) -> list[dict[str, Any]]:
    """Attacks that draw faces, in one box."""
    return [row for row in attacks if row["attack"] != "linkage" and row["box"] == box]


def _linked(attacks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Linkage in the white box."""
    return [row for row in attacks if row["attack"] == "linkage" and row["box"] == "white"]


def _unknown(attacks: Sequence[dict[str, Any]]) -> float:
    """1 where the best of attacks tells people no better than chance, 0 where always."""
    known = max(float(row["verification"]) for row in attacks)
    return 1 - 2 * max(0.0, known - 0.5)


def _page(rows: Sequence[Row]) -> str:
    best = frontier(rows)
    lines = [
        "# What private training costs, and what it keeps",
        "",
        "Scores go from 0 (everything is given away) to 1 (nothing is). S1 and S2: what is to be "
        "seen without learning, to the eye (SSIM) and to a recognizer; S3 and S4: what the "
        "strongest white-box attack draws, likewise; privacy: 0.4 of the former, 0.6 of the "
        "latter. Not linked: what a student of published faces cannot match. Of several: who sees "
        "a face in several mixtures, and averages. Bold: no other is both as accurate and as "
        "private.",
        "",
        "| | accuracy, % | privacy | S1 | S2 | S3 | S4 | not linked | S3, black box | "
        "S4, black box | S3 of several | S4 of several | not linked, of several |",
        "|" + 13 * "---|",
    ]
    for row in sorted(rows, key=lambda row: -row.accuracy):
        name = f"**{row.name}**" if row.name in best else row.name
        others = (
            row.unlinked, row.s3_black, row.s4_black, row.s3_several, row.s4_several,
            row.unlinked_several,
        )  # fmt: skip
        lines.append(
            f"| {name} | {100 * row.accuracy:.1f} ± {100 * row.error:.1f} | {row.privacy:.2f} | "
            f"{row.s1:.2f} | {row.s2:.2f} | {row.s3:.2f} | {row.s4:.2f} ± {row.spread:.2f} | "
            + " | ".join("" if value is None else f"{value:.2f}" for value in others)
            + " |"
        )
    lines += ["", "![Accuracy against each score](report.png)", ""]
    return "\n".join(lines)
