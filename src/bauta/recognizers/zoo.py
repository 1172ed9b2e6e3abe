"""The recognizers that come with Bauta. Each is one registered function that builds its adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError, WeightsError
from bauta.faces.face import FRAME_CENTRE, FRAME_SIDE, TEMPLATES, Face
from bauta.faces.landmarks import find_landmarks
from bauta.recognizers.base import Judge, Recognizer, affine_crop, crop_from_template
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet
from bauta.registry import Registry
from bauta.weights.records import available, locate

#: Name to a function that builds the recognizer; each takes no arguments.
recognizers: Registry[Callable[[], Judge]] = Registry("recognizer")
#: Name of the weight record that each recognizer needs.
WEIGHTS_OF = {"dlib": "dlib-resnet", "dlib-native": "dlib-resnet"}

#: The five landmarks that ArcFace-type networks align to, in a 112 x 112 crop: eyes, nose tip,
#: mouth corners (J. Guo and J. Deng, insightface).
ARCFACE_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_CHIP_SIZE, _CHIP_PADDING = 150, 0.25


@recognizers.register("dlib")
def dlib_descriptor() -> Recognizer:
    """Dlib's face descriptor, with gradients: the port equals dlib's own to 1e-6."""
    side = (1 + 2 * _CHIP_PADDING) / FRAME_SIDE
    corner = tuple((-_CHIP_PADDING - c) / FRAME_SIDE + 0.5 for c in FRAME_CENTRE)
    crop = affine_crop(_CHIP_SIZE, (corner[0], corner[1]), side)
    network = DlibResNet.load(locate("dlib-resnet"))
    return Recognizer("dlib", crop, network, "dlib-resnet", gains_from_bf16=True)


@recognizers.register("mobilefacenet-ms1m")
def mobilefacenet_ms1m() -> Recognizer:
    """Build foamliu's MobileFaceNet, trained on MS1M with ArcFace."""
    crop = crop_from_template(112, ARCFACE_TEMPLATE, TEMPLATES["yunet5"])
    network = MobileFaceNet.load(locate("mobilefacenet-ms1m"))
    return Recognizer("mobilefacenet-ms1m", crop, network, "mobilefacenet-ms1m")


class DlibNative(Judge):
    """dlib through its own C++ library, alignment included: a black box without gradients."""

    name = "dlib-native"
    network_id = "dlib-resnet"

    def __init__(self) -> None:
        self._model: Any = dlib.face_recognition_model_v1(str(locate("dlib-resnet")))

    def embed(
        self, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]
    ) -> NDArray[np.float32]:
        """Embeddings of faces in photos; see :meth:`Judge.embed`."""
        rows = []
        for photo, face in zip(photos, faces, strict=True):
            # Five points are always dlib's own here, whoever found the face.
            shape = find_landmarks(photo, face.box) if face.scheme != "dlib5" else face.landmarks
            parts = dlib.points([dlib.point(round(float(x)), round(float(y))) for x, y in shape])
            box = dlib.rectangle(*(round(edge) for edge in face.box))
            detection = dlib.full_object_detection(box, parts)
            rows.append(np.array(self._model.compute_face_descriptor(photo, detection)))
        return np.array(rows, dtype=np.float32).reshape(-1, 128)


@recognizers.register("dlib-native")
def dlib_native() -> DlibNative:
    """Dlib's own library as a judge."""
    return DlibNative()


@cache
def get_recognizer(name: str) -> Judge:
    """Return the recognizer called ``name``, built once per process.

    Raises:
        RegistryError: there is none.
        WeightsError: its weights are missing or altered; the message says how to get them.

    """
    return recognizers[name]()


def get_surrogate(name: str) -> Recognizer:
    """Return the recognizer called ``name``, which must have gradients.

    Raises:
        UsageError: it has none, so it can only judge.

    """
    found = get_recognizer(name)
    if not isinstance(found, Recognizer):
        raise UsageError(f"{name} has no gradients: it can judge, but not be a surrogate")
    return found


def installed() -> list[str]:
    """Names of the recognizers whose weights are on this machine."""
    return [name for name in recognizers.names() if _has_weights(name)]


def _has_weights(name: str) -> bool:
    try:
        return available(WEIGHTS_OF.get(name, name))
    except WeightsError:
        return False


def default_team() -> tuple[list[str], list[str]]:
    """Names of the default surrogates and judges among what is installed.

    Whoever makes a protection cannot judge it. With two networks at hand, the one that transfers
    better attacks and the other judges; with one alone it does both, and the report says so.
    """
    judges = [name for name in installed() if name != "dlib"]
    if "mobilefacenet-ms1m" in judges:
        return ["mobilefacenet-ms1m"], judges
    return ["dlib"], judges
