"""What adversaries achieve who want a watermark gone, or want it on a photo of their own.

    python benchmarks/watermark_removal.py --data lfw --people 40 --out marks

Photos of people of lfw-identification are marked in one pass. A denoiser and a small autoencoder,
trained here on people of no split, draw the face anew; the mean of many posts of one person tells
what their marks have in common, which is subtracted; and the difference between a marked photo and
its original is added to a photo of somebody else. Photos are then traced with all identifiers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means
from torch import Tensor, nn

from bauta.audit.metrics import psnr
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.index import main_face
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.keys.watermark import WatermarkKey
from bauta.media import read_photo
from bauta.training.faceset import FaceSet, read_people
from bauta.training.prepare import apart
from bauta.training.teachers import to_tensor
from bauta.watermark.codes import best_match, code_word
from bauta.watermark.embedding import mark_photo
from bauta.watermark.network import SIDE
from bauta.watermark.reading import read_faces
from bauta.watermark.weights import trained_networks

Pixels = NDArray[np.uint8]
KEY = WatermarkKey(secret=bytes(range(32)))
#: Posts of one person whose mean is taken.
_POSTS = 16


class Autoencoder(nn.Module):
    """A face through a bottleneck of 16 x 16 x 32 numbers, a 12th of what it is."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 48, 64)
        down = [
            part
            for a, b in pairwise(widths)
            for part in (
                nn.Conv2d(a, b, 4, 2, 1),
                nn.LeakyReLU(0.1),
                nn.Conv2d(b, b, 3, 1, 1),
                nn.LeakyReLU(0.1),
            )
        ]
        self.down = nn.Sequential(*down, nn.Conv2d(64, 32, 1))
        up = [
            part
            for a, b in ((32, 64), (64, 48), (48, 32))
            for part in (nn.Conv2d(a, 4 * b, 3, 1, 1), nn.PixelShuffle(2), nn.LeakyReLU(0.1))
        ]
        self.up = nn.Sequential(*up, nn.Conv2d(32, 3, 3, 1, 1))

    def forward(self, faces: Tensor) -> Tensor:
        """(B, 3, 128, 128) RGB 0-255, drawn anew."""
        out: Tensor = self.up(self.down(faces / 127.5 - 1))
        return 127.5 * (out + 1)


def _trained(faces: FaceSet, steps: int) -> Autoencoder:
    torch.manual_seed(0)
    network, rng = Autoencoder(), np.random.default_rng(0)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    slowing = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for step in range(steps):
        frames = _at(to_tensor(faces.take(rng.integers(0, len(faces), 16))))
        loss = (network(frames) - frames).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        slowing.step()
        if step % 100 == 99:
            print(f"autoencoder, step {step + 1}: off by {loss.item():.1f} grey levels", flush=True)
    return network.eval()


def _at(frames: Tensor) -> Tensor:
    return F.interpolate(frames, (SIDE, SIDE), mode="bilinear", antialias=True)


@torch.no_grad()
def _redrawn(pixels: Pixels, face: Face, network: Autoencoder) -> Pixels:
    """The face as an autoencoder draws it, in its photo."""
    frame = frames_of(cut_canvas([pixels], [face]), SIDE)
    added = (network(frame) - frame).clamp(-255, 255)
    mask = region_mask(face, ("head",), size=SIDE)[None]
    return render_into_photo(pixels, [face], added, mask, limit=255)


def _denoised(pixels: Pixels) -> Pixels:
    out = denoise_nl_means(pixels, 5, 7, h=0.04, channel_axis=2, fast_mode=True)
    return np.uint8(np.clip(np.round(out * 255), 0, 255))


def _frame(pixels: Pixels, face: Face) -> Tensor:
    return frames_of(cut_canvas([pixels], [face]), SIDE)


