"""Draw the LFW identification split of docs/results: run once, its result is in the repository.

python benchmarks/lfw_split.py ../shared/data/lfw
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

SEED = 2026
OUT = Path(__file__).resolve().parents[1] / "src/bauta/data/splits/lfw-identification.json"


def main() -> None:
    """Write the split."""
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
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(split, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
