"""Turn the rows of lfw_identification.py into the Markdown table of docs/results.

python benchmarks/lfw_table.py docs/results/lfw-identification.jsonl
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bauta.recognizers.zoo import lineage_of

HEAD = (
    "| surrogate | judge | goal | ε | looks | clean rank-1 | Rank-1-UT | Rank-5-UT | Rank-1-T "
    "| Rank-5-T | PSNR photo / face | SSIM photo / face |\n" + "|---" * 12 + "|"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    rows = [json.loads(line) for line in parser.parse_args().rows.read_text().splitlines()]
    print(HEAD)
    for row in sorted(rows, key=lambda r: (r["surrogates"], -r["epsilon"], r["goal"])):
        for judge, rates in row["judges"].items():
            print(_line(row, judge, rates))


def _line(row: dict[str, Any], judge: str, rates: dict[str, Any]) -> str:
    makers = frozenset[str]().union(*(lineage_of(name) for name in row["surrogates"]))
    kin = bool(lineage_of(judge) & makers)
    own = judge.removesuffix("-native") in row["surrogates"]
    q = row["quality"]
    cells = [
        ", ".join(row["surrogates"]),
        f"{judge} *(white box)*" if own else f"{judge} *(kin)*" if kin else judge,
        row["goal"],
        f"{row['epsilon']:g}",
        _looks(row),
        *(
            _rate(rates[key])
            for key in ("clean_rank1", "rank1_ut", "rank5_ut", "rank1_t", "rank5_t")
        ),
        f"{q['psnr_photo']:.1f} / {q['psnr_face']:.1f} dB",
        f"{q['ssim_photo']:.3f} / {q['ssim_face']:.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _looks(row: dict[str, Any]) -> str:
    words = "perceptual" if row["perceptual"] else "plain L∞"
    if row["displacement"]:
        words += f", shifted {row['displacement']:g} %"
    return words if row["preset"] == "balanced" else f"{words}, {row['preset']}"


def _rate(rate: dict[str, Any]) -> str:
    low, high = rate["interval_95"]
    return f"{rate['percent']:g} ({low:g}–{high:g})"


if __name__ == "__main__":
    main()
