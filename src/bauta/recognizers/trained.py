"""Networks that were trained by a recipe: a safetensors file and a card of the same name.

The card is JSON: the weight record, how to build the network, and how it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from bauta.errors import BautaError, WeightsError
from bauta.memory import raise_if_short
from bauta.plain import build, table_of
from bauta.recognizers.base import Recognizer
from bauta.recognizers.crops import crop_of
from bauta.recognizers.networks.blocks import FaceNetwork, fold_norms
from bauta.recognizers.networks.families import build_network


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """How a trained network is built.

    Attributes:
        family: family of networks.
        crop: name of the crop.
        size: side of the crop in pixels.
        embedding: length of the embedding.
        options: further arguments of the family.

    """

    family: str
    crop: str
    size: int
    embedding: int
    options: Mapping[str, Any]


def read_card(path: Path) -> dict[str, Any]:
    """Read the card of a trained network.

    Raises:
        WeightsError: there is none, or it is not one.

    """
    try:
        card = table_of(path.read_bytes())
        build(NetworkSpec, dict(card["network"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is not the card of a trained network: {error}") from error
    return card


def load_network(weights: Path, spec: NetworkSpec) -> FaceNetwork:
    """Build a network and fill it from a safetensors file, in float32 and ready for inference.

    Raises:
        WeightsError: the file does not hold this network.

    """
    try:
        network = build_network(
            spec.family, size=spec.size, embedding=spec.embedding, options=spec.options
        ).eval()
        fold_norms(network)
        state = {name: value.float() for name, value in load_file(weights).items()}
        network.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError, ValueError, BautaError) as error:
        raise_if_short(error)
        raise WeightsError(f"{weights} does not hold this {spec.family}: {error}") from error
    return network


def trained_recognizer(
    name: str, weights: Path, card: Mapping[str, Any], ancestors: frozenset[str] = frozenset()
) -> Recognizer:
    """Recognizer of a trained network.

    Args:
        name: public name, also that of its weight record.
        weights: the verified safetensors file.
        card: its card.
        ancestors: identities of the weights that it was copied from or started with.

    """
    spec = build(NetworkSpec, card["network"])
    network = load_network(weights, spec)
    dense = spec.family in ("ir-resnet", "inception", "dlib-resnet")
    crop = crop_of(spec.crop, spec.size)
    return Recognizer(name, crop, network, name, gains_from_bf16=dense, ancestors=ancestors)


def to_half(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Half-precision state of a network whose batch norms are folded."""
    state = network.state_dict()
    return {name: value.detach().cpu().half().contiguous() for name, value in state.items()}
