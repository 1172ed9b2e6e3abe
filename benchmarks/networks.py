"""Forward and backward time per face of each network, and how near to the processor's limit.

python benchmarks/networks.py dlib loose-dlib mobilefacenet-ms1m [--compile] [--layouts]

The limit is what the network's multiply-adds alone would take at the rate of a large matrix
product, measured in the same run with the same number of threads and the same precision. A backward
pass to the image needs as many multiply-adds again as the forward pass.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bauta.recognizers.card import multiply_adds
from bauta.recognizers.zoo import get_surrogate

#: Side of the matrices whose product is the yardstick.
_SIDE = 2048


def main() -> None:
    """Print a table; times are medians of 15 calls after 3 to warm up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--layouts", action="store_true", help="also contiguous, not channels-last")
    parser.add_argument("--faces", type=int, nargs="+", default=[1, 4, 8], help="faces at once")
    args = parser.parse_args()
    rates = {bf16: _rate(torch.bfloat16 if bf16 else torch.float32) for bf16 in (False, True)}
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"matrix products: {rates[False] / 1e9:.0f} GMAC/s fp32, {rates[True] / 1e9:.0f} bf16")
    print(
        "network, faces, layout, precision: ms per face forward (share of the limit), with backward"
    )
    layouts = [torch.channels_last, *([torch.contiguous_format] if args.layouts else [])]
    for name in args.names:
        recognizer = get_surrogate(name)
        size = recognizer.crop.size
        work = multiply_adds(recognizer.network, size)
        for count in args.faces:
            crops = _crops(count, size)
            for layout in layouts:
                network = recognizer.network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stubs
                for bf16 in (False, True):
                    label = f"{name:20} {count} {str(layout)[6:]:18} {_precision(bf16)}"
                    bench = _Bench(network, crops.to(memory_format=layout), bf16)
                    bench.report(label, work / rates[bf16])
            for bf16 in (False, True) if args.compile else ():
                torch.compiler.reset()
                batch = crops.to(memory_format=torch.channels_last)
                bench = _Bench(torch.compile(recognizer.network), batch, bf16)
                start = time.perf_counter()
                bench.both()
                seconds = time.perf_counter() - start
                label = f"{name:20} {count} compiled in {seconds:3.0f} s   {_precision(bf16)}"
                bench.report(label, work / rates[bf16])


@dataclass
class _Bench:
    """A network on a batch."""

    network: Callable[[Tensor], Tensor] | nn.Module
    batch: Tensor
    bf16: bool

    def forward(self) -> None:
        with torch.no_grad(), self._precision():
            self.network(self.batch)

    def both(self) -> None:
        point = self.batch.detach().requires_grad_(True)
        with self._precision():
            embedding = self.network(point)
        torch.autograd.grad(embedding.float().square().sum(), point)

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16)

    def report(self, label: str, limit: float) -> None:
        """Print seconds per face next to the limit of a forward pass, in seconds."""
        forward, both = (_median(step) / len(self.batch) for step in (self.forward, self.both))
        print(
            f"{label}: {1000 * forward:6.1f} ({limit / forward:4.0%}) "
            f"{1000 * both:6.1f} ({2 * limit / both:4.0%})",
            flush=True,
        )


def _crops(count: int, size: int) -> Tensor:
    return 255 * torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def _precision(bf16: bool) -> str:
    return "bf16" if bf16 else "fp32"


def _rate(dtype: torch.dtype) -> float:
    """Multiply-adds per second of a large matrix product."""
    a = torch.rand(_SIDE, _SIDE, generator=torch.Generator().manual_seed(0)).to(dtype)
    return _SIDE**3 / _median(lambda: a @ a)


def _median(step: Callable[[], object]) -> float:
    times = []
    for _ in range(18):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return sorted(times[3:])[7]


if __name__ == "__main__":
    main()
