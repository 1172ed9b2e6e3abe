"""The recognizers that come with Bauta. Each is one registered function that builds its adapter."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from bauta.errors import WeightsError
from bauta.faces.face import Face
from bauta.faces.landmarks import find_landmarks
from bauta.recognizers.base import Judge, Recognizer
from bauta.recognizers.crops import arcface_crop, dlib_crop
from bauta.recognizers.names import GROUP, WEIGHTS_OF, own_paths
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet
from bauta.recognizers.onnx_judge import Convention, OnnxJudge
from bauta.recognizers.own import OWN
from bauta.recognizers.thresholds import thresholds_of
from bauta.recognizers.trained import read_card, trained_recognizer
from bauta.registry import Registry
from bauta.weights.records import locate, locate_record, records, shipped_names
from bauta.weights.table import WeightRecord

#: Name to a function that builds the recognizer; each takes no arguments.
recognizers: Registry[Callable[[], Judge]] = Registry("recognizer", more=OWN, group=GROUP)
#: Default surrogates by preset, as chosen in docs/results/teams.md.
_TEAMS = {
    "fast": ("loose-dlib", "tight-dlib"),
    "balanced": ("loose-dlib", "tight-ms1m", "loose-ms1m"),
    "strong": ("loose-dlib", "tight-ms1m", "loose-ms1m"),
}
#: Who says, by preset, which faces are hidden well enough. Its word goes with what strangers say
#: (docs/results/fairness.md), and all its ancestors are the team's as well.
_HELD_OUT = {"fast": "tight-ms1m", "balanced": "tight-dlib", "strong": "tight-dlib"}
#: Comes along to judge: its teacher taught no surrogate, so it is independent of all teams.
BUILT_IN_JUDGE = "tight-judge"


@recognizers.register("dlib")
def dlib_descriptor() -> Recognizer:
    """Dlib's face descriptor, with gradients: the port equals dlib's own to 1e-6."""
    network = DlibResNet.load(locate("dlib-resnet"))
    return Recognizer("dlib", dlib_crop(150), network, "dlib-resnet", gains_from_bf16=True)


@recognizers.register("mobilefacenet-ms1m")
def mobilefacenet_ms1m() -> Recognizer:
    """Build foamliu's MobileFaceNet, trained on MS1M with ArcFace."""
    network = MobileFaceNet.load(locate("mobilefacenet-ms1m"))
    return Recognizer("mobilefacenet-ms1m", arcface_crop(112), network, "mobilefacenet-ms1m")


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


#: Taken from uniface's PreprocessConfig and BaseRecognizer.preprocess, which swaps OpenCV's BGR to
#: RGB (github.com/yakhyo/uniface, uniface/recognition/base.py and models.py at 0417f753).
_UNIFACE = Convention(size=112, mean=(127.5,) * 3, std=(127.5,) * 3)
#: OpenCV calls blobFromImage with scale 1, mean 0 and swapRB, so the file gets RGB 0-255
#: (github.com/opencv/opencv, modules/objdetect/src/face_recognize.cpp at 0692bb41).
_SFACE = Convention(size=112, mean=(0.0,) * 3, std=(1.0,) * 3)
#: Taken from lib/fr_feature.js of the npm package face-recognition-plugin 1.0.9.
_FACEPLUGIN = Convention(size=112, mean=(127.0,) * 3, std=(128.0,) * 3)
#: Weight records that are ONNX recognizers, and how they want their faces. All publishers align
#: to ArcFace's template and compare by the cosine.
ONNX_CONVENTIONS = {
    "faceplugin": _FACEPLUGIN,
    "sface-2021dec": _SFACE,
    "mobilenetv1-0.25": _UNIFACE,
    "mobilenetv2": _UNIFACE,
    "mobilenetv3-small": _UNIFACE,
    "mobilenetv3-large": _UNIFACE,
    "sphere20": _UNIFACE,
    "sphere36": _UNIFACE,
}


def _onnx(name: str) -> OnnxJudge:
    return OnnxJudge(name, locate(name), ONNX_CONVENTIONS[name], name)


def _trained(name: str) -> Recognizer:
    weights = locate(name)
    card = read_card(weights.with_suffix(".json"))
    return trained_recognizer(name, weights, card, lineage_of(name))


