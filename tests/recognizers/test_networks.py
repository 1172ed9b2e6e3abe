"""The networks: equal to their originals, strict about their files, right in their gradients."""

from __future__ import annotations

import re
from pathlib import Path

import dlib
import numpy as np
import pytest
import torch

from bauta.errors import WeightsError
from bauta.faces.detect import find_faces
from bauta.faces.landmarks import find_landmarks
from bauta.media import read_photo
from bauta.recognizers.networks.dlib_resnet import DlibResNet
from bauta.recognizers.networks.mobilefacenet import MobileFaceNet
from bauta.recognizers.zoo import get_recognizer, get_surrogate
from bauta.weights.records import FOLDERS_VARIABLE, locate


@pytest.fixture(scope="module")
def dat() -> Path:
    return locate("dlib-resnet")


@pytest.fixture(scope="module")
def native(dat: Path):
    return dlib.face_recognition_model_v1(str(dat))


def chip_of(photo, face):
    """dlib's own 150 px chip."""
    parts = [dlib.point(int(x), int(y)) for x, y in find_landmarks(photo, face.box)]
    box = dlib.rectangle(*(round(edge) for edge in face.box))
    shape = dlib.full_object_detection(box, dlib.points(parts))
    return dlib.get_face_chip(photo, shape, 150, 0.25)


def assert_port_equals(native, chips):
    images = torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float()
    ours = get_surrogate("dlib").embed_crops(images).numpy()
    theirs = np.array([np.array(native.compute_face_descriptor(chip)) for chip in chips])
    # Measured on Collins and Hopper: 4e-7 in any number, 1.3e-6 in distance.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert np.linalg.norm(ours - theirs, axis=1).max() < 1e-5


def test_the_port_equals_dlibs_own_network(native, collins, collins_face, hopper, hopper_face):
    chips = [chip_of(collins, collins_face), chip_of(hopper, hopper_face)]
    black, noisy = np.zeros_like(chips[0]), np.random.default_rng(0).integers(0, 256, (150, 150, 3))
    assert_port_equals(native, [*chips, black, noisy.astype(np.uint8)])


@pytest.mark.shared
def test_the_port_equals_dlibs_own_network_on_lfw(native, shared):
    chips = []
    for folder in sorted((shared / "data/lfw").iterdir())[::190]:
        photo = read_photo(min(folder.iterdir())).pixels
        chips += [chip_of(photo, face) for face in find_faces(photo, turned=False)[:1]]
    assert len(chips) >= 28
    assert_port_equals(native, chips)


def test_our_crop_leads_to_dlibs_descriptor(collins, collins_face, hopper, hopper_face):
    """dlib scales photos down by a pyramid before it cuts, we by an antialiased resize."""
    photos, faces = [collins, hopper], [collins_face, hopper_face]
    ours, theirs = (get_recognizer(n).embed(photos, faces) for n in ("dlib", "dlib-native"))
    apart = np.linalg.norm(ours - theirs, axis=1)
    # Measured: 0.085 and 0.070, where 0.6 counts as another person.
    assert apart.max() < 0.12
    assert np.linalg.norm(theirs[0] - theirs[1]) > 5 * apart.max()


def headers(data: bytes) -> list[int]:
    """Where the network's tensors begin: version 2, then four dimensions, few of them above 1."""
    conv = rb"\x01\x02(?:\x01.|\x02..|\x03...)\x01\x01\x01\x01\x01\x01"
    return [m.start() for m in re.finditer(conv, data, re.DOTALL)]


def test_damaged_files_are_refused(dat: Path, tmp_path: Path):
    data = dat.read_bytes()
    file = tmp_path / "damaged.dat"
    # 29 convolutions, each with its affine layer; the matrix at the end has another form.
    starts = headers(data)
    assert len(starts) >= 58
    damaged = [b"", data[:1000], data[: len(data) // 2], data[:-40_000]]
    for start in (starts[0], starts[1], starts[-1]):
        for at in (start + 1, start + 3):
            changed = bytearray(data)
            changed[at] ^= 0x15
            damaged.append(bytes(changed))
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(WeightsError, match="does not hold"):
            DlibResNet.load(file)


def test_gradients_are_right(dat: Path):
    """Against a central difference along a random direction, in double precision."""
    network = DlibResNet.load(dat).double()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 150, 150, generator=generator, dtype=torch.float64) * 255
    along = torch.randn(images.shape, generator=generator, dtype=torch.float64)
    weight = torch.randn(2, 128, generator=generator, dtype=torch.float64)

    def loss(x):
        return (network(x) * weight).sum()

    point = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(point), point)
    step = 1e-5
    slope = (loss(images + step * along) - loss(images - step * along)) / (2 * step)
    assert float((gradient * along).sum()) == pytest.approx(float(slope), rel=1e-5)
    assert bool((gradient.flatten(1).abs().sum(1) > 0).all())


def test_weights_do_not_learn(dat: Path):
    network = DlibResNet.load(dat)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.fixture
def mobilefacenet(shared: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDERS_VARIABLE, str(shared / "weights"))
    return get_surrogate("mobilefacenet-ms1m")


@pytest.mark.shared
def test_mobilefacenet_tells_people_apart(mobilefacenet, shared):
    people = ["George_W_Bush", "Colin_Powell", "Serena_Williams", "Tony_Blair"]
    files = [shared / f"data/lfw/{p}/{p}_{n:04d}.jpg" for p in people for n in (1, 2)]
    photos = [read_photo(file).pixels for file in files]
    faces = [
        min(find_faces(p, turned=False), key=lambda f: np.hypot(*(f.corners().mean(0) - 125)))
        for p in photos
    ]
    embeddings = mobilefacenet.embed(photos, faces).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    cosines = embeddings @ embeddings.T
    same = np.equal.outer(np.arange(8) // 2, np.arange(8) // 2)
    assert cosines[same].min() > mobilefacenet.threshold
    assert cosines[~same].max() < mobilefacenet.threshold
    alone = np.concatenate([mobilefacenet.embed([photos[i]], [faces[i]]) for i in (0, 5)])
    np.testing.assert_allclose(alone, embeddings[[0, 5]], atol=1e-4)


@pytest.mark.shared
def test_mobilefacenet_has_gradients(mobilefacenet):
    crops = (torch.rand(1, 3, 112, 112) * 255).requires_grad_(True)
    mobilefacenet.embed_crops(crops)[0, 0].backward()
    assert crops.grad is not None
    assert bool(crops.grad.isfinite().all())
    assert float(crops.grad.abs().sum()) > 0


def test_mobilefacenet_refuses_other_networks(tmp_path: Path):
    file = tmp_path / "other.pt"
    torch.save({"conv1.0.weight": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match="does not hold a MobileFaceNet"):
        MobileFaceNet.load(file)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut"])
def test_mobilefacenet_refuses_damaged_files(tmp_path: Path, content: bytes):
    file = tmp_path / "damaged.pt"
    file.write_bytes(content)
    with pytest.raises(WeightsError):
        MobileFaceNet.load(file)
