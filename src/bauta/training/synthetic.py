"""More faces of the same people: synthetic views of those that are there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.cores import usable_cores
from bauta.errors import UsageError
from bauta.faces.face import TEMPLATES, Face
from bauta.processes import spawned
from bauta.training.faceset import FaceSet, cut_frame, join_stores
from bauta.training.running import stored_array
from bauta.views.embedded import EmbeddedViews

#: Told what is being done, the faces done and in all.
Progress = Callable[[str, int, int], None]

_VERSION = 1
_CHUNK = 32


def with_views(
    faces: FaceSet,
    count: int,
    cache: Path,
    *,
    seed: int = 0,
    jobs: int = 0,
    progress: Progress | None = None,
) -> FaceSet:
    """Return the faces, and synthetic views of each, which belong to the same person.

    Views differ in pose, expression, light and camera (:class:`bauta.views.embedded.EmbeddedViews`)
    and are made once.

    Args:
        faces: faces in their canonical frames.
        count: views of each; 0 for none.
        cache: folder that keeps the views.
        seed: of all that is drawn.
        jobs: processes; 0: one per processor.
        progress: told how many faces are done.

    Raises:
        UsageError: ``count`` is negative.

    """
    if count < 0:
        raise UsageError(f"there are no {count} views: use 0 or more")
    if not count:
        return faces
    words = json.dumps([_VERSION, count, seed, list(faces.names)])
    digest = hashlib.sha256(words.encode()).hexdigest()[:16]
    file, whole = cache / f"views-{digest}.npy", cache / f"views-{digest}.whole"
    if not whole.is_file():
        _write(file, faces, count, seed, jobs, progress)
        whole.touch()
    return join_stores(faces, stored_array(file), count)


def _write(
    file: Path, faces: FaceSet, count: int, seed: int, jobs: int, progress: Progress | None
) -> None:
    chunks = [
        np.arange(start, min(start + _CHUNK, len(faces))) for start in range(0, len(faces), _CHUNK)
    ]
    size = faces.stores[0].shape[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = (count * len(faces), size, size, 3)
    out = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    jobs = min(jobs or usable_cores(), len(chunks))
    with spawned(jobs) as pool:
        for start in range(0, len(chunks), jobs):
            some = chunks[start : start + jobs]
            seeds = [[seed + int(row) for row in chunk] for chunk in some]
            made = pool.map(views_of, map(faces.take, some), seeds, [count] * len(some))
            for chunk, views in zip(some, made, strict=True):
                out[count * chunk[0] : count * (chunk[-1] + 1)] = views
            if progress:
                progress("making views", int(some[-1][-1]) + 1, len(faces))
    out.flush()


def views_of(frames: NDArray[np.uint8], seeds: list[int], count: int) -> NDArray[np.uint8]:
    """(B * count, S, S, 3) views of (B, S, S, 3) uint8 frames, in their own canonical frames."""
    size = frames.shape[1]
    points = (size * TEMPLATES["yunet5"] - 0.5).astype(np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    face = Face(box, 1.0, points, "yunet5")
    engine = EmbeddedViews()
    return np.stack(
        [
            cut_frame(view.pixels, view.face, size)
            for frame, seed in zip(frames, seeds, strict=True)
            for view in engine.make(frame, face, count, seed=seed)
        ]
    )