def lineage_of(name: str) -> frozenset[str]:
    """Identities of a recognizer's weights and, down to the first, of those it learnt from."""
    own = frozenset({WEIGHTS_OF.get(name, name)})
    if name not in shipped_names():
        return own
    recipe = read_card(locate(name).with_suffix(".json")).get("recipe", {})
    elders = [*recipe.get("teachers", ()), recipe.get("start", "")]
    return own.union(*(lineage_of(elder) for elder in elders if elder))


for _name in ONNX_CONVENTIONS:
    recognizers.register(_name)(partial(_onnx, _name))
for _name in shipped_names():
    recognizers.register(_name)(partial(_trained, _name))


@cache
def _build(builder: Callable[[], Judge]) -> Judge:
    """Build a recognizer once per process, and anew if the user's definition of it changes."""
    return builder()


def get_recognizer(name: str) -> Judge:
    """Return the recognizer called ``name``, built once per process.

    Raises:
        RegistryError: there is none.
        WeightsError: its weights are missing or altered; the message says how to get them.

    """
    return _build(recognizers[name])


def get_surrogate(name: str) -> Recognizer:
    """Return the recognizer called ``name``, which must have gradients.

    Raises:
        UsageError: it has none, so it can only judge.
        WeightsError: its file uses what there are no gradients for.

    """
    return get_recognizer(name).surrogate()


def installed() -> list[str]:
    """Names of the recognizers whose weights are on this machine; plug-ins bring their own.

    Raises:
        WeightsError: weights that come with the installation are missing or damaged.

    """
    return [name for name in recognizers.names() if _has_weights(name)]


def plugged_in() -> list[str]:
    """Names of the recognizers that come from outside, sorted; Bauta keeps no file of theirs."""
    kept = {*records(), *WEIGHTS_OF, *own_paths()}
    return [name for name in recognizers.names() if name not in kept]


def _has_weights(name: str) -> bool:
    row = None
    try:
        row = _record_of(name)
        if row is not None:
            locate_record(row)
    except WeightsError:
        # Without its own parts Bauta would go on with fewer, protect less, and say nothing.
        if row is not None and row.source in ("shipped", "package"):
            raise
        return False
    return True


def _record_of(name: str) -> WeightRecord | None:
    """Return the record of a recognizer's file; None for a plug-in, which has none."""
    weights = WEIGHTS_OF.get(name, name)
    if weights in records():
        return records()[weights]
    return OWN[name].record if name in OWN else None


def _can_run(name: str) -> bool:
    """Whether what runs a recognizer is installed, not only its weights."""
    row = _record_of(name)
    is_onnx = row is not None and row.filename.endswith(".onnx")
    return not is_onnx or importlib.util.find_spec("onnxruntime") is not None


def default_surrogates(preset: str) -> list[str]:
    """Names of a preset's surrogates.

    They grew out of dlib and mobilefacenet-ms1m, so that the built-in judge and what is fetched
    besides have not taken part and can judge.
    """
    here = installed()
    return [name for name in _TEAMS[preset] if name in here] or ["dlib"]


def default_held_out(preset: str) -> list[str]:
    """Names of the recognizers that say which faces a preset's default surrogates have hidden.

    They share teachers with the surrogates, so that nobody is lost as a judge by asking them.
    """
    return [name for name in (_HELD_OUT[preset],) if name in installed()]


def every_default_surrogate() -> list[str]:
    """Names of the surrogates of all presets, each once."""
    return sorted({name for preset in _TEAMS for name in default_surrogates(preset)})


def default_judges() -> list[str]:
    """Names of the recognizers that score by default, among what is installed.

    A recognizer without thresholds cannot decide anything yet, and is left out; so is one in ONNX
    where the extra that runs it is not installed, as environments share what was fetched; so are
    the shipped surrogates, who would only praise their own work, and dlib's port, which says what
    dlib says.
    """
    return [name for name in _fit_to_judge() if _can_run(name)]


def judges_left_out() -> list[str]:
    """Names of the recognizers that would judge by default if the extra onnx were installed."""
    return [name for name in _fit_to_judge() if not _can_run(name)]


def _fit_to_judge() -> list[str]:
    others = {"dlib"}.union(*_TEAMS.values(), shipped_names()) - {BUILT_IN_JUDGE}
    able = [name for name in installed() if name not in others]
    return [name for name in able if "far-1%" in thresholds_of(name)]
