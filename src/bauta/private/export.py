"""From a trained network to files: for services, and for this program to go on with."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bauta.errors import MissingExtraError, UsageError, WeightsError
from bauta.media import atomic_write
from bauta.memory import raise_if_short
from bauta.plain import table_of
from bauta.private.defences import Publisher
from bauta.private.loop import build_private
from bauta.private.recipe import PrivateRecipe, parse_private_recipe
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.export import machine

_OPSET = 17


@dataclass(frozen=True, eq=False)
class Files:
    """What a run leaves.

    Attributes:
        weights: network, mask and centres of people, for this program.
        card: how it was made.
        model: ONNX, from photos' crops to embeddings, its mask in front: holds the secret.
        service: ONNX, from masked faces to embeddings: holds no secret.

    """

    weights: Path
    card: Path
    model: Path
    service: Path


def files_of(folder: Path, name: str) -> Files:
    """Where the files of a run lie."""
    return Files(
        folder / f"{name}.safetensors", folder / f"{name}.json",
        folder / f"{name}.onnx", folder / f"{name}-service.onnx",
    )  # fmt: skip


def export_private(
    network: MaskedNetwork,
    publisher: Publisher,
    recipe: PrivateRecipe,
    folder: Path,
    *,
    made: Mapping[str, Any],
) -> Files:
    """Write all files of a run.

    Args:
        network: the trained network; it is left as it is.
        publisher: its defence.
        recipe: its recipe.
        folder: where to write.
        made: how it was made: command, faces, people, accuracy.

    Raises:
        MissingExtraError: onnx is not installed.

    """
    still = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    names = files_of(folder, recipe.name)
    state = {k: v.detach().contiguous() for k, v in still.state_dict().items()}
    data = save(state, {"format": "pt", "name": recipe.name})
    side = recipe.size // publisher.stride
    crop = torch.rand(1, 3, recipe.size, recipe.size) * 255
    masked = torch.rand(1, publisher.channels, side, side)
    content = {
        "recipe": recipe.to_json(),
        "sha256": hashlib.sha256(data).hexdigest(),
        "made": {**made, "torch": torch.__version__, "machine": machine()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(names.weights, data, overwrite=True)
    atomic_write(names.card, (json.dumps(content, indent=1) + "\n").encode(), overwrite=True)
    atomic_write(names.service, _onnx(_Service(still), masked, "masked"), overwrite=True)
    atomic_write(names.model, _onnx(still, crop, "crop"), overwrite=True)
    return names


def load_private(folder: Path) -> tuple[PrivateRecipe, Publisher, MaskedNetwork]:
    """Read a trained network back, with its defence.

    Args:
        folder: the run's folder; its name is the recipe's.

    Raises:
        UsageError: no run has been finished there.
        WeightsError: its files are damaged.

    """
    names = files_of(folder, folder.name)
    try:
        card = table_of(names.card.read_bytes())
        recipe = parse_private_recipe(card["recipe"], names.card.name)
        wanted = card["sha256"]
        data = names.weights.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} holds no finished network: run bauta private train first"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{names.card} is damaged: {error}") from error
    if hashlib.sha256(data).hexdigest() != wanted:
        raise WeightsError(f"{names.weights} is not what {names.card.name} says: it was altered")
    publisher, network = build_private(recipe, b"")
    try:
        network.load_state_dict(load_file(names.weights))
    except (RuntimeError, SafetensorError) as error:
        raise_if_short(error)
        raise WeightsError(f"{names.weights} does not hold this network: {error}") from error
    return recipe, publisher, network.eval().requires_grad_(False)


class _Service(nn.Module):
    """What a service runs: it never sees a photo."""

    def __init__(self, network: MaskedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, masked: Tensor) -> Tensor:
        return nn.functional.normalize(self.network.of_masked(masked))


def _onnx(network: nn.Module, example: Tensor, name: str) -> bytes:
    try:
        import onnx  # noqa: F401  the exporter needs it and says so late
    except ImportError as error:
        raise MissingExtraError("writing a network that services can run", "onnx") from error
    out = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter needs a package more, and writes the same.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Constant folding")
        torch.onnx.export(
            network, (example,), out,  # type: ignore[arg-type]  # takes streams, whatever stubs say
            dynamo=False, opset_version=_OPSET, input_names=[name],
            output_names=["embedding"], dynamic_axes={name: {0: "n"}, "embedding": {0: "n"}},
        )  # fmt: skip
    return out.getvalue()
