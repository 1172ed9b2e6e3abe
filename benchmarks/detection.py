"""Recall of the default detector on LFW: a photo counts if a found box holds the photo's centre.

python benchmarks/detection.py ../shared/data/lfw
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bauta.faces.index import index_faces


def main() -> None:
    """Print the recall and the photos without a face."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    root = parser.parse_args().lfw
    names = sorted(str(path.relative_to(root)) for path in root.glob("*/*.jpg"))
    with Progress() as bar:
        task = bar.add_task("finding faces", total=None)
        faces = index_faces(
            root,
            names,
            Path(".cache"),
            progress=lambda d, n: bar.update(task, completed=d, total=n),
        )
    held = [
        f is not None and f.box[0] < 125 < f.box[2] and f.box[1] < 125 < f.box[3]
        for f in faces.values()
    ]
    print(f"{len(names)} photos; a box holds the centre: {np.mean(held):.4%}")
    print(f"no face at all: {sum(face is None for face in faces.values())}")


if __name__ == "__main__":
    main()
