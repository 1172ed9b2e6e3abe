"""From trained networks of a watermark to the files that ship."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from bauta.engine.budgets import Perceptual
from bauta.media import atomic_write
from bauta.recognizers.trained import to_half
from bauta.training.export import machine
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor
from bauta.training.watermark_recipe import WatermarkRecipe
from bauta.watermark.codes import BITS
from bauta.watermark.distortions import realigned, shared
from bauta.watermark.marking import at_network_size, marked_frames
from bauta.watermark.network import SIDE, WatermarkNetworks
from bauta.weights.table import WeightRecord

#: Told what is being done, the faces done and in all.
Progress = Callable[[str, int, int], None]

#: Faces by which it is settled from when on a face carries somebody's mark: as many as there are,
#: since the loudest of those without a mark decide. Of marked ones fewer will do.
_FACES, _MARKED, _BATCH = 16_384, 1024, 64
#: A trace looks at a face several times, and the loudest look counts most.
_LOOKS = 4
#: How much louder it has to be than all but so many of those without a mark; single faces are
#: outliers by far.
_MARGIN, _OUTLIERS = 1.1, 0.0005


def export_watermark(
    networks: WatermarkNetworks,
    recipe: WatermarkRecipe,
    faces: FaceSet,
    folder: Path,
    *,
    training_data: str,
    made: Mapping[str, Any],
    progress: Progress | None = None,
) -> tuple[Path, Path]:
    """Write ``NAME.safetensors`` and its card ``NAME.json``.

    Args:
        networks: trained, in evaluation mode.
        recipe: their recipe.
        faces: those that were trained on; by them the limit between a mark and none is settled.
        folder: where to write.
        training_data: what they were trained on, in words.
        made: how: command, faces, seconds.
        progress: told how far it is.

    Returns:
        Both paths.

    """
    data = save(to_half(networks), {"format": "pt", "name": recipe.name})
    weights, card = folder / f"{recipe.name}.safetensors", folder / f"{recipe.name}.json"
    record = WeightRecord(
        name=recipe.name,
        kind="watermark",
        architecture=f"encoder with CBAM and decoder, {SIDE}x{SIDE} RGB, {BITS} bits",
        filename=weights.name,
        source="shipped",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        licence="Apache-2.0",
        commercial_use=True,
        training_data=training_data,
        origin=f"trained by Bauta, recipe {recipe.name}",
        notes=recipe.about,
    )
    measured = loudness(networks, faces, recipe, progress)
    content = {
        "record": asdict(record),
        "recipe": recipe.to_json(),
        "made": {**made, **measured, "torch": torch.__version__, "machine": machine()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(weights, data, overwrite=True)
    atomic_write(card, (json.dumps(content, indent=1) + "\n").encode(), overwrite=True)
    return weights, card


@torch.no_grad()
def loudness(
    networks: WatermarkNetworks,
    faces: FaceSet,
    recipe: WatermarkRecipe,
    progress: Progress | None = None,
) -> dict[str, float]:
    """How loud marks are, and what is read where there are none.

    Returns:
        ``blank``, the mean absolute log odds that all but 0.05 % of faces without a mark stay
        below; ``certainty``, a tenth more; and ``heard``, the share of shared photos with a mark
        that are louder than that.

    """
    generator = torch.Generator().manual_seed(recipe.seed)
    which = np.random.default_rng(recipe.seed).permutation(len(faces))[:_FACES]
    device = next(networks.parameters()).device
    blank: list[torch.Tensor] = []
    loud: list[torch.Tensor] = []
    for start in range(0, len(which), _BATCH):
        frames = to_tensor(faces.take(which[start : start + _BATCH])).to(device)
        frames = at_network_size(frames)
        looks = [_loudness(networks, realigned(frames, generator)) for _ in range(_LOOKS)]
        blank.append(torch.stack(looks).amax(dim=0))
        if start < _MARKED:
            bits = 2.0 * torch.randint(0, 2, (len(frames), BITS), generator=generator) - 1
            budget = Perceptual(recipe.epsilon)
            marked, _ = marked_frames(networks.encoder, frames, bits.to(frames), budget)
            loud.append(_loudness(networks, shared(marked, generator)))
        if progress:
            done = min(start + _BATCH, len(which))
            progress("reading faces without a mark", done, len(which))
    highest = float(torch.cat(blank).quantile(1 - _OUTLIERS))
    limit = _MARGIN * highest
    heard = float((torch.cat(loud) > limit).float().mean())
    return {"blank": highest, "certainty": limit, "heard": heard}


def _loudness(networks: WatermarkNetworks, frames: torch.Tensor) -> torch.Tensor:
    """(B,) mean absolute log odds of the bits."""
    out: torch.Tensor = networks.decoder(frames)
    return out.abs().mean(dim=1).cpu()
