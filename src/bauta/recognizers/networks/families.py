"""The families of networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from bauta.errors import RegistryError, UsageError
from bauta.memory import raise_if_short
from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.recognizers.networks.continued import TrainableDlib, TrainableMs1m
from bauta.recognizers.networks.ghost import GhostFaceNet
from bauta.recognizers.networks.inception import Inception
from bauta.recognizers.networks.ir_resnet import IrResNet
from bauta.recognizers.networks.mobile import TrainableMobileFaceNet
from bauta.recognizers.networks.vit import VisionTransformer

#: Least and largest side of a crop, the longest embedding, and most weights of a network.
_SIDES, _LONGEST, _MOST_WEIGHTS = (8, 1024), 8192, 300_000_000
FAMILIES: Mapping[str, Callable[..., FaceNetwork]] = MappingProxyType(
    {
        "ir-resnet": IrResNet,
        "mobilefacenet": TrainableMobileFaceNet,
        "mobilefacenet-relu": TrainableMs1m,
        "dlib-resnet": TrainableDlib,
        "inception": Inception,
        "ghost": GhostFaceNet,
        "vit": VisionTransformer,
    }
)


def build_network(
    family: str, *, size: int, embedding: int, options: Mapping[str, Any] | None = None
) -> FaceNetwork:
    """Build a network of a family, with random weights.

    Args:
        family: name out of :data:`FAMILIES`.
        size: side of the crop in pixels.
        embedding: length of the embedding.
        options: further arguments of the family's class, such as ``widths``.

    Raises:
        RegistryError: there is no such family.
        UsageError: the family knows no such option, or nothing can be built of these.

    """
    if family not in FAMILIES:
        raise RegistryError(f"unknown family {family!r}: use {', '.join(FAMILIES)}")
    if not (_SIDES[0] <= size <= _SIDES[1] and 1 <= embedding <= _LONGEST):
        raise UsageError(
            f"family {family}: a crop has {_SIDES[0]} to {_SIDES[1]} pixels a side and an "
            f"embedding 1 to {_LONGEST} numbers, got {size} and {embedding}"
        )
    try:
        # First without memory: options of a file may ask for any size.
        with torch.device("meta"):
            outline = FAMILIES[family](size=size, embedding=embedding, **dict(options or {}))
        weights = sum(part.numel() for part in outline.parameters())
        if weights > _MOST_WEIGHTS:
            raise UsageError(f"family {family}: {weights:.2g} weights are too many")
        return FAMILIES[family](size=size, embedding=embedding, **dict(options or {}))
    except (TypeError, ValueError, LookupError, RuntimeError, ArithmeticError) as error:
        raise_if_short(error)
        raise UsageError(f"family {family}: {error}") from error
