"""Draw the chips of the fairness bench: run once, the names are in the repository, no pixels.

python benchmarks/fairness_split.py ../shared/data/utkface-160.zip --cache .cache

UTKFace is for non-commercial research. Of each cell of sex x race x age band 20 chips are drawn,
or as many as there are, out of those in whose two pictures (bauta.bench.chips) Bauta finds a face.
How often it finds one in each group is written down too: who is not found is not protected.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

from bauta.bench.chips import cell_of, chip_files, groups_of, make_pictures, picture
from bauta.errors import UsageError
from bauta.faces.index import index_faces
from bauta.training.faceset import CHIP_MARGIN, unpacked

SEED = 2026
FILE = Path(__file__).resolve().parents[1] / "src/bauta/data/splits/utkface-fairness.json"
PER_CELL, STRANGERS = 20, 16
#: Drawn beyond those, for faces that are missed in the pictures.
SPARE = 5


def main() -> None:
    """Write the split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("utkface", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    given = parser.parse_args()
    names, found = look(given.utkface, given.cache)
    cells = defaultdict(list)
    for name in names:
        if name in found:
            cells[cell_of(name)].append(name)
    rng = random.Random(SEED)
    drawn = {cell: rng.sample(cells[cell], len(cells[cell])) for cell in sorted(cells)}
    some = {cell: order[: PER_CELL + SPARE] for cell, order in drawn.items()}
    seen = both_seen([n for order in some.values() for n in order], given.utkface, given.cache)
    chosen = [n for order in some.values() for n in [m for m in order if m in seen][:PER_CELL]]
    rest = [n for order in drawn.values() for n in order[PER_CELL + SPARE :]]
    split = {
        "source": "UTKFace, 23,708 face chips; non-commercial research only",
        "seed": SEED,
        "rule": f"{PER_CELL} chips, or as many as there are, of each cell of sex x race x age band "
        "(0-17, 18-34, 35-59, 60+), out of those in which a face is found",
        "found": tally(names, found),
        "strangers": rng.sample(rest, STRANGERS),
        "chips": chosen,
    }
    FILE.write_text(json.dumps(split, indent=1) + "\n", "utf-8")
    print(f"{len(chosen)} chips of {len(cells)} cells: {FILE}")


def look(utkface: Path, cache: Path) -> tuple[list[str], set[str]]:
    """Names of all chips with labels, and those in which a face is found behind a border."""
    folder = utkface if utkface.is_dir() else unpacked(utkface, cache)
    files = {name: file for name, file in chip_files(folder).items() if labelled(name)}
    paths = {name: file.relative_to(folder).as_posix() for name, file in files.items()}
    faces = index_faces(folder, list(paths.values()), cache, margin=CHIP_MARGIN)
    return list(paths), {name for name, path in paths.items() if faces[path] is not None}


def labelled(name: str) -> bool:
    """Whether a name has labels; three of UTKFace's have none."""
    try:
        cell_of(name)
    except UsageError:
        return False
    return True


def both_seen(names: list[str], utkface: Path, cache: Path) -> set[str]:
    """Chips in whose two pictures a face is found."""
    root = make_pictures(utkface, names, cache)
    wanted = [picture(kind, name) for name in names for kind in ("photo", "other")]
    faces = index_faces(root, wanted, cache)
    kinds = ("photo", "other")
    return {n for n in names if all(faces[picture(kind, n)] is not None for kind in kinds)}


def tally(names: list[str], found: set[str]) -> dict[str, list[int]]:
    """Of each group, how many were found, and how many there are."""
    return {
        group: [sum(n in found for n, yes in zip(names, inside, strict=True) if yes), sum(inside)]
        for group, inside in ((g, i.tolist()) for g, i in groups_of(names).items())
    }


if __name__ == "__main__":
    main()
