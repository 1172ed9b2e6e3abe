"""1:1 rates of photos that `bauta bench run` has written: who is matched with other photos.

    bauta bench run plan.toml --data lfw --out run
    python benchmarks/pairs.py run/plan/photos/dfpp@8 --lfw lfw --people 30 --judge facexzoo

Dodging: share of a person's next five photos that a judge no longer matches, at FAR 1 % or as --far
says.
Impersonation, where somebody else is to be seen: the target that the default surrogates find
nearest, by another photo of that person. SSIM is that of luma in the face's box.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity

from bauta.audit.metrics import psnr
from bauta.bench.people import People, identification, load_split
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.media import read_photo
from bauta.recognizers.base import Judge, similarity_matrix
from bauta.recognizers.zoo import default_surrogates, get_recognizer

Pixels = NDArray[np.uint8]
#: Other photos of each person, at most.
_OTHERS = 5


def main() -> None:
    """Print one line per folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--people", type=int, required=True, help="as in the plan")
    parser.add_argument("--judge", action="append", required=True)
    parser.add_argument("--far", default="far-1%", help="threshold: far-1%% or far-0.1%%")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    given = parser.parse_args()
    split = load_split("lfw-identification")
    # Photos of those who are protected and of the targets are there whatever the gallery's size.
    people = identification(
        given.lfw, split, people=given.people, skip=0, cache=given.cache, gallery=1
    )
    album = _Album(people, given.far)
    for folder in given.folders:
        print(folder.name, *album.rates(folder, given.judge), sep="\n  ")


class _Album:
    """Photos of people and targets, and how similar judges find changed ones."""

    def __init__(self, people: People, far: str) -> None:
        self._people = people
        self._far = far
        self.embed = cache(self._embed)

    def rates(self, folder: Path, judges: list[str]) -> list[str]:
        """What is to be said about a folder of changed photos."""
        targeted = "impersonating" in folder.name
        dodged = {name: [] for name in judges}
        taken = {name: [] for name in judges}
        alike, ratios = [], []
        for at, probe in enumerate(self._people.probes):
            file = folder / f"{at:04d}.jpg"
            if not file.exists():
                continue
            changed = read_photo(file).pixels
            face = main_face(changed) or self._people.faces[probe]
            alike.append(luma_ssim(self._pixels(probe), changed, self._people.faces[probe]))
            ratios.append(psnr(self._pixels(probe), changed))
            target = self._target(changed, face) if targeted else None
            for name in judges:
                judge = get_recognizer(name)
                row = judge.embed([changed], [face])
                others = self._photos_of(self._people.names[at])[:_OTHERS]
                dodged[name].append(
                    float((self._similar(row, judge, others) < self._limit(judge)).mean())
                )
                if target:
                    seen = self._similar(row, judge, [target])
                    taken[name].append(float(seen[0] >= self._limit(judge)))
        seen = f"SSIM of luma {np.mean(alike):.3f}, PSNR of the photo {np.mean(ratios):.1f} dB"
        said = [f"{len(alike)} people, {seen}", _line("dodging", dodged)]
        return [*said, _line("impersonation", taken)] if targeted else said

    def _target(self, changed: Pixels, face: Face) -> str:
        """Another photo of the target that the surrogates find nearest."""
        there = [name for name in self._people.targets if self._photos_of(_who(name))]
        total = np.zeros(len(there))
        for name in default_surrogates("balanced"):
            surrogate = get_recognizer(name)
            total += self._similar(surrogate.embed([changed], [face]), surrogate, there)
        return self._photos_of(_who(there[int(total.argmax())]))[0]

    def _photos_of(self, who: str) -> list[str]:
        """A person's photos in the gallery: all but the first."""
        return [name for name in self._people.gallery if _who(name) == who]

    def _similar(
        self, row: NDArray[np.float32], judge: Judge, names: list[str]
    ) -> NDArray[np.float64]:
        rows = np.stack([self.embed(judge.name, name) for name in names])
        similar: NDArray[np.float64] = similarity_matrix(row, rows)[0]
        return similar

    def _embed(self, judge: str, name: str) -> NDArray[np.float32]:
        face = self._people.faces[name]
        return get_recognizer(judge).embed([self._pixels(name)], [face])[0]

    def _limit(self, judge: Judge) -> float:
        return judge.thresholds[self._far].similarity

    def _pixels(self, name: str) -> Pixels:
        return read_photo(self._people.root / name).pixels


def luma_ssim(before: Pixels, after: Pixels, face: Face) -> float:
    """Mean SSIM of luma in a face's box, with a Gaussian window of sigma 1.5."""
    grey = [np.asarray(Image.fromarray(photo).convert("L")) for photo in (before, after)]
    alike = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
        full=True,
    )[1]  # fmt: skip
    left, top, right, bottom = (max(0, int(side)) for side in face.box)
    return float(alike[top:bottom, left:right].mean())


def _who(name: str) -> str:
    return name.split("/")[0]


def _line(what: str, rates: dict[str, list[float]]) -> str:
    means = {name: 100 * float(np.mean(values)) for name, values in rates.items()}
    each = ", ".join(f"{name} {mean:.0f}" for name, mean in means.items())
    return f"{what}: {np.mean(list(means.values())):.1f} % ({each})"


if __name__ == "__main__":
    main()
