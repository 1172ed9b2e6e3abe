"""From a trained network to the files that ship: half-precision weights, and the card."""

from __future__ import annotations

import copy
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from bauta.media import atomic_write
from bauta.recognizers.networks.blocks import FaceNetwork, fold_norms
from bauta.recognizers.trained import NetworkSpec, to_half
from bauta.training.recipe import Recipe
from bauta.weights.table import WeightRecord


def export(
    network: FaceNetwork,
    recipe: Recipe,
    folder: Path,
    *,
    licence: str,
    commercial_use: bool,
    training_data: str,
    made: Mapping[str, Any],
) -> tuple[Path, Path]:
    """Write ``NAME.safetensors`` and its card ``NAME.json``.

    Args:
        network: the trained network; it is left as it is.
        recipe: its recipe.
        folder: where to write.
        licence: licence of the weights.
        commercial_use: whether their data allows it.
        training_data: what it was trained on, in words.
        made: how it was made: command, faces, seconds, accuracy.

    Returns:
        Both paths.

    """
    folded = fold_norms(copy.deepcopy(network).cpu().eval())
    data = save(to_half(folded), {"format": "pt", "name": recipe.name})
    weights, card = folder / f"{recipe.name}.safetensors", folder / f"{recipe.name}.json"
    spec = NetworkSpec(
        family=recipe.family,
        crop=recipe.crop,
        size=recipe.size,
        embedding=recipe.embedding,
        options=dict(recipe.network),
    )
    record = WeightRecord(
        name=recipe.name,
        kind="recognizer",
        architecture=f"{recipe.family}, {recipe.size}x{recipe.size} "
        f"{'grey' if recipe.network.get('grey') else 'RGB'}, {recipe.crop} crop, "
        f"{recipe.embedding}-d",
        filename=weights.name,
        source="shipped",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        licence=licence,
        commercial_use=commercial_use,
        training_data=training_data,
        origin=f"trained by Bauta, recipe {recipe.name}",
        notes=recipe.about,
    )
    content = {
        "record": asdict(record),
        "network": asdict(spec),
        "recipe": recipe.to_json(),
        "made": {**made, "torch": torch.__version__, "machine": machine()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(weights, data, overwrite=True)
    atomic_write(card, (json.dumps(content, indent=1) + "\n").encode(), overwrite=True)
    return weights, card


def machine() -> str:
    """Name what this runs on."""
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    return f"{platform.system()} {platform.machine()} {where}".strip()
