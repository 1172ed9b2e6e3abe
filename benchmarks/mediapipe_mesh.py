"""MediaPipe's face mesh as the safetensors file that Bauta carries, with the mean face.

pip install tflite && pip download --no-deps mediapipe==0.10.14 && unzip mediapipe-*.whl
python benchmarks/mediapipe_mesh.py mediapipe/modules/face_landmark/face_landmark.tflite \
    --lfw lfw --output src/bauta/data/weights/mediapipe-mesh.safetensors
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import Tensor

from bauta.faces.detect import find_faces
from bauta.faces.frame import cut_canvas
from bauta.faces.mesh import MeshNetwork, find_mesh
from bauta.media import read_photo

#: Whose faces the mean is of: people of LFW who are in no benchmark.
_PEOPLE, _SEED = 600, 5
_SPLITS = Path(__file__).parents[1] / "src/bauta/data/splits"


def main() -> None:
    """Convert, then measure the mean face with what was converted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    parts = {name: part.contiguous() for name, part in _converted(args.model)}
    network = MeshNetwork()
    network.load_state_dict({name: part.float() for name, part in parts.items()})
    template = _mean_face(network.eval().requires_grad_(False), args.lfw)
    save_file({**parts, "template": template}, args.output)


def _converted(model: Path) -> Iterator[tuple[str, Tensor]]:
    stored = _stored(model)
    blocks = {f"trunk.{at}": (at + 1, at + 2, at + 2) for at in range(14)}
    blocks |= {f"mesh.{at}": (at + 15, at + 16, at + 16) for at in range(3)}
    blocks |= {"mesh.5": (18, 20, 20), "presence.0": (23, 28, 26), "presence.3": (24, 30, 28)}
    names = MeshNetwork().state_dict()
    for name, (depthwise, pointwise, active) in blocks.items():
        inner = ".conv" if f"{name}.depthwise.conv.weight" in names else ""
        kernel = stored[f"depthwise_conv2d_{depthwise}/Kernel"]
        yield f"{name}.depthwise{inner}.weight", kernel.permute(3, 0, 1, 2)
        yield f"{name}.depthwise{inner}.bias", stored[f"depthwise_conv2d_{depthwise}/Bias"]
        yield from _convolution(f"{name}.pointwise", pointwise, stored)
        yield f"{name}.act.weight", stored[f"p_re_lu_{active}/Alpha"].flatten()
    convolutions = {
        "stem.conv": 1, "mesh.3": 19, "mesh.6": 21, "presence.1": 29, "presence.4": 31,
    }  # fmt: skip
    for name, number in convolutions.items():
        yield from _convolution(name, number, stored)
    for name, number in {"stem.act": 1, "mesh.4": 19, "presence.2": 27}.items():
        yield f"{name}.weight", stored[f"p_re_lu_{number}/Alpha"].flatten()


def _convolution(name: str, number: int, stored: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", stored[f"conv2d_{number}/Kernel"].permute(0, 3, 1, 2)
    yield f"{name}.bias", stored[f"conv2d_{number}/Bias"]


def _stored(model: Path) -> dict[str, Tensor]:
    """The file's float16 constants by name."""
    root = tflite.Model.GetRootAs(model.read_bytes(), 0)
    graph = root.Subgraphs(0)
    out: dict[str, Tensor] = {}
    for at in range(graph.TensorsLength()):
        tensor: Any = graph.Tensors(at)
        buffer = root.Buffers(tensor.Buffer())
        if tensor.Type() == tflite.TensorType.FLOAT16 and buffer.DataLength():
            values = np.frombuffer(buffer.DataAsNumpy().tobytes(), np.float16)
            shape = tensor.ShapeAsNumpy().tolist()
            out[tensor.Name().decode()] = torch.from_numpy(values.reshape(shape).copy())
    return out


def _mean_face(network: MeshNetwork, lfw: Path) -> Tensor:
    known = {
        name
        for split in ("lfw-universal", "lfw-identification")
        for part in json.loads((_SPLITS / f"{split}.json").read_text("utf-8")).values()
        if isinstance(part, list)
        for name in part
    }
    people = sorted(path.name for path in lfw.iterdir() if path.is_dir() and path.name not in known)
    random.Random(_SEED).shuffle(people)
    meshes = []
    for name in people[:_PEOPLE]:
        pixels = read_photo(lfw / name / f"{name}_0001.jpg").pixels
        faces = find_faces(pixels)[:1]
        if faces:
            points, presence = find_mesh(cut_canvas([pixels], faces), network)
            meshes.append(points[presence > 0.5])
    return torch.cat(meshes).mean(dim=0)


if __name__ == "__main__":
    main()
