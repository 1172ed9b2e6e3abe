"""The families of networks that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from bauta.errors import RegistryError, UsageError
from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.recognizers.networks.continued import TrainableDlib, TrainableMs1m
from bauta.recognizers.networks.ghost import GhostFaceNet
from bauta.recognizers.networks.inception import Inception
from bauta.recognizers.networks.ir_resnet import IrResNet
from bauta.recognizers.networks.mobile import TrainableMobileFaceNet
from bauta.recognizers.networks.vit import VisionTransformer

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
        UsageError: the family knows no such option.

    """
    if family not in FAMILIES:
        raise RegistryError(f"unknown family {family!r}: use {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family](size=size, embedding=embedding, **dict(options or {}))
    except TypeError as error:
        raise UsageError(f"family {family}: {error}") from error
