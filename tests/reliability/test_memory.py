"""Out of memory: one error with words for people, whatever the library at work calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bauta.albums import work as album_work
from bauta.albums.work import Task, work
from bauta.errors import MediaError, OutOfMemoryError, WeightsError
from bauta.media import photo_from_array, write_photo
from bauta.media.guard import encoding
from bauta.memory import enough_memory, is_short
from bauta.recognizers.networks import onnx_graph
from bauta.recognizers.networks.onnx_file import Node
from bauta.settings import Settings
from bauta.watermarking import make_key
from tests.reliability.conftest import ROOT

#: Nobody has a petabyte.
PETABYTE = 1 << 50
TORCH = "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
WINDOWS = "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: "


@pytest.mark.parametrize(
    "fill",
    [
        lambda: torch.empty(PETABYTE),
        lambda: np.empty(PETABYTE),
        lambda: bytearray(PETABYTE),
        lambda: torch.nn.functional.pad(torch.zeros(1, 1, 1, 1), (0, 1 << 23, 0, 1 << 25)),
    ],
    ids=["torch", "numpy", "python", "pad"],
)
def test_what_libraries_really_raise(fill: Callable[[], object]) -> None:
    with pytest.raises(OutOfMemoryError, match="close other programs, use fewer --jobs") as caught:
        enough_memory()(fill)()
    assert is_short(caught.value.__cause__)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (RuntimeError(TORCH + "you tried to allocate 40 bytes. Error code 12"), True),
        (RuntimeError(WINDOWS + "you tried to allocate 40 bytes."), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x3 and 4x5)"), False),
        (OSError(28, "No space left on device"), False),
        (ValueError(), False),
    ],
)
def test_names(error: Exception, short: bool) -> None:
    assert is_short(error) is short
    with pytest.raises(OutOfMemoryError if short else type(error)), enough_memory():
        raise error
    # Errors of ours say already what they mean.
    with pytest.raises(MediaError), enough_memory():
        raise MediaError("out of memory")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(TORCH + "you tried ...")])
def test_a_worker_goes_on_with_the_next_file(
    error: Exception, collins_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("bauta.protection.protect_pixels", exhausted)
    task = Task(
        name="a.jpg", source=collins_path, target=tmp_path / "a.jpg", video=False,
        settings=Settings(preset="fast", surrogates=("tight-dlib",), judges=("tight-judge",)),
    )  # fmt: skip
    done = work(task)
    assert done.status == "failed"
    assert "memory" in done.error
    assert "--jobs" in done.error
    assert "please report" not in done.error
    assert list(tmp_path.iterdir()) == []
    assert "memory" in album_work.OUT_OF_MEMORY


def test_it_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder or a network that could not get memory is neither broken nor unsupported."""
    with pytest.raises(OutOfMemoryError), encoding("JPEG"):
        raise MemoryError

    def full(node: Node, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError(TORCH)

    monkeypatch.setitem(onnx_graph.OPERATORS, "Relu", full)
    with pytest.raises(OutOfMemoryError):
        onnx_graph._run(Node("Relu", ("x",), ("y",), {}, 13), [torch.zeros(1)])
    monkeypatch.setitem(onnx_graph.OPERATORS, "Relu", lambda node, x: x[3])
    with pytest.raises(WeightsError):
        onnx_graph._run(Node("Relu", ("x",), ("y",), {}, 13), [torch.zeros(1)])


_SCRIPT = """
import resource, sys
import torch
from bauta.cli import main
from bauta.watermark.weights import trained_networks

torch.set_num_threads(1)
trained_networks()
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + (int(sys.argv.pop(1)) << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_a_process_that_may_have_no_more(tmp_path: Path, collins: np.ndarray) -> None:
    """The command line on a photo that is too large for what is left of the memory."""
    large = np.asarray(Image.fromarray(collins).resize((3000, 3000)))
    photo, script = tmp_path / "me.png", tmp_path / "run.py"
    write_photo(photo_from_array(large), large, photo)
    make_key(tmp_path / "my.key")
    script.write_text(_SCRIPT, "utf-8")
    before = photo.read_bytes()
    words = ["watermark", "embed", photo, "--key", tmp_path / "my.key", "--id", "Anna"]
    done = subprocess.run(
        [sys.executable, script, "120", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "memory" in done.stderr
    assert photo.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {
        "me.png", "my.key", "my.key.ids", ".my.key.ids.lock", "run.py",
    }  # fmt: skip