def _traced(pixels: Pixels, ids: list[str], mine: str) -> tuple[bool, float]:
    face = main_face(pixels)
    if face is None:
        return False, 0.5
    (one,) = read_faces(pixels, [face], trained_networks().networks.decoder)
    match = best_match(one.bits, KEY, ids)
    right = (one.bits == code_word(KEY, mine)).mean(axis=1).max()
    return match is not None and match.identifier == mine, float(right)


def _average(given: list[tuple[Pixels, Face]], at: int, strength: float) -> Pixels:
    """A post less what the mean of all posts has that a smooth face has not."""
    mean = torch.cat([_frame(pixels, face) for pixels, face in given]).mean(0, keepdim=True)
    small = F.avg_pool2d(mean, 9, 1, 4, count_include_pad=False)
    pixels, face = given[at]
    mask = region_mask(face, ("head",), size=SIDE)[None]
    return render_into_photo(pixels, [face], -strength * (mean - small), mask, limit=255)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="LFW")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--steps", type=int, default=600, help="of the autoencoder's training")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    args = parser.parse_args()
    encoder = trained_networks().networks.encoder
    faces, others = apart(
        read_people(args.data, args.cache), ["lfw-identification", "lfw-universal"], 0
    )
    names = sorted(set(others.identities))[: args.people]
    ids = [f"bench/{name}" for name in names]
    given = []
    for name, mine in zip(names, ids, strict=True):
        pixels = read_photo(sorted((args.data / name).glob("*.jpg"))[0]).pixels
        face = main_face(pixels)
        if face is not None:
            given.append((mine, pixels, mark_photo(pixels, [face], code_word(KEY, mine), encoder)))
    network = _trained(faces, args.steps)
    attacks: dict[str, Callable[[Pixels], Pixels]] = {
        "nothing": lambda p: p,
        "non-local means": _denoised,
        "autoencoder": lambda p: _redrawn(p, main_face(p), network),  # type: ignore[arg-type]  # found before
    }
    print("| adversary | traced, % | bits right, % | PSNR to the marked photo, dB |")
    print("|---|---|---|---|")
    for attack, change in attacks.items():
        rows = []
        for mine, _, marked in given:
            after = change(marked)
            rows.append((*_traced(after, ids, mine), psnr(marked, after)))
        _row(attack, rows)
    rows = []
    for at, (mine, before, marked) in enumerate(given):
        _, victim, _ = given[(at + 1) % len(given)]
        forged = np.uint8(np.clip(victim + (marked.astype(int) - before), 0, 255))
        rows.append((*_traced(forged, ids, mine), psnr(victim, forged)))
    _row("forging: the difference on somebody else's photo", rows)
    _posts(args.data, others, encoder)


def _posts(data: Path, others: FaceSet, encoder: nn.Module) -> None:
    """Many posts of one person under one identifier."""
    counts = np.bincount(others.people)
    rows: dict[float, list[tuple[bool, float, float]]] = {0.0: [], 1.0: [], 2.0: []}
    for who in np.argsort(-counts)[:6]:
        mine, posts = f"posts/{who}", []
        for at in np.flatnonzero(others.people == who)[:_POSTS]:
            pixels = read_photo(data / others.names[at]).pixels
            face = main_face(pixels)
            if face is not None:
                marked = mark_photo(pixels, [face], code_word(KEY, mine), encoder)  # type: ignore[arg-type]  # an encoder
                posts.append((marked, face))
        for strength, some in rows.items():
            for at in range(4):
                after = _average(posts, at, strength)
                some.append((*_traced(after, [mine], mine), psnr(posts[at][0], after)))
    for strength, some in rows.items():
        _row(f"mean of {_POSTS} posts, subtracted {strength:g} times", some)


def _row(name: str, rows: list[tuple[bool, float, float]]) -> None:
    traced, bits, seen = (np.array(column) for column in zip(*rows, strict=True))
    finite = seen[np.isfinite(seen)]
    db = f"{finite.mean():.1f}" if len(finite) else "-"
    print(f"| {name} | {100 * traced.mean():.0f} | {100 * bits.mean():.1f} | {db} |", flush=True)


if __name__ == "__main__":
    main()
