"""Forward and backward time per face of each network, by memory layout and precision.

python benchmarks/networks.py dlib mobilefacenet-ms1m [--compile]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from bauta.recognizers.zoo import get_surrogate


def main() -> None:
    """Print a table; times are medians of 15 calls after 3 to warm up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 4, 8], help="faces at once")
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for name in args.names:
        recognizer = get_surrogate(name)
        size = recognizer.crop.size
        for count in args.faces:
            crops = (
                torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 255
            )
            for layout in (torch.contiguous_format, torch.channels_last):
                network = recognizer.network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs
                batch = crops.to(memory_format=layout)
                for bf16 in (False, True):
                    label = f"{name:20} {count} {str(layout)[6:]:18} {'bf16' if bf16 else 'fp32'}"
                    _report(label, network, batch, bf16)
            for bf16 in (False, True) if args.compile else ():
                torch.compiler.reset()
                start = time.perf_counter()
                compiled = torch.compile(network)
                _step(compiled, batch, bf16)
                seconds = time.perf_counter() - start
                label = (
                    f"{name:20} {count} compiled in {seconds:3.0f} s   {'bf16' if bf16 else 'fp32'}"
                )
                _report(label, compiled, batch, bf16)


def _step(network: Callable[[Tensor], Tensor], batch: Tensor, bf16: bool) -> None:
    point = batch.detach().requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        embedding = network(point)
    torch.autograd.grad(embedding.float().square().sum(), point)


def _report(label: str, network: Callable[[Tensor], Tensor], batch: Tensor, bf16: bool) -> None:
    times = []
    for _ in range(18):
        start = time.perf_counter()
        _step(network, batch, bf16)
        times.append(time.perf_counter() - start)
    print(f"{label}: {1000 * sorted(times[3:])[7] / len(batch):6.1f} ms per face", flush=True)


if __name__ == "__main__":
    main()
