"""Seconds per face and peak memory of presets and of target search, one process each.

Presets protect one face of a 12-megapixel photo; exact and embedding target search protect LFW
faces, and what they reach stands beside their time.

python benchmarks/speed.py --photo ../shared/photos/obama.jpg --lfw ../shared/data/lfw
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bauta.faces.index import main_face
from bauta.faces.rendering import render_into_photo
from bauta.media import read_photo
from bauta.optimisation import build_method, build_problem
from bauta.protection import protect
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import PRESETS, Settings

MEGAPIXELS = 12
FACES = 8


def main() -> None:
    """Print one table as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, required=True)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--surrogate", default="loose-dlib")
    parser.add_argument("--judge", default="dlib-native")
    args = parser.parse_args()
    print(json.dumps({"machine": platform.machine(), "threads": torch.get_num_threads()}))
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "twelve.jpg"
        _enlarge(args.photo, photo)
        for preset in PRESETS:
            _apart(_preset, str(photo), preset, args.surrogate, args.judge)
    for search in ("embedding", "exact"):
        _apart(_search, str(args.lfw), search, args.surrogate)


def _apart(job: Callable[..., dict[str, Any]], *args: str) -> None:
    """Run a job in a fresh process, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps(pool.apply(_measured, (job, args))), flush=True)


def _measured(job: Callable[..., dict[str, Any]], args: tuple[str, ...]) -> dict[str, Any]:
    row = job(*args)
    row["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    return row


def _enlarge(source: Path, target: Path) -> None:
    """Enlarge a photo to twelve megapixels."""
    with Image.open(source) as image:
        factor = (MEGAPIXELS * 1e6 / (image.width * image.height)) ** 0.5
        size = (round(image.width * factor), round(image.height * factor))
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(target, quality=90)


def _preset(photo: str, preset: str, surrogate: str, judge: str) -> dict[str, Any]:
    """Time a preset on a photo: the first call in a process, and the best of three more."""
    runs = []
    for _ in range(4):
        start = time.perf_counter()
        report = protect(
            photo,
            photo + ".out.jpg",
            overwrite=True,
            preset=preset,
            surrogates=(surrogate,),
            judges=(judge,),
        )
        stages = dict(report.settings["seconds"])
        runs.append((time.perf_counter() - start, stages, len(report.faces)))
    best = min(runs[1:], key=lambda run: run[0])
    to_file = sum(best[1][stage] for stage in ("read", "find", "protect", "write"))
    return {
        "preset": preset,
        "faces": best[2],
        "first_call": round(runs[0][0], 2),
        "with_verification": round(best[0], 2),
        "seconds_to_file": round(to_file, 2),
        "stages": best[1],
    }


def _search(lfw: str, search: str, surrogate: str) -> dict[str, Any]:
    """Time target search on faces of LFW, one at a time, and count faces at their target."""
    root = Path(lfw)
    split = json.loads(
        (Path(__file__).parents[1] / "src/bauta/data/splits/lfw-identification.json").read_text()
    )
    first = [f"{who}/{who}_0001.jpg" for who in split["protected"][:FACES]]
    settings = Settings(
        goal="impersonate",
        targets=tuple(root / f"{who}/{who}_0001.jpg" for who in split["targets"]),
        target_search=search,  # type: ignore[arg-type]  # one of two words
        epsilon=12,
        perceptual=False,
        preset="balanced",
    )
    team = [get_surrogate(surrogate)]
    seconds, hidden, reached = [], [], []
    targets = [read_photo(path).pixels for path in settings.targets]
    wanted = team[0].embed(targets, [main_face(t) for t in targets])
    for name in first:
        photo = read_photo(root / name).pixels
        face = main_face(photo)
        problem = build_problem([photo], [face], settings, team)
        start = time.perf_counter()
        delta = build_method(settings).run(problem)
        seconds.append(time.perf_counter() - start)
        out = render_into_photo(photo, [face], delta, problem.masks, limit=problem.budget.peak)
        before, after = team[0].embed([photo], [face]), team[0].embed([out], [face])
        hidden.append(float(similarity_matrix(before, after)[0, 0]) < team[0].threshold)
        reached.append(float(similarity_matrix(after, wanted).max()) >= team[0].threshold)
    return {
        "target_search": search,
        "faces": len(first),
        "steps": PRESETS[settings.preset].steps,
        "targets": len(wanted),
        "seconds_per_face": round(float(np.median(seconds)), 3),
        "hidden_white_box": float(np.mean(hidden)),
        "at_target_white_box": float(np.mean(reached)),
    }


if __name__ == "__main__":
    main()
