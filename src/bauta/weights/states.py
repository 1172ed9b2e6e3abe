"""Tensors out of files: torch's own, and those that come inside the package."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bauta.errors import WeightsError
from bauta.memory import raise_if_short
from bauta.weights.records import REINSTALL

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: What the package's tables hash to. Whoever makes one anew (benchmarks/make_targets.py,
#: benchmarks/make_gallery.py) writes its hash here.
_TABLES = {
    "targets": "1ef1e6e0a39c22feb320dba83674e4000427946d89cf9cdb0b47d116e0073346",
    "gallery": "f656322ea63b1c15f3dd8cd5fbbe1e68ad212e239ae3f72e590e22b00d05e135",
}


def load_state(path: Path, device: str | torch.device = "cpu") -> Any:
    """What a torch file holds, by the loader that runs nothing of it.

    Raises:
        WeightsError: the file is missing or damaged, or holds something other than tensors.

    """
    import torch

    try:
        return torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise_if_short(error)
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # damaged files make it raise anything
        raise_if_short(error)
        what = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"{path} is damaged, or holds something other than tensors: {what}"
        ) from error


def packaged_tensors(name: str) -> dict[str, Tensor]:
    """Tensors of a table that comes inside the package, "targets" or "gallery".

    Raises:
        WeightsError: the file is missing or altered.

    """
    from safetensors.torch import load

    file = resources.files("bauta").joinpath(f"data/{name}.safetensors")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {file}: {error.strerror or error}. {REINSTALL}") from error
    if hashlib.sha256(data).hexdigest() != _TABLES[name]:
        raise WeightsError(f"{file} is not the file that came with Bauta. {REINSTALL}")
    return load(data)
