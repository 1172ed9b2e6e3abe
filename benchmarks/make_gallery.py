"""Make the gallery of anchors: faces of nobody, one of which is like anybody, and one is not.

As the default targets (make_targets.py), but a hundred groups of about twenty people instead of ten
of two hundred, since of ten types none is near. The people are 2,000 of those that LFW has one
photo of, outside both splits: nobody's masks can be tested on them. A row is the mean of a group,
its deviation from the global mean stretched to that of a person; the same row is the same group for
every recognizer. Nothing of a person is kept.

python benchmarks/make_gallery.py ../shared/data/lfw dlib mobilefacenet-ms1m loose-dlib \
    tight-dlib tight-ms1m loose-ms1m
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from scipy.cluster.vq import kmeans2

from bauta.faces.index import index_faces
from bauta.media import atomic_write
from make_targets import DATA, GROUPED_BY, PEOPLE, SEED, means_of, report, stretched

COUNT = 100


def main() -> None:
    """Write the gallery and print how near real people come to its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("recognizers", nargs="+")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    args = parser.parse_args()
    people = _people(args.lfw)
    found = index_faces(args.lfw, [photo for row in people.values() for photo in row], args.cache)
    means = {name: means_of(name, args.lfw, people, found) for name in args.recognizers}
    joint = np.hstack(
        [m / np.linalg.norm(m - m.mean(0), axis=1).mean() for m in map(means.get, GROUPED_BY)]
    )
    _, group = kmeans2(joint, COUNT, seed=SEED, minit="++", iter=50)
    tables = {name: stretched(mean, group, COUNT) for name, mean in means.items()}
    half = {name: table.astype(np.float16) for name, table in tables.items()}
    atomic_write(DATA / "gallery.safetensors", save(half), overwrite=True)
    for name, table in tables.items():
        report(name, table, means[name], group)


def _people(root: Path) -> dict[str, list[str]]:
    splits = [json.loads((DATA / f"splits/lfw-{kind}.json").read_text("utf-8")) for kind in
              ("identification", "universal")]  # fmt: skip
    kept_out = {name for split in splits for key in ("protected", "targets", "others", "people")
                for name in split.get(key, ())}  # fmt: skip
    photos = {f.name: [f"{f.name}/{p.name}" for p in f.glob("*.jpg")] for f in root.iterdir()}
    once = sorted(name for name, row in photos.items() if len(row) == 1 and name not in kept_out)
    return {name: photos[name] for name in random.Random(SEED).sample(once, PEOPLE)}


if __name__ == "__main__":
    main()
