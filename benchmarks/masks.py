"""How long a personal mask takes: fitting it, and what wearing it adds to a large photo.

    python benchmarks/masks.py me1.jpg me2.jpg ... --photo large.jpg --megapixels 12

The photo is enlarged to the wanted size and written as JPEG of quality 92; every stage is the
median of several runs, all in one process, so that their ratios mean something.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from bauta.cores import usable_cores
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas
from bauta.faces.placement import placements
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.keys.mask import PersonalMask, read_mask
from bauta.masks.wearing import additions, put_on
from bauta.media import read_photo
from bauta.personal import apply_mask, fit_mask


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fitting", nargs="+", type=Path, help="photos the mask is fitted on")
    parser.add_argument("--photo", type=Path, required=True, help="a photo of the same person")
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--method", default="chameleon")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{usable_cores()} cores, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        fit_mask(given.fitting, folder / "me.mask", method=given.method)
        took = time.perf_counter() - began
        print(f"fit ({given.method}, {len(given.fitting)} photos): {took:.1f} s")
        mask = read_mask(folder / "me.mask")
        large = enlarged(given.photo, given.megapixels, folder / "large.jpg")
        wearing(mask, large, folder, given.rounds)
        addition(mask, large, given.rounds)


def enlarged(photo: Path, megapixels: float, out: Path) -> Path:
    """The photo with so many pixels, as JPEG."""
    with Image.open(photo) as image:
        factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(out, quality=92)
    return out


def wearing(mask: PersonalMask, photo: Path, folder: Path, rounds: int) -> None:
    """Each stage of `bauta mask apply`, and what the mask adds to the others."""
    rows = [
        apply_mask(mask, photo, folder / "out.jpg", overwrite=True).seconds
        for _ in range(rounds + 1)
    ][1:]
    middle = {stage: statistics.median(row[stage] for row in rows) for stage in rows[0]}
    for stage, seconds in middle.items():
        print(f"{stage}: {1000 * seconds:.0f} ms")
    needed = sum(middle[stage] for stage in ("read", "find", "write"))
    added = sum(middle[stage] for stage in ("recognise", "apply"))
    print(f"the mask adds {added / needed:.1%} to decoding, finding faces and encoding")


def addition(mask: PersonalMask, photo: Path, rounds: int) -> None:
    """Moving and adding, adding, and only the last step of adding, per megapixel of the frame."""
    pixels = read_photo(photo).pixels
    face = find(pixels)[0]
    area = face.frame_side**2 / 1e6
    still = PersonalMask(facts=mask.facts, deltas=mask.deltas, secret=mask.secret)
    canvas = cut_canvas([pixels], [face])
    deltas = additions(canvas, [face], mask, 0, placements(canvas))
    region = region_mask(face, (mask.facts.region,))[None]

    scratch = pixels.copy()

    def last() -> None:
        render_into_photo(scratch, [face], deltas, region, limit=mask.facts.peak, in_place=True)

    stages: dict[str, Callable[[], object]] = {
        "placing, moving and adding": lambda: put_on(pixels, [face], mask, member=0),
        "placing and adding": lambda: put_on(pixels, [face], still, member=0),
        "adding alone": last,
    }
    for what, stage in stages.items():
        stage()
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            stage()
            times.append(time.perf_counter() - began)
        took = statistics.median(times)
        print(f"{what}: {1000 * took:.0f} ms, {1000 * took / area:.1f} ms per megapixel of face")


if __name__ == "__main__":
    main()
