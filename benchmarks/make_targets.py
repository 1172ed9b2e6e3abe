"""Make the default targets: caricatures of groups of people, so that each target is nobody.

For 2,000 LFW people outside the benchmark split, one photo each, k-means in the joint embedding
space of dlib and mobilefacenet-ms1m finds ten groups. A target is the global mean plus its group's
deviation from it, stretched to the deviation that a person has: an average of about 200 people, as
far from the crowd as a person is. Ten vectors per recognizer are all that is kept.

python benchmarks/make_targets.py ../shared/data/lfw dlib mobilefacenet-ms1m loose-dlib \
    tight-dlib tight-ms1m loose-ms1m tight-judge
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from safetensors.numpy import save
from scipy.cluster.vq import kmeans2

from bauta.faces.index import index_faces
from bauta.media import atomic_write, read_photo
from bauta.recognizers.zoo import get_recognizer

SEED, COUNT, PEOPLE = 7, 10, 2000
#: Fixed, so that a network that joins later changes nothing for the others.
GROUPED_BY = ("dlib", "mobilefacenet-ms1m")
DATA = Path(__file__).resolve().parents[1] / "src/bauta/data"


def main() -> None:
    """Write the targets and print how near real people come to them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("recognizers", nargs="+")
    args = parser.parse_args()
    people = _people(args.lfw)
    names = [photo for photos in people.values() for photo in photos]
    found = index_faces(args.lfw, names, Path(".cache"))
    means = {name: means_of(name, args.lfw, people, found) for name in args.recognizers}
    grouping = [means[name] for name in GROUPED_BY]
    joint = np.hstack([m / np.linalg.norm(m - m.mean(0), axis=1).mean() for m in grouping])
    _, group = kmeans2(joint, COUNT, seed=SEED, minit="++", iter=50)
    targets = {name: stretched(mean, group, COUNT) for name, mean in means.items()}
    atomic_write(DATA / "targets.safetensors", save(targets), overwrite=True)
    for name, table in targets.items():
        report(name, table, means[name], group)


def _people(root: Path) -> dict[str, list[str]]:
    split = json.loads((DATA / "splits/lfw-identification.json").read_text("utf-8"))
    kept_out = {*split["protected"], *split["targets"], *split["others"]}
    folders = [f for f in sorted(root.iterdir()) if f.is_dir() and f.name not in kept_out]
    chosen = random.Random(SEED).sample(folders, PEOPLE)
    return {f.name: [f"{f.name}/{min(p.name for p in f.glob('*.jpg'))}"] for f in chosen}


def means_of(name, root, people, found) -> NDArray[np.float32]:
    """(N, D) mean embedding of each person whose face was found in a photo."""
    judge = get_recognizer(name)
    rows = []
    for photos in track(list(people.values()), description=name):
        seen = [photo for photo in photos if found[photo] is not None]
        if seen:
            pixels = [read_photo(root / photo).pixels for photo in seen]
            rows.append(judge.embed(pixels, [found[photo] for photo in seen]).mean(axis=0))
        else:
            rows.append(np.full_like(rows[-1], np.nan))
    table = np.array(rows)
    return table[~np.isnan(table).any(axis=1)]


def stretched(
    means: NDArray[np.float32], group: NDArray[np.int_], count: int
) -> NDArray[np.float32]:
    """Group means, their deviation from the global mean stretched to that of a person."""
    centre = means.mean(axis=0)
    usual = np.linalg.norm(means - centre, axis=1).mean()
    away = np.stack([means[group == index].mean(axis=0) - centre for index in range(count)])
    table = centre + away * usual / np.linalg.norm(away, axis=1, keepdims=True)
    if np.allclose(np.linalg.norm(means, axis=1), 1, atol=1e-3):
        # Recognizers with embeddings of unit length can reach nothing else.
        table /= np.linalg.norm(table, axis=1, keepdims=True)
    return table.astype(np.float32)


def report(name, targets, means, group) -> None:
    """Print the size of the groups and how near people come."""
    judge = get_recognizer(name)
    near = 1 - ((means[:, None] - targets[None]) ** 2).sum(-1) / 2
    print(f"{name}: groups of {np.bincount(group).tolist()} people")
    print(f"  nearest person to each target {np.round(near.max(0), 3).tolist()}")
    print(f"  people above the threshold at FAR 1 % {(near > judge.threshold).mean():.4f}")


if __name__ == "__main__":
    main()
