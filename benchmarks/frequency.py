"""How fast the block DCT is in one convolution, beside the pipeline that papers publish.

python benchmarks/frequency.py --faces 16 --repeats 7

Times are of one process, medians, in turns; the limit is writing the result once.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.masking.dct import BLOCK, CHANNELS, TO_YCBCR, BlockDct
from bauta.masking.masks import Mask, MaskSpec, every_kind, low_frequencies


def main() -> None:
    """Time all of them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    photos = 255 * torch.rand(given.faces, 3, given.size, given.size)
    kept = low_frequencies()
    rows: dict[str, Callable[[], Tensor]] = {
        "literal, 192 channels": lambda: literal(photos),
        "literal, 108 kept": lambda: literal(photos)[:, list(kept)],
        "one convolution, 192": lambda: BlockDct()(photos),
        "one convolution, 108 kept": lambda: BlockDct(kept)(photos),
        "writing 108 once": lambda: torch.ones(given.faces, 108, given.size, given.size),
        "one convolution, 24 of every kind": lambda: BlockDct(every_kind())(photos),
        "the same, stride 2": lambda: BlockDct(every_kind(), 2)(photos),
        "mask of 24, stride 2": lambda: mask(photos),
    }
    mask = Mask(MaskSpec(stride=2), b"x")
    with torch.inference_mode():
        worst = float((literal(photos) - BlockDct()(photos)).abs().max() / literal(photos).max())
        times: dict[str, list[float]] = {name: [] for name in rows}
        for turn in range(given.repeats + 1):
            for name, work in rows.items():
                start = time.perf_counter()
                work()
                if turn:
                    times[name].append(time.perf_counter() - start)
    base = statistics.median(times["literal, 108 kept"])
    print(f"largest difference {worst:.1e} of the largest coefficient\n")
    print("| | ms per face | times as fast |\n|---|---|---|")
    for name, some in times.items():
        middle = statistics.median(some)
        print(f"| {name} | {1e3 * middle / given.faces:.2f} | {base / middle:.1f} |")


def literal(photos: Tensor) -> Tensor:
    """Enlarge eightfold, go to YCbCr, cut into blocks, transform each, as public code does."""
    large = F.interpolate(photos, scale_factor=8, mode="bilinear", align_corners=False)
    colours = torch.einsum("cr,brhw->bchw", torch.tensor(TO_YCBCR), large)
    colours[:, 0] -= 128
    blocks = F.unfold(colours.flatten(0, 1)[:, None], BLOCK, stride=BLOCK)
    at = torch.arange(BLOCK)
    cosines = torch.cos(math.pi * at[:, None] * (at[None] + 0.5) / BLOCK) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    table = torch.einsum("ui,vj->uvij", cosines, cosines).reshape(64, 64)
    return (table @ blocks).view(len(photos), CHANNELS, *photos.shape[2:])


if __name__ == "__main__":
    main()
