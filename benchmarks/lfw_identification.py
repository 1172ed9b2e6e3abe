"""TIP-IM's identification protocol on LFW: protected probes against a clean gallery (scenario A).

python benchmarks/lfw_identification.py --lfw ../shared/data/lfw --people 200 \
    --surrogate dlib --epsilon 12 --goal impersonate --out docs/results/lfw-identification.jsonl
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track

from bauta.audit.metrics import largest_change, psnr, ssim
from bauta.audit.protocols import interval, rank_targeted, rank_untargeted, ranked
from bauta.faces.face import EYE_DISTANCE, Face
from bauta.faces.index import index_faces, main_face
from bauta.media import read_photo, write_photo
from bauta.optimisation import change_photos
from bauta.recognizers.embeddings import embed_photos
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.settings import Settings

CACHE = Path(".cache")
BATCH = 8


def main() -> None:
    """Run one configuration and append its result."""
    args = _arguments()
    split = json.loads(
        resources.files("bauta").joinpath("data/splits/lfw-identification.json").read_text("utf-8")
    )
    protected = split["protected"][args.skip : args.skip + args.people]
    strangers = [who for who in split["protected"] if who not in set(protected)]
    names = {
        who: sorted(p.name for p in (args.lfw / who).glob("*.jpg")) for who in _everyone(split)
    }
    probes = [f"{who}/{names[who][0]}" for who in protected]
    targets = [f"{who}/{names[who][0]}" for who in split["targets"]]
    gallery = [f"{w}/{n}" for w in (*protected, *split["targets"]) for n in names[w][1:]]
    # People who are not protected stay in the gallery, so it is the full protocol's.
    gallery += [f"{w}/{n}" for w in strangers for n in names[w][1:]]
    gallery += [f"{who}/{names[who][0]}" for who in split["others"]]
    faces = index_faces(args.lfw, [*probes, *targets, *gallery], CACHE)
    probes = [p for p in probes if faces[p] is not None]
    gallery = [g for g in gallery if faces[g] is not None]
    settings = _settings(args, targets)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        files = _protect(args.lfw, probes, faces, settings, Path(folder), targets)
        seconds = (time.perf_counter() - started) / len(probes)
        row = {
            "protocol": "lfw-identification, scenario A",
            "people": len(probes),
            "skipped": args.skip,
            "gallery": len(gallery),
            "surrogates": args.surrogate,
            "weights": args.weight,
            "goal": args.goal,
            "epsilon": args.epsilon,
            "perceptual": args.perceptual,
            "displacement": round(settings.displacement / EYE_DISTANCE * 100, 2),
            "preset": args.preset,
            "target_search": args.target_search,
            "seed": args.seed,
            "seconds_per_face": round(seconds, 3),
            "quality": _quality(args.lfw, probes, files, faces),
            "judges": {
                name: _judge(name, args.lfw, probes, files, gallery, faces, split["targets"])
                for name in args.judge
            },
            "command": "python " + " ".join(sys.argv),
            "machine": f"{platform.processor() or platform.machine()}, "
            f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        }
    print(json.dumps(row, indent=1))
    if args.out:
        with args.out.open("a") as handle:
            handle.write(json.dumps(row) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--skip", type=int, default=0, help="people to leave out: for choosing")
    parser.add_argument("--surrogate", action="append", required=True)
    parser.add_argument("--weight", action="append", type=float, default=[])
    parser.add_argument("--judge", action="append", required=True)
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--goal", choices=["dodge", "impersonate"], default="dodge")
    parser.add_argument("--target-search", choices=["embedding", "exact"], default="embedding")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--perceptual", action="store_true")
    parser.add_argument("--warp", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _everyone(split: dict[str, Any]) -> list[str]:
    return [*split["protected"], *split["targets"], *split["others"]]


def _settings(args: argparse.Namespace, targets: list[str]) -> Settings:
    return Settings(
        preset=args.preset,
        epsilon=args.epsilon,
        perceptual=args.perceptual,
        warp=args.warp,
        goal=args.goal,
        target_search=args.target_search,
        targets=tuple(args.lfw / t for t in targets) if args.goal == "impersonate" else (),
        surrogates=tuple(args.surrogate),
        weights=tuple(args.weight),
        seed=args.seed,
    )


def _protect(
    lfw: Path,
    probes: list[str],
    faces: dict[str, Face],
    settings: Settings,
    folder: Path,
    targets: list[str],
) -> list[Path]:
    """Protect the probes and write them as the files they were."""
    surrogates = [get_surrogate(name) for name in settings.surrogates]
    files = []
    for start in track(range(0, len(probes), BATCH), description="protecting"):
        some = probes[start : start + BATCH]
        photos = [read_photo(lfw / name) for name in some]
        found = [faces[name] for name in some]
        changed = change_photos(
            [p.pixels for p in photos], [[face] for face in found], settings, surrogates
        )
        for index, (photo, pixels) in enumerate(zip(photos, changed, strict=True)):
            files.append(folder / f"{start + index}.jpg")
            write_photo(photo, pixels, files[-1])
    return files


def _quality(
    lfw: Path, probes: list[str], files: list[Path], faces: dict[str, Face]
) -> dict[str, float]:
    """Mean quality of the written files, on the photo and in the face's box."""
    rows = []
    for name, file in zip(probes, files, strict=True):
        before, after = read_photo(lfw / name).pixels, read_photo(file).pixels
        left, top, right, bottom = (max(0, round(edge)) for edge in faces[name].box)
        box = (slice(top, bottom), slice(left, right))
        rows.append(
            [
                psnr(before, after),
                ssim(before, after),
                psnr(before[box], after[box]),
                ssim(before[box], after[box]),
                largest_change(before, after),
            ]
        )
    keys = ("psnr_photo", "ssim_photo", "psnr_face", "ssim_face", "largest_change")
    return dict(zip(keys, np.round(np.mean(rows, axis=0), 4).tolist(), strict=True))


def _judge(
    name: str,
    lfw: Path,
    probes: list[str],
    files: list[Path],
    gallery: list[str],
    faces: dict[str, Face],
    targets: list[str],
) -> dict[str, Any]:
    """Rank rates of one judge, clean and protected."""
    judge = get_recognizer(name)
    with Progress(disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(name, total=None)
        clean = embed_photos(
            judge,
            lfw,
            {photo: faces[photo] for photo in (*probes, *gallery)},
            CACHE,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    shelf = np.stack([clean[g] for g in gallery])
    people = [g.split("/")[0] for g in gallery]
    own = [p.split("/")[0] for p in probes]
    before = ranked(np.stack([clean[p] for p in probes]), shelf, people)
    pixels = [read_photo(file).pixels for file in files]
    # A stranger finds the face anew in the protected file.
    found = [main_face(p) or faces[n] for p, n in zip(pixels, probes, strict=True)]
    protected = judge.embed(pixels, found)
    after = ranked(protected, shelf, people)
    out: dict[str, Any] = {"clean_rank1": _percent(~rank_untargeted(before, own, 1))}
    for n in (1, 5):
        out[f"rank{n}_ut"] = _percent(rank_untargeted(after, own, n))
        out[f"rank{n}_t"] = _percent(rank_targeted(after, targets, n))
    return out


def _percent(hits: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = interval(hits)
    return {
        "percent": round(100 * float(hits.mean()), 1),
        "interval_95": [round(100 * low, 1), round(100 * high, 1)],
    }


if __name__ == "__main__":
    main()
