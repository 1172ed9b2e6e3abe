"""Model cards: what a recognizer is and how good it is, gathered from its record and thresholds.

Numbers are read from the records, the thresholds and the network itself, so that no card can say
something else than the program does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bauta.errors import UsageError, WeightsError
from bauta.faces.face import TEMPLATES
from bauta.faces.geometry import apply
from bauta.recognizers.base import Crop, Judge, Recognizer
from bauta.recognizers.names import WEIGHTS_OF
from bauta.recognizers.own import OWN, plain
from bauta.recognizers.thresholds import Threshold, thresholds_of
from bauta.recognizers.zoo import get_recognizer, plugged_in, recognizers
from bauta.weights.records import locate_record, record, records
from bauta.weights.table import WeightRecord

#: What the numbers cannot say, by recognizer; optional.
ABOUT: Mapping[str, str] = {
    "dlib": "The one recognizer that comes with the installation. The network was ported from "
    "dlib's own file to have gradients. Its embeddings are not of unit length: dlib's customary "
    "distance of 0.6 is a similarity of 0.82.",
    "dlib-native": "The same network run by dlib's own library, which cuts a 150x150 crop its own "
    "way. It checks the port; it is no independent judge of masks made with dlib.",
    "mobilefacenet-ms1m": "Small, and the better surrogate of the two that were measured first. "
    "Its crop is placed by five points of dlib instead of ArcFace's.",
}
_JUDGE = "to measure whether a face in a photo is still recognised (judge)"
_SURROGATE = ", and to make masks against (surrogate, it has gradients)"
_NOT = "; not to identify or watch people"
_LIMITS = (
    "Thresholds hold for photos like those that they were read on. How error rates differ between "
    "ages, sexes and skin colours was not measured."
)


@dataclass(frozen=True)
class CropFacts:
    """What part of a photo a recognizer looks at.

    Attributes:
        size: side of the square in pixels.
        eye_distances: its side in distances between a mean face's eyes.
        eyes_at: height of the eyes, as a share of the square from its upper edge.

    """

    size: int
    eye_distances: float
    eyes_at: float


@dataclass(frozen=True)
class RecognizerFacts:
    """What is known about one recognizer.

    Attributes:
        name: its name.
        about: a few words that no number says; may be empty.
        use: what it is for.
        limits: what it is not to be trusted with.
        thresholds: by name, with the rates there and the data they were read on; may be empty.
        crop: what it looks at; None where its weights are missing or it cuts by itself.
        parameters: of its network, batch norms folded in; None likewise.
        multiply_adds: of its convolutions and matrix products for one face; None likewise.
        dimensions: length of an embedding; None likewise.

    """

    name: str
    about: str
    use: str
    limits: str
    thresholds: Mapping[str, Threshold]
    crop: CropFacts | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    dimensions: int | None = None


@dataclass(frozen=True)
class Card:
    """A weight file and the recognizers that use it.

    Attributes:
        record: where the file comes from, and under which licence; None: a plug-in, of which only
            its author can say that.
        path: where the verified file is on this machine; None: it is not here.
        size_bytes: length of the file; None where neither the record nor a file says it.
        recognizers: those that use it.
        definition: of a recognizer that the user has added, how its network wants its faces and
            whether it has gradients; otherwise empty.

    """

    record: WeightRecord | None
    path: Path | None
    size_bytes: int | None
    recognizers: tuple[RecognizerFacts, ...]
    definition: Mapping[str, Any]


def card(name: str) -> Card:
    """Card of a recognizer, or of a weight file with all recognizers that use it.

    Raises:
        RegistryError: nothing has this name.
        WeightsError: a folder of weights may not be looked into.

    """
    if name in plugged_in():
        return Card(None, None, None, (_facts(name, here=True),), {})
    row = _record(name)
    path = _path(row)
    users = [user for user in recognizers.names() if WEIGHTS_OF.get(user, user) == row.name]
    wanted = [name] if name in users and name != row.name else users
    return Card(
        record=row,
        path=path,
        size_bytes=path.stat().st_size if path else row.size_bytes,
        recognizers=tuple(_facts(user, here=path is not None) for user in wanted),
        definition=plain(OWN[row.name]) if row.source == "user" else {},
    )


def _record(name: str) -> WeightRecord:
    weights = WEIGHTS_OF.get(name, name)
    return OWN[weights].record if weights in OWN and weights not in records() else record(weights)


def _path(row: WeightRecord) -> Path | None:
    try:
        return locate_record(row)
    except WeightsError:
        return None


def multiply_adds(network: nn.Module, size: int) -> int:
    """Multiply-adds of a network's convolutions and matrix products for one crop.

    Args:
        network: maps (1, 3, size, size) to an embedding.
        size: side of the crop in pixels.

    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, 3, size, size, device=_weights(network)[0].device))
    # It counts a multiplication and an addition as two.
    return int(counter.get_total_flops()) // 2


def _weights(network: nn.Module) -> list[torch.Tensor]:
    """Weights of a network; those of an ONNX graph are buffers."""
    return list(network.parameters()) or [b for b in network.buffers() if b.is_floating_point()]


def crop_facts(crop: Crop) -> CropFacts:
    """Describe a crop by the eyes of a mean face, upright in it."""
    eyes = apply(crop.from_frame, TEMPLATES["yunet5"][:2])
    between = float(np.hypot(*(eyes[1] - eyes[0])))
    return CropFacts(crop.size, crop.size / between, float(eyes[:, 1].mean()) / crop.size)


def _facts(name: str, *, here: bool) -> RecognizerFacts:
    judge = get_recognizer(name) if here else None
    surrogate = _surrogate(judge)
    facts = RecognizerFacts(
        name=name,
        about=ABOUT.get(name, ""),
        use=_use(judge, surrogate),
        limits=_LIMITS,
        thresholds=thresholds_of(name),
    )
    if surrogate is None:
        return facts
    size = surrogate.crop.size
    with torch.no_grad():
        embedding = surrogate.embed_crops(torch.zeros(1, 3, size, size, device=surrogate.device))
    return replace(
        facts,
        crop=crop_facts(surrogate.crop),
        parameters=sum(weight.numel() for weight in _weights(surrogate.network)),
        multiply_adds=multiply_adds(surrogate.network, size),
        dimensions=embedding.shape[1],
    )


def _surrogate(judge: Judge | None) -> Recognizer | None:
    """The recognizer with gradients, or None where it has none or is not here."""
    if judge is None:
        return None
    try:
        return judge.surrogate()
    except (UsageError, WeightsError):
        return None


def _use(judge: Judge | None, surrogate: Recognizer | None) -> str:
    """What a recognizer is for; without its weights, nobody knows whether it has gradients."""
    if judge is None:
        return f"{_JUDGE}, and to make masks against if it has gradients (surrogate){_NOT}"
    return _JUDGE + (_SURROGATE if surrogate else "") + _NOT
