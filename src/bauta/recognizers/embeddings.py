"""Embeddings of many photos, kept in a file so that each is computed only once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.faces.face import Face
from bauta.faces.index import Progress, load_rows, save_rows
from bauta.faces.landmarks import find_landmarks
from bauta.media import read_photo
from bauta.recognizers.base import Crop, Judge
from bauta.recognizers.onnx_judge import OnnxJudge
from bauta.recognizers.own import OWN
from bauta.weights.records import records

#: Part of the file's name: to be raised when adapters cut or embed differently.
_VERSION = 1
_BATCH = 64
#: Batches after which results are written, so that an interrupted run goes on where it was.
_SAVE_EVERY = 16
#: Photo to embedding, preceded by the face that it is of.
_Rows = dict[str, NDArray[np.float32]]


def embed_photos(
    judge: Judge,
    root: Path,
    found: Mapping[str, Face | None],
    cache: Path,
    *,
    progress: Progress | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Embedding of one face in each of many photos.

    Results are kept by recognizer, hash of its weights, its conventions, and folder, together
    with the face, so that another weight file, convention or detection is never answered with an
    old embedding.
    A recognizer whose weights have no record is computed anew each time.

    Args:
        judge: the recognizer.
        root: folder of the photos.
        found: face of each photo, by the photo's path relative to ``root``; where it is None, the
            middle of the photo is taken, as data sets like LFW frame theirs.
        cache: folder in which results are kept.
        progress: told the photos done and in all, of those that were not in the cache.

    Returns:
        (D,) float32 by name.

    """
    file = _file(judge, root, cache)
    known = load_rows(file) if file else {}
    keys = {name: _key(face) for name, face in found.items()}
    missing = [name for name in found if not _is_of(known.get(name), keys[name])]
    for number, start in enumerate(range(0, len(missing), _BATCH), 1):
        some = missing[start : start + _BATCH]
        photos = [read_photo(root / name).pixels for name in some]
        faces = [found[n] or assumed_face(p) for n, p in zip(some, photos, strict=True)]
        rows = judge.embed(photos, faces)
        known.update({n: np.append(keys[n], row) for n, row in zip(some, rows, strict=True)})
        done = start + len(some)
        if file and (number % _SAVE_EVERY == 0 or done == len(missing)):
            save_rows(file, known)
        if progress:
            progress(done, len(missing))
    return {name: known[name][len(keys[name]) :] for name in found}


def assumed_face(pixels: NDArray[np.uint8]) -> Face:
    """A face in the middle, 42 % of the (H, W, 3) uint8 photo wide, as LFW frames its faces."""
    height, width = pixels.shape[:2]
    half = 0.21 * min(height, width)
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    return Face(box, -1.0, find_landmarks(pixels, box))


def _file(judge: Judge, root: Path, cache: Path) -> Path | None:
    """Where the embeddings are kept, or None if nothing pins the weights."""
    row = records().get(judge.network_id) or OWN.get(judge.name)
    if row is None:
        return None
    digest = hashlib.sha256(f"{row.sha256} {root.resolve()}".encode())
    crop = getattr(judge, "crop", None)
    if isinstance(crop, Crop):
        digest.update(f"{crop.size}".encode() + crop.to_frame.tobytes())
    if isinstance(judge, OnnxJudge):
        # The same file may have been added anew, say with its channels the other way round.
        digest.update(repr(judge.convention).encode())
    return cache / f"embeddings-v{_VERSION}-{judge.name}-{digest.hexdigest()[:12]}.npz"


def _key(face: Face | None) -> NDArray[np.float32]:
    """What an embedding depends on besides photo and recognizer: 14 numbers, zeros for no face."""
    if face is None:
        return np.zeros(14, dtype=np.float32)
    return np.array([*face.box, *face.landmarks.reshape(-1)], dtype=np.float32)


def _is_of(row: NDArray[np.float32] | None, key: NDArray[np.float32]) -> bool:
    return row is not None and np.array_equal(row[: len(key)], key)
