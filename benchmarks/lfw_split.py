"""Draw the LFW splits of docs/results: run once, their result is in the repository.

python benchmarks/lfw_split.py ../shared/data/lfw
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

SEED = 2026
FOLDER = Path(__file__).resolve().parents[1] / "src/bauta/data/splits"
#: Photos that a personal mask is fitted on, and the fewest that it is then tested on.
FITTING, TESTED = 10, 2


def main() -> None:
    """Write the splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    people = {
        folder.name: sorted(photo.name for photo in folder.glob("*.jpg"))
        for folder in sorted(parser.parse_args().lfw.iterdir())
        if folder.is_dir()
    }
    several = [name for name, photos in people.items() if len(photos) >= 2]
    rng = random.Random(SEED)
    chosen = rng.sample(several, 510)
    rest = [name for name in people if name not in set(chosen)]
    split = {
        "source": "Labeled Faces in the Wild, 13,233 photos of 5,749 people",
        "seed": SEED,
        "rule": "510 of the people with two or more photos, then 500 of all others; "
        "probe: the first photo, gallery: all further ones (others: the first)",
        "protected": chosen[:500],
        "targets": chosen[500:],
        "others": rng.sample(rest, 500),
    }
    _write("lfw-identification", split)
    _write("lfw-universal", _universal(split["protected"], people))


def _universal(held_out: list[str], people: dict[str, list[str]]) -> dict[str, object]:
    """Who has photos enough for a personal mask, among the people no network was trained on."""
    needed = 1 + FITTING + TESTED
    return {
        "source": "Labeled Faces in the Wild, 13,233 photos of 5,749 people",
        "rule": f"the protected people of lfw-identification with {needed} or more photos, in its "
        f"order; of each the first photo is the gallery's clean one, the next {FITTING} are for "
        "fitting, all further ones for testing; distractors: all photos of everybody else",
        "fitting": FITTING,
        "people": [name for name in held_out if len(people[name]) >= needed],
    }


def _write(name: str, split: dict[str, object]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(split, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / f"{name}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
