"""How long watermarks last in photos, and what they say of photos that have none.

    python benchmarks/watermarks.py curves --data lfw --people 100 --out marks
    python benchmarks/watermarks.py plot --out marks
    python benchmarks/watermarks.py false --data lfw --out marks
    python benchmarks/watermarks.py false --data lfw --marked --every 20 --out others

``curves`` marks one photo of each of the first people of lfw-identification in one pass, and by
refining too, under one key and an identifier each; does to the files what happens to photos on
their way; finds the faces anew; and traces them with all identifiers. ``false`` traces all photos
of the folder, unmarked or with another key's marks. Tables and curves go to ``--out``.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from bauta.audit.metrics import psnr, ssim
from bauta.faces.finders import find
from bauta.faces.index import index_faces, main_face
from bauta.keys.watermark import WatermarkKey
from bauta.media import read_photo
from bauta.optimisation import change_photos
from bauta.recognizers.zoo import default_surrogates, get_surrogate
from bauta.settings import Settings
from bauta.watermark.codes import best_match, code_word, to_hex
from bauta.watermark.embedding import mark_photo
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels], Pixels]
KEY = WatermarkKey(secret=bytes(range(32)))
OTHER = WatermarkKey(secret=bytes(32))


def _jpeg(quality: int) -> Change:
    return lambda p: _through(Image.fromarray(p), "JPEG", quality=quality)


def _webp(quality: int) -> Change:
    return lambda p: _through(Image.fromarray(p), "WEBP", quality=quality)


def _through(image: Image.Image, kind: str, **options: int) -> Pixels:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return np.asarray(Image.open(file).convert("RGB"))


def _resize(share: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        size = (round(pixels.shape[1] * share), round(pixels.shape[0] * share))
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))

    return change


def _noise(deviation: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        added = np.random.default_rng(0).normal(0, deviation, pixels.shape)
        return np.uint8(np.clip(np.round(pixels + added), 0, 255))

    return change


def _blur(radius: float) -> Change:
    return lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(radius)))


def crop(pixels: Pixels) -> Pixels:
    """A tenth less on the left, a twentieth on top, turned by three degrees."""
    image = Image.fromarray(pixels).rotate(3, Image.Resampling.BICUBIC, expand=False)
    width, height = image.size
    return np.asarray(image.crop((width // 10, height // 20, width - 8, height - 8)))


def network(pixels: Pixels) -> Pixels:
    """As a social network does: four fifths of the size, JPEG 70."""
    return _jpeg(70)(_resize(0.8)(pixels))


def twice(pixels: Pixels) -> Pixels:
    """Shared, saved and shared again."""
    return network(network(pixels))


def screenshot(pixels: Pixels) -> Pixels:
    """Shown larger and a little brighter, and kept as a picture of that."""
    image = Image.fromarray(_resize(1.37)(pixels))
    image = ImageEnhance.Brightness(ImageEnhance.Contrast(image).enhance(1.1)).enhance(1.05)
    return _jpeg(80)(np.asarray(image))


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(ImageOps.grayscale(Image.fromarray(pixels)).convert("RGB"))


CHANGES: dict[str, Change] = {
    "none": lambda p: p,
    **{f"JPEG {q}": _jpeg(q) for q in (90, 70, 50, 30, 20)},
    "WebP 50": _webp(50),
    **{f"resize {s:g}": _resize(s) for s in (0.75, 0.5, 0.35)},
    **{f"noise {s}": _noise(s) for s in (2, 5, 10, 15)},
    **{f"blur {r:g}": _blur(r) for r in (0.7, 1, 1.5, 2)},
    "crop": crop,
    "network": network,
    "network twice": twice,
    "screenshot": screenshot,
    "grey": _grey,
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "median 3": lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.MedianFilter(3))),
}


def _people_of(split: str, count: int) -> list[str]:
    data = json.loads(
        resources.files("bauta").joinpath(f"data/splits/{split}.json").read_text("utf-8")
    )
    return list(data["protected"])[:count]


def _identifier(name: str) -> str:
    return f"bench/{name}"


def _marked(
    kind: str, pixels: Pixels, word: NDArray[np.bool_], epsilon: float, warp: float
) -> Pixels:
    face = main_face(pixels)
    if face is None:
        raise SystemExit("a photo without a face")
    if kind == "one pass":
        encoder = trained_networks().networks.encoder
        return mark_photo(pixels, [face], word, encoder, epsilon=epsilon)
    settings = Settings(method="dpg", word=to_hex(word), epsilon=epsilon, warp=warp, spare=False)
    team = [get_surrogate(name) for name in default_surrogates(settings.preset)]
    return change_photos([pixels], [[face]], settings, team)[0]


def _read(pixels: Pixels, names: Sequence[str], mine: str) -> tuple[bool, int, bool, bool]:
    """Whether a face was found, agreeing bits, whether it is traced right, and traced wrong."""
    faces = find(pixels)
    if not faces:
        return False, 0, False, False
    bits = np.concatenate(
        [one.bits for one in read_faces(pixels, faces, trained_networks().networks.decoder)]
    )
    word = code_word(KEY, mine)
    match = best_match(bits, KEY, names)
    agreeing = int((bits == word).sum(axis=1).max())
    right = match is not None and match.identifier == mine
    return True, agreeing, right, match is not None and not right


def _curves(args: argparse.Namespace) -> None:
    names = _people_of("lfw-identification", args.people)
    ids = [_identifier(name) for name in names]
    rows = []
    for kind in args.kinds.split(","):
        found: dict[str, list[tuple[bool, int, bool, bool]]] = {name: [] for name in CHANGES}
        seen = []
        for name in names:
            before = read_photo(sorted((args.data / name).glob("*.jpg"))[0]).pixels
            after = _marked(
                kind, before, code_word(KEY, _identifier(name)), args.epsilon, args.warp
            )
            seen.append((psnr(before, after), ssim(before, after)))
            for change, do in CHANGES.items():
                found[change].append(_read(do(after), ids, _identifier(name)))
        for change, some in found.items():
            faces, bits, right, wrong = (np.array(column) for column in zip(*some, strict=True))
            rows.append({
                "kind": kind, "change": change, "photos": len(some), "found": faces.mean(),
                "bits": bits.mean() / 64, "whole": (bits == 64).mean(), "traced": right.mean(),
                "wrong": int(wrong.sum()),
                "psnr": np.mean([p for p, _ in seen]), "ssim": np.mean([s for _, s in seen]),
            })  # fmt: skip
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()})
    _write(args.out / "curves.csv", rows)


def _false(args: argparse.Namespace) -> None:
    networks = trained_networks().networks
    loud = trained_networks().certainty
    names = [p.relative_to(args.data).as_posix() for p in sorted(args.data.glob("*/*.jpg"))]
    names = names[:: args.every]
    faces = index_faces(args.data, names, args.cache)
    ids = [_identifier(str(at)) for at in range(1000)]
    best, traced, heard, others, count = 0, 0, [], 0, 0
    words = np.stack([code_word(KEY, one) for one in ids])
    for at, name in enumerate(names):
        face = faces[name]
        if face is None:
            continue
        count += 1
        pixels = read_photo(args.data / name).pixels
        if args.marked:
            word = code_word(OTHER, name)
            pixels = mark_photo(pixels, [face], word, networks.encoder, epsilon=args.epsilon)
        (one,) = read_faces(pixels, [face], networks.decoder)
        agreeing = (words[:, None] == one.bits[None]).sum(axis=2).max()
        best = max(best, int(agreeing))
        traced += best_match(one.bits, KEY, ids) is not None
        heard.append(one.certainty)
        likely = best_match(one.bits, KEY, ids, limit=0.05)
        others += one.certainty >= loud and likely is None
        if at % 500 == 0:
            print(at, best, traced, others, flush=True)
    row = {
        "photos": len(names), "faces": count, "identifiers": len(ids), "most bits": best,
        "traced": traced, "not yours": int(others),
        "loudest": max(heard), "limit": loud,
    }  # fmt: skip
    print(row)
    _write(args.out / "false.csv", [row])


def _plot(args: argparse.Namespace) -> None:
    """Draw the curves of ``curves``, one panel per kind of change that has a strength."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with (args.out / "curves.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    panels = {"JPEG": "quality", "resize": "share of the size", "noise": "sigma", "blur": "radius"}
    figure = Figure(figsize=(10, 2.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (change, unit) in zip(
        figure.subplots(1, 4, sharey=True), panels.items(), strict=True
    ):
        for kind in dict.fromkeys(row["kind"] for row in rows):
            points = [
                (float(row["change"].split()[1]), 100 * float(row["traced"]))
                for row in rows
                if row["kind"] == kind and row["change"].startswith(change + " ")
            ]
            axes.plot(*zip(*sorted(points), strict=True), marker="o", label=kind)
        axes.set(title=change, xlabel=unit, ylim=(0, 103))
        if change in ("JPEG", "resize"):
            axes.invert_xaxis()
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("photos traced, %")
    figure.axes[0].legend(frameon=False)
    figure.savefig(args.out / "curves.png")


def _write(file: Path, rows: Sequence[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()})


def main() -> None:
    """Print tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["curves", "false", "plot"])
    parser.add_argument("--data", type=Path, help="LFW")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--kinds", default="one pass,refined")
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--warp", type=float, default=0.0)
    parser.add_argument("--marked", action="store_true", help="with another key's marks")
    parser.add_argument("--every", type=int, default=1, help="take every so-manyth photo")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where faces lie")
    parser.add_argument("--out", type=Path, default=Path("marks"))
    args = parser.parse_args()
    torch.set_num_threads(max(1, torch.get_num_threads()))
    {"curves": _curves, "false": _false, "plot": _plot}[args.what](args)


if __name__ == "__main__":
    main()
