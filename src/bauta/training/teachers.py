"""What teachers say of the faces of a set: the targets of distillation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.running import stored_array
from bauta.weights.records import record

_BATCH = 64


def targets(
    faces: FaceSet,
    teachers: Sequence[str],
    cache: Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embeddings of the teachers, put together.

    Each teacher sees the plain crop and its mirror image; the mean of both is centred over the set
    and brought to unit length, so that recognizers of Euclidean distance, whose embeddings do not
    lie about the origin, can be copied by cosine. Several teachers' embeddings stand side by side,
    so that the cosine of the result is the mean of theirs.

    Returns:
        (N, D) of unit length, D the sum of the teachers' lengths.

    """
    parts = []
    for name in teachers:
        plain = torch.from_numpy(cached_embeddings(faces, name, cache, progress=progress))
        parts.append(F.normalize(plain - plain.mean(dim=0)))
    joined: NDArray[np.float32] = F.normalize(torch.cat(parts, dim=1)).numpy()
    return joined


def cached_embeddings(
    faces: FaceSet,
    name: str,
    cache: Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Mean embeddings of the faces and their mirror images by a recognizer, computed only once."""
    teacher = get_surrogate(name)
    words = f"{record(teacher.weights).sha256} {teacher.crop.size} {faces.names}"
    file = cache / f"teacher-{name}-{hashlib.sha256(words.encode()).hexdigest()[:16]}.npy"
    if not file.is_file():
        rows = embed_frames(
            teacher, faces, mirror=True, progress=progress and (lambda d, n: progress(name, d, n))
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.stem}.{os.getpid()}.npy")
        np.save(part, rows, allow_pickle=False)
        part.replace(file)
    return stored_array(file, mapped=False)


@torch.no_grad()
def embed_frames(
    recognizer: Recognizer,
    faces: FaceSet,
    *,
    mirror: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embeddings of a face set by a recognizer.

    Args:
        recognizer: the recognizer.
        faces: N faces.
        mirror: average with the embedding of the mirror image.
        progress: told the faces done and in all.

    Returns:
        (N, D), not normalised further.

    """
    rows = []
    for start in range(0, len(faces), _BATCH):
        frames = to_tensor(faces.take(range(start, min(start + _BATCH, len(faces))))).to(
            recognizer.device
        )
        crops = plain_crop(frames, recognizer.crop)
        embeddings = recognizer.embed_crops(crops)
        if mirror:
            embeddings = (embeddings + recognizer.embed_crops(crops.flip(-1))) / 2
        rows.append(embeddings.cpu().numpy())
        if progress:
            progress(min(start + _BATCH, len(faces)), len(faces))
    return np.concatenate(rows)


def to_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) uint8 as (B, 3, S, S) float, 0-255."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
