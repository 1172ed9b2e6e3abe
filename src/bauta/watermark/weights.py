"""The networks that come with Bauta."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from bauta.errors import WeightsError
from bauta.memory import raise_if_short
from bauta.plain import table_of
from bauta.watermark.network import WatermarkNetworks
from bauta.weights.records import locate

#: Name of the weights that are used.
NAME = "dpg"


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks, and what was measured of them.

    Attributes:
        networks: encoder and decoder, in evaluation mode.
        certainty: mean absolute log odds of a bit from which a face carries somebody's mark.

    """

    networks: WatermarkNetworks
    certainty: float


@cache
def trained_networks(device: str = "cpu") -> Trained:
    """Load them, once per process and device.

    Raises:
        WeightsError: the file is missing or altered, or its card does not fit.

    """
    path = locate(NAME)
    try:
        card = table_of(path.with_suffix(".json").read_bytes())
        networks = WatermarkNetworks(torch.Generator()).eval().requires_grad_(False)
        networks.load_state_dict({name: part.float() for name, part in load_file(path).items()})
        certainty = float(card["made"]["certainty"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise_if_short(error)
        raise WeightsError(f"{path} does not hold a watermark's networks: {error}") from error
    return Trained(networks.to(device), certainty)
