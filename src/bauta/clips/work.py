"""What a run has found so far, kept on the disk, so that one that was interrupted goes on.

A folder beside the output holds pieces of a few frames each. Its name says whose it is, and a key
says of which source and settings: others are never taken for it. Nothing in it shows a face, but
what hides one; still, nobody but its owner may read it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bauta.clips.carrying import Done
from bauta.errors import MediaError
from bauta.media.atomic import LOCK, atomic_write, claimed, writing
from bauta.optimisation import Found
from bauta.plain import build, table_of

#: What is kept of a face besides tensors.
_SAID = ("kind", "steps", "spared", "reached")
#: Frames of a piece.
_FRAMES = 8
_KEY = "fingerprint"
_BLOCK = 1 << 20


def fingerprint(source: Path, settings: Mapping[str, Any]) -> str:
    """What a run depends on: the bytes of its source, and its settings.

    Raises:
        MediaError: the source cannot be read.

    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    try:
        with source.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise MediaError(f"cannot read {source}: {error.strerror or error}") from error
    return digest.hexdigest()


class Work:
    """The folder of a run, for itself alone until :meth:`close` or the end of a with block.

    Attributes:
        resumed: how many frames an earlier run has done.

    """

    def __init__(self, output: Path, key: str) -> None:
        """Open the folder for an output, or make it.

        Args:
            output: the file that is being made.
            key: from :func:`fingerprint`.

        Raises:
            MediaError: the system refuses the folder, or something else has its name.
            UsageError: another run works on this output.

        """
        self.folder = output.with_name(f".{output.name}.bauta-work")
        self._pieces: list[int] = []
        self._loaded: tuple[int, dict[tuple[int, int], Done]] = (-1, {})
        self._new: dict[tuple[int, int], Done] = {}
        self.resumed = 0
        with writing(self.folder), ExitStack() as held:
            self._check()
            held.enter_context(claimed(self.folder, name=output, secret=True))
            self._open(key)
            self._held = held.pop_all()
        self._first = self.resumed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another run go on with what is there."""
        self._held.close()

    def get(self, index: int, number: int) -> Done | None:
        """What was done to a face in a frame by an earlier run."""
        if index >= self.resumed:
            return None
        first = max(piece for piece in self._pieces if piece <= index)
        if self._loaded[0] != first:
            self._loaded = (first, _read(self._file(first)))
        return self._loaded[1].get((index, number))

    def put(self, index: int, number: int, done: Done) -> None:
        """Note what was done to a face in a frame."""
        self._new[index, number] = done

    def frame_done(self, index: int) -> None:
        """Note that a frame is finished, and write a piece now and then.

        Raises:
            MediaError: the system refuses it.

        """
        if index >= self.resumed and index + 1 - self._first >= _FRAMES:
            self.flush(index + 1)

    def flush(self, upto: int) -> None:
        """Write what is known of all frames before ``upto``.

        Raises:
            MediaError: the system refuses it.

        """
        if upto <= self._first:
            return
        whole = {place: done for place, done in self._new.items() if place[0] < upto}
        data = _bytes(whole, upto)
        atomic_write(self._file(self._first), data, overwrite=True, secret=True)
        self._first, self._new = upto, {}

    def remove(self) -> None:
        """Remove the folder: the output is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def _file(self, first: int) -> Path:
        return self.folder / f"{first:09d}.safetensors"

    def _check(self) -> None:
        """Only what a run of Bauta has begun is taken over."""
        there = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        if self.folder.is_symlink() or (there and there.isdisjoint({_KEY, LOCK})):
            raise MediaError(
                f"{self.folder} is in the way, and no work of Bauta's: remove it, or choose "
                "another output name"
            )

    def _open(self, key: str) -> None:
        mark = self.folder / _KEY
        if not mark.is_file() or mark.read_text("utf-8") != key:
            for piece in self.folder.glob("*.safetensors"):
                piece.unlink()
            atomic_write(mark, key.encode(), overwrite=True, secret=True)
        self._take_stock()

    def _take_stock(self) -> None:
        """Find the pieces that follow each other from the first frame on; the rest is dropped."""
        for file in sorted(self.folder.glob("*.safetensors")):
            upto = _upto(file) if file == self._file(self.resumed) else None
            if upto is None:
                file.unlink()
                continue
            self._pieces.append(self.resumed)
            self.resumed = upto


def _bytes(some: Mapping[tuple[int, int], Done], upto: int) -> bytes:
    tensors: dict[str, Tensor] = {}
    facts = {}
    for (index, number), done in some.items():
        name = f"{index}/{number}"
        facts[name] = [done.kind, done.steps, done.spared, done.reached]
        if done.found is None:
            continue
        tensors[f"{name}/delta"] = done.found.delta.half()
        if done.found.flow is not None:
            tensors[f"{name}/flow"] = done.found.flow.half()
        tensors |= {f"{name}/state/{key}": part for key, part in done.state.items()}
    tensors = {name: part.contiguous() for name, part in tensors.items()}
    return save(tensors, {"upto": str(upto), "done": json.dumps(facts)})


def _upto(file: Path) -> int | None:
    """Number of the frame after a piece; None if it is damaged."""
    try:
        with safe_open(file, "pt") as piece:
            upto, facts = int(piece.metadata()["upto"]), _facts(piece)
        return upto if all(0 <= index < upto for index, _ in facts) else None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def _facts(piece: Any) -> dict[tuple[int, int], list[Any]]:
    """What an open piece says of each face in each frame: kind, steps, spared, reached."""
    rows: dict[tuple[int, int], list[Any]] = {}
    for name, row in table_of(piece.metadata()["done"]).items():
        index, number = map(int, name.split("/"))
        build(Done, dict(zip(_SAID, row, strict=True)), boundless=("reached",))
        rows[index, number] = row
    return rows


def _read(file: Path) -> dict[tuple[int, int], Done]:
    with safe_open(file, "pt") as piece:
        facts = _facts(piece)
        tensors = {name: piece.get_tensor(name) for name in piece.keys()}  # noqa: SIM118  no dict
    out = {}
    for (index, number), (kind, steps, spared, reached) in facts.items():
        name = f"{index}/{number}"
        out[index, number] = Done(
            kind=kind,
            steps=steps,
            spared=spared,
            reached=reached,
            found=_found(tensors, name),
            state={
                key.removeprefix(f"{name}/state/"): part
                for key, part in tensors.items()
                if key.startswith(f"{name}/state/")
            },
        )
    return out


def _found(tensors: Mapping[str, Tensor], name: str) -> Found | None:
    delta, flow = tensors.get(f"{name}/delta"), tensors.get(f"{name}/flow")
    if delta is None:
        return None
    # Where it may be drawn depends on the frame, and is found there.
    mask = torch.ones(1, 1, *delta.shape[-2:])
    return Found(flow=None if flow is None else flow.float(), delta=delta.float(), mask=mask)
