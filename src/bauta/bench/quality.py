"""How far a contestant's written files are from the originals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bauta.audit.lpips import can_lpips, lpips
from bauta.audit.metrics import largest_change, ms_ssim, psnr, ssim
from bauta.bench.contestants import Contestant
from bauta.bench.people import Pictured
from bauta.engine.naturalness import mmd
from bauta.faces.face import Face
from bauta.media import read_photo

if TYPE_CHECKING:
    from bauta.bench.bench import Bench

#: Side of the faces whose distributions are compared, as the paper's crops.
_SIDE = 112


def quality(bench: Bench, people: Pictured, contestant: Contestant) -> dict[str, Any]:
    """Measure the written files against the originals, photo by photo, and MMD over all.

    Returns:
        "photo" and "face" (the detector's box), each with lists of psnr, ssim, the largest
        change, and lpips where its backbone is here; "photo" with ms_ssim; "mmd" between protected
        and real faces (Yang et al., ICCV 2021, equation 6, on face boxes of 112 pixels);
        "seconds" per face.

    """
    rows: dict[str, list[dict[str, float]]] = {"photo": [], "face": []}
    before, after = [], []
    for index, name in zip(people.numbers, people.probes, strict=True):
        clean = read_photo(people.root / name).pixels
        changed = read_photo(bench.store.photo(contestant, index)).pixels
        rows["photo"].append({**_compared(clean, changed), "ms_ssim": ms_ssim(clean, changed)})
        box = _box(people.faces[name])
        rows["face"].append(_compared(clean[box], changed[box]))
        before.append(_vector(clean[box]))
        after.append(_vector(changed[box]))
    out: dict[str, Any] = {
        part: {key: [row[key] for row in some] for key in some[0]} for part, some in rows.items()
    }
    out["mmd"] = round(float(mmd(torch.stack(after), torch.stack(before))), 6)
    out["seconds"] = _seconds(bench, people, contestant)
    return out


def unmeasured(bench: Bench, contestant: Contestant) -> bool:
    """Whether quality was not measured yet, or before LPIPS could be."""
    file = bench.store.quality(contestant)
    return not file.is_file() or (can_lpips() and "lpips" not in bench.store.read(file)["face"])


def _compared(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> dict[str, float]:
    seen = {"lpips": round(lpips(a, b), 5)} if can_lpips() else {}
    return {
        # An unchanged photo has an infinite PSNR, which JSON does not know.
        "psnr": round(min(psnr(a, b), 100.0), 4),
        "ssim": round(ssim(a, b), 5),
        "largest": largest_change(a, b),
        **seen,
    }


def _box(face: Face) -> tuple[slice, slice]:
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box)
    return slice(top, bottom), slice(left, right)


def _vector(face: NDArray[np.uint8]) -> torch.Tensor:
    image = Image.fromarray(face).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image, np.float32).ravel() / 255)


def _seconds(bench: Bench, people: Pictured, contestant: Contestant) -> float:
    """Mean time per face, over all batches."""
    files = [bench.store.seconds_file(contestant, number) for number in people.numbers]
    rows = [bench.store.read(file) for file in files if file.is_file()]
    total, faces = (sum(float(row[key]) for row in rows) for key in ("seconds", "photos"))
    return round(total / faces, 4)
