"""How strong and how visible: budgets compared on large portraits, one face each.

python benchmarks/looks.py --surrogate mobilefacenet-ms1m --judge dlib PHOTO...

Similarity is that of the protected face to the very same photo, found in pixels, not in a file.
"Glance" is the standard deviation of the luma's change, blurred as by a look at a 100 px face.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from bauta.audit.metrics import psnr, ssim
from bauta.engine.budgets import Budget, Linf, Perceptual
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import render_into_photo
from bauta.media import read_photo
from bauta.optimisation import build_method, build_problem
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.settings import Settings


@dataclass(frozen=True)
class Filled(Perceptual):
    """The same shares as limits that sign steps fill, as before the mean square."""

    cap: float = 1.0

    def step(self, direction: Tensor, limits: Tensor) -> Tensor:
        """Signs."""
        del limits
        return direction.sign()

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Clip to the limits."""
        return delta.clamp(-limits, limits)


BUDGETS: dict[str, Budget] = {
    "plain 8": Linf(8),
    "limit 8": Filled(8),
    "limit 7": Filled(7),
    "mean square 8 (default)": Perceptual(8),
    "mean square 9": Perceptual(9),
    "mean square 10": Perceptual(10),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--surrogate", required=True)
    parser.add_argument("--judge", required=True)
    args = parser.parse_args()
    photos = [read_photo(path).pixels for path in args.photos]
    faces = [find(photo, min_face=80)[0] for photo in photos]
    names = [args.surrogate, args.judge]
    print(f"| budget | {names[0]} (surrogate) | {names[1]} | PSNR face | SSIM face | glance |")
    print("|---|---|---|---|---|---|")
    for label, budget in BUDGETS.items():
        out = [_protect(p, f, args.surrogate, budget) for p, f in zip(photos, faces, strict=True)]
        cells = [f"{_similarity(name, photos, out, faces):.3f}" for name in names]
        looks = np.mean([_looks(a, b, f) for a, b, f in zip(photos, out, faces, strict=True)], 0)
        cells += [f"{looks[0]:.1f} dB", f"{looks[1]:.3f}", f"{looks[2]:.2f}"]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def _protect(
    photo: NDArray[np.uint8], face: Face, surrogate: str, budget: Budget
) -> NDArray[np.uint8]:
    settings = Settings()
    problem = build_problem([photo], [face], settings, [get_surrogate(surrogate)])
    problem = replace(problem, budget=budget)
    delta = build_method(settings).run(problem)
    with torch.no_grad():
        return render_into_photo(photo, [face], delta, problem.masks, limit=budget.peak)


def _similarity(
    name: str,
    before: Sequence[NDArray[np.uint8]],
    after: Sequence[NDArray[np.uint8]],
    faces: Sequence[Face],
) -> float:
    judge = get_recognizer(name)
    table = similarity_matrix(judge.embed(after, faces), judge.embed(before, faces))
    return float(np.diag(table).mean())


def _looks(
    before: NDArray[np.uint8], after: NDArray[np.uint8], face: Face
) -> tuple[float, float, float]:
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    a, b = before[top:bottom, left:right], after[top:bottom, left:right]
    change = (b.astype(float) - a) @ np.array([0.299, 0.587, 0.114])
    return psnr(a, b), ssim(a, b), float(gaussian_filter(change, (right - left) / 100).std())


if __name__ == "__main__":
    main()
