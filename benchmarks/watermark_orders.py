"""The ablation of dpg: marking and hiding alone, one after the other in both orders, and jointly.

    python benchmarks/watermark_orders.py --data lfw --people 30 --judge facexzoo --judge faceres

One photo of each of the first people of lfw-identification is changed within one budget, saved as
JPEG, found anew, compared with another photo of the person, and traced: as it is, after JPEG 50,
and after a social network. Joint is the method dpg: steps on both losses at once, from the mark on.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bauta.audit.metrics import psnr
from bauta.bench.people import load_split
from bauta.engine.budgets import Perceptual
from bauta.engine.problem import Problem
from bauta.faces.face import Face
from bauta.faces.index import main_face
from bauta.keys.watermark import WatermarkKey
from bauta.media import read_photo
from bauta.methods.dpg import Dpg
from bauta.methods.tip_im import TipIm
from bauta.optimisation import build_method, build_problem, carried_out, unpacked
from bauta.recognizers.base import Recognizer, similarity_matrix
from bauta.recognizers.zoo import default_surrogates, get_recognizer, get_surrogate
from bauta.settings import Settings
from bauta.watermark.codes import best_match, code_word, to_hex
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

Pixels = NDArray[np.uint8]
KEY = WatermarkKey(secret=bytes(range(32)))


def _answers(problem: Problem, settings: Settings, members: int) -> dict[str, Tensor]:
    """What each variant makes of one face."""
    dpg = build_method(settings, members)
    assert isinstance(dpg, Dpg)
    shared = {"steps": dpg.steps, "views": dpg.views, "diversity": dpg.diversity}
    mark = replace(dpg, refine=False).run(problem)
    hide = TipIm(**shared)
    return {
        "mark only": mark,
        "hide only": hide.run(problem),
        "hide, then mark": _marked_after(problem, hide, dpg),
        "mark, then hide": hide.run(problem, begin=mark),
        "joint (dpg)": dpg.run(problem),
    }


def _marked_after(problem: Problem, hide: TipIm, dpg: Dpg) -> Tensor:
    """Both at 71 % of the budget's root mean square, which together make all of it."""
    budget = problem.budget
    assert isinstance(budget, Perceptual)
    less = replace(budget, rms=budget.rms * 0.5**0.5)
    hidden = hide.run(replace(problem, budget=less))
    seen = replace(problem.canvas, images=problem.render(hidden))
    mark = replace(dpg, refine=False).run(replace(problem, canvas=seen, budget=less))
    return problem.project(hidden + mark)


def _saved(pixels: Pixels, quality: int, share: float = 1.0) -> Pixels:
    image, file = Image.fromarray(pixels), io.BytesIO()
    size = (round(image.width * share), round(image.height * share))
    image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _is_traced(pixels: Pixels, mine: str, ids: Sequence[str]) -> bool:
    face = main_face(pixels)
    if face is None:
        return False
    (one,) = read_faces(pixels, [face], trained_networks().networks.decoder)
    match = best_match(one.bits, KEY, ids)
    return match is not None and match.identifier == mine


def _row(
    before: Pixels, after: Pixels, other: tuple[Pixels, Face], args: argparse.Namespace, mine: str,
    ids: Sequence[str],
) -> list[float]:  # fmt: skip
    file = _saved(after, 95)
    found = main_face(file)
    out = [psnr(before, file)]
    for name in args.judge:
        judge = get_recognizer(name)
        if found is None:
            out += [1.0]
            continue
        a, b = judge.embed([file, other[0]], [found, other[1]])
        alike = similarity_matrix(a[None], b[None])[0, 0]
        out += [float(alike < judge.threshold)]
    out += [_is_traced(file, mine, ids), _is_traced(_saved(after, 50), mine, ids)]
    return [*out, _is_traced(_saved(after, 70, 0.8), mine, ids)]


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="LFW")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--judge", action="append", default=[])
    parser.add_argument("--epsilon", type=float, default=8.0)
    parser.add_argument("--preset", default="balanced")
    args = parser.parse_args()
    names = load_split("lfw-identification")["protected"][: args.people]
    ids = [f"bench/{name}" for name in names]
    team: list[Recognizer] = [get_surrogate(name) for name in default_surrogates(args.preset)]
    rows: dict[str, list[list[float]]] = {}
    for name, mine in zip(names, ids, strict=True):
        mugs = [read_photo(p).pixels for p in sorted((args.data / name).glob("*.jpg"))[:2]]
        faces = [main_face(pixels) for pixels in mugs]
        if faces[0] is None or faces[1] is None:
            continue
        settings = Settings(
            method="dpg", word=to_hex(code_word(KEY, mine)), epsilon=args.epsilon, warp=0.0,
            preset=args.preset, spare=False,
        )  # fmt: skip
        problem = build_problem([mugs[0]], [faces[0]], settings, team)
        for variant, answer in _answers(problem, settings, len(team)).items():
            (after,) = carried_out(
                [mugs[0]], [[faces[0]]], unpacked(problem, answer), settings, [False]
            )
            row = _row(mugs[0], after, (mugs[1], faces[1]), args, mine, ids)
            rows.setdefault(variant, []).append(row)
    print("| variant | PSNR, dB |", " | ".join(args.judge), "| traced | JPEG 50 | network |")
    print("|---" * (5 + len(args.judge)) + "|")
    for variant, some in rows.items():
        first, *rest = np.mean(np.array(some, dtype=float), axis=0)
        print(f"| {variant} | {first:.1f} |", " | ".join(f"{100 * v:.0f}" for v in rest), "|")


if __name__ == "__main__":
    main()
