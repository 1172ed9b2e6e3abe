"""The main face of every photo of a folder, kept in a file so that it is found only once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.cores import usable_cores
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.media import atomic_write, read_photo
from bauta.processes import spawned

#: Called with the photos done and the photos in all.
Progress = Callable[[int, int], None]
#: Part of the file's name: to be raised when detection or landmarks change.
_VERSION = 1
_CHUNK = 64
#: Numbers of a face: box, score, landmarks.
_WIDTH = 15


def main_face(pixels: NDArray[np.uint8], *, margin: float = 0.0) -> Face | None:
    """The face nearest to the centre of a photo, where data sets put theirs.

    Args:
        pixels: (H, W, 3) uint8 photo.
        margin: repeat the border by this share of the longer side before looking, for chips so
            tight that a detector misses the face's surroundings.

    """
    pad = round(margin * max(pixels.shape[:2]))
    padded = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge") if pad else pixels
    faces = find_faces(padded, turned=False)
    centre = np.array(padded.shape[1::-1]) / 2
    face = min(faces, key=lambda f: float(np.hypot(*(_centre(f) - centre))), default=None)
    if face is None or not pad:
        return face
    left, top, right, bottom = face.box
    box = (left - pad, top - pad, right - pad, bottom - pad)
    return Face(box, face.score, face.landmarks - pad)


def _centre(face: Face) -> NDArray[np.float64]:
    left, top, right, bottom = face.box
    return np.array([(left + right) / 2, (top + bottom) / 2])


def index_faces(
    root: Path,
    names: Sequence[str],
    cache: Path,
    *,
    margin: float = 0.0,
    jobs: int = 0,
    progress: Progress | None = None,
) -> Mapping[str, Face | None]:
    """Main faces of photos.

    Args:
        root: folder of the photos.
        names: paths of photos, relative to ``root``.
        cache: folder in which results are kept, by root and name.
        margin: see :func:`main_face`.
        jobs: processes; 0: one per processor.
        progress: told how many of the photos that were not in the cache are done.

    Returns:
        Face, or None where none was found, by name.

    """
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    file = cache / f"faces-v{_VERSION}-{digest}{f'-margin{margin:g}' if margin else ''}.npz"
    known = load_rows(file, _WIDTH)
    missing = [name for name in names if name not in known]
    chunks = [missing[i : i + _CHUNK] for i in range(0, len(missing), _CHUNK)]
    if chunks:
        jobs = min(jobs or usable_cores(), len(chunks))
        with spawned(jobs) as pool:
            found = pool.map(_find_many, [root] * len(chunks), chunks, [margin] * len(chunks))
            for done, rows in enumerate(found, 1):
                known.update(rows)
                if done % 16 == 0 or done == len(chunks):
                    save_rows(file, known)
                if progress:
                    progress(min(done * _CHUNK, len(missing)), len(missing))
    return {name: _face(known[name]) for name in names}


def _find_many(root: Path, names: Sequence[str], margin: float) -> dict[str, NDArray[np.float32]]:
    return {name: _row(main_face(read_photo(root / name).pixels, margin=margin)) for name in names}


def _row(face: Face | None) -> NDArray[np.float32]:
    """Box, score and landmarks; NaN for no face."""
    if face is None:
        return np.full(_WIDTH, np.nan, dtype=np.float32)
    return np.array([*face.box, face.score, *face.landmarks.reshape(-1)], dtype=np.float32)


def _face(row: NDArray[np.float32]) -> Face | None:
    if np.isnan(row[0]):
        return None
    left, top, right, bottom, score = (float(value) for value in row[:5])
    return Face((left, top, right, bottom), score, row[5:].reshape(5, 2))


def load_rows(file: Path, width: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Rows of numbers by name that :func:`save_rows` wrote, of a width if one is given.

    Absent or damaged, it holds nothing: a cache has nothing that cannot be found again.
    """
    try:
        # Opened here, because np.load leaves a damaged file open.
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as data:
            names, rows = data["names"], data["rows"]
            whole = rows.dtype == np.float32 and rows.ndim == 2 and names.dtype.kind == "U"
            if not whole or rows.shape[1] != (width or rows.shape[1]):
                return {}
            return dict(zip(names.tolist(), rows, strict=True))
    except Exception:  # damaged files make numpy raise anything
        return {}


def save_rows(file: Path, rows: Mapping[str, NDArray[np.float32]]) -> None:
    """Write rows of numbers, all of one width, by name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, names=np.array(list(rows)), rows=np.stack(list(rows.values())))
    atomic_write(file, content.getvalue(), overwrite=True)
