"""How strong and how visible: budgets compared on large portraits, one face each.

python benchmarks/looks.py PHOTO... --judge tight-judge faceplugin

Similarity is that of the protected face to the very same photo, found in pixels, not in a file.
"Beyond shifts" is the PSNR left once the original has followed the optical flow to the protected
face: what a viewer sees who does not lay one photo over the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage.registration import optical_flow_ilk

from bauta.audit.metrics import psnr, ssim
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.media import read_photo
from bauta.optimisation import change_photos
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import default_surrogates, get_recognizer, get_surrogate
from bauta.settings import Settings

#: Half the side of the neighbourhoods whose shift is estimated as one, in pixels.
RADIUS = 7

#: What is compared, by name.
VARIANTS: dict[str, Settings] = {
    "plain, 8": Settings(epsilon=8, perceptual=False),
    "perceptual, 8": Settings(epsilon=8, warp=0),
    "perceptual, 6": Settings(epsilon=6, warp=0),
    "shifted 1.25 %, 6": Settings(warp=1.25),
    "shifted 1.25 %, 8": Settings(warp=1.25, epsilon=8),
    "shifted 2 %, 6 (default)": Settings(),
    "shifted 2 %, 5": Settings(epsilon=5),
    "shifted 2 %, 8": Settings(epsilon=8),
    "shifted 3 %, 4": Settings(epsilon=4, warp=3),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--surrogate", nargs="+", default=default_surrogates("balanced"))
    parser.add_argument("--judge", nargs="+", required=True)
    args = parser.parse_args()
    photos = [read_photo(path).pixels for path in args.photos]
    faces = [find(photo, min_face=80)[0] for photo in photos]
    team = [get_surrogate(name) for name in args.surrogate]
    print("surrogates:", ", ".join(args.surrogate), flush=True)
    print(f"| change | {' | '.join(args.judge)} | PSNR face | SSIM face | beyond shifts |")
    print("|---" * (len(args.judge) + 4) + "|")
    for label, settings in VARIANTS.items():
        out = change_photos(photos, [[face] for face in faces], settings, team)
        cells = [f"{_similarity(name, photos, out, faces):.3f}" for name in args.judge]
        looks = np.mean([_looks(a, b, f) for a, b, f in zip(photos, out, faces, strict=True)], 0)
        cells += [f"{looks[0]:.1f} dB", f"{looks[1]:.3f}", f"{looks[2]:.1f} dB"]
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


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
    return psnr(a, b), ssim(a, b), _psnr_beyond_shifts(a, b)


def _psnr_beyond_shifts(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """PSNR of the luma once the original has followed the optical flow to the protected face."""
    luma = np.array([0.299, 0.587, 0.114])
    a, b = before @ luma, after @ luma
    down, right = optical_flow_ilk(b, a, radius=RADIUS)
    rows, columns = np.meshgrid(*map(np.arange, a.shape), indexing="ij")
    followed = map_coordinates(a, [rows + down, columns + right], order=3, mode="nearest")
    return float(10 * np.log10(255**2 / np.square(followed - b).mean()))


if __name__ == "__main__":
    main()
