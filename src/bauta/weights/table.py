"""The weight files that others published: where each comes from, its hash, and who may use it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bauta.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class WeightRecord:
    """Everything known about one weight file.

    Attributes:
        name: the name the file is asked for by.
        kind: what its network does.
        architecture: the network, with the size and colour order of its input where it has one.
        filename: name of the file, the one its publisher uses.
        source: "package" (inside face_recognition_models), "shipped" (inside bauta), "download",
            "hand" (the user brings it, as ``obtain`` says), or "user" (a recognizer that the user
            has added).
        url: where a download comes from, https only; None for the other sources.
        sha256: what the file must hash to, 64 lower-case hexadecimal digits.
        size_bytes: length of the file, None where the publisher does not state it.
        licence: the publisher's licence for the file.
        commercial_use: False where the publisher, or the data's owner through the publisher,
            forbids commercial use of the file.
        training_data: what the network saw in training.
        origin: page of the paper or project the file comes from.
        notes: what a careful user should know besides.
        obtain: how to bring the file by hand, and the folder it then lies in.

    Raises:
        UsageError: a field is not of its form, so the record could not be trusted.

    """

    name: str
    kind: Literal["recognizer", "detector", "landmarks", "metric", "watermark"]
    architecture: str
    filename: str
    source: Literal["package", "shipped", "download", "hand", "user"]
    sha256: str
    licence: str
    commercial_use: bool
    training_data: str
    origin: str
    url: str | None = None
    size_bytes: int | None = None
    notes: str = ""
    obtain: str = ""

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


#: All files that Bauta did not make itself.
TABLE = (
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
        name="faceplugin",
        kind="recognizer",
        architecture="MobileFaceNet, ONNX, 112x112 RGB, 512-d",
        filename="fr_feature.onnx",
        source="hand",
        sha256="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        size_bytes=4_884_269,
        licence="MIT",
        commercial_use=True,
        training_data="not stated",
        origin="https://github.com/AI-Innovator/Face-Recognition-SDK-Javascript",
        notes="The licence is that of the npm package face-recognition-plugin 1.0.9, which the "
        "file lies in. The teacher of the built-in judge.",
        obtain="npm pack face-recognition-plugin@1.0.9 && tar xzf "
        "face-recognition-plugin-1.0.9.tgz, then: bauta recognizers fetch faceplugin "
        "--from package/model",
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
        name="mediapipe-mesh",
        kind="landmarks",
        architecture="MediaPipe face mesh, 192x192 RGB, 468 points",
        filename="mediapipe-mesh.safetensors",
        source="shipped",
        sha256="88e0066f89224ee6a718c38e5b66d013384ecca14ea041deada5ff2b2509d83e",
        size_bytes=1_223_218,
        licence="Apache-2.0",
        commercial_use=True,
        training_data="not stated for this file; the paper: photos of mobile phones, and rendered "
        "faces",
        origin="https://github.com/google-ai-edge/mediapipe",
        notes="face_landmark.tflite of the wheel 0.10.14, its numbers unchanged, and the mean mesh "
        "of 600 people of LFW (benchmarks/mediapipe_mesh.py).",
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
    WeightRecord(
        name="alexnet-imagenet",
        kind="metric",
        architecture="AlexNet, PyTorch, the backbone of LPIPS",
        filename="alexnet-owt-7be5be79.pth",
        source="hand",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        size_bytes=244_408_911,
        licence="BSD-3-Clause",
        commercial_use=True,
        training_data="ImageNet, 1.3 million photos (a research set)",
        origin="https://arxiv.org/abs/1404.5997",
        notes="The licence is torchvision's, which publishes the file.",
        obtain='where torchvision is installed: python -c "import torchvision; '
        "torchvision.models.alexnet(weights='DEFAULT')\", then: bauta recognizers fetch "
        "alexnet-imagenet --from ~/.cache/torch/hub/checkpoints",
    ),
)
