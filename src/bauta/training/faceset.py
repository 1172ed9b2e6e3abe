"""Faces to train on: cut out once, in their canonical frames, and kept in a file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import compose, invert, unit_to_pixels, warp
from bauta.faces.index import index_faces
from bauta.media import atomic_write, read_photo
from bauta.memory import raise_if_short
from bauta.plain import from_json
from bauta.training.running import damaged, stored_array

#: Told what is being done, the photos done and in all.
Progress = Callable[[str, int, int], None]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
#: Side of a stored frame; faces of LFW fill about as many pixels.
FRAME_PIXELS = 160
#: Border repeated around chips before faces are looked for, as a share of their side.
CHIP_MARGIN = 0.3
_VERSION = 1
#: Most that an archive may unpack to: a bound for hostile files.
_MOST_BYTES = 64 << 30


@dataclass(frozen=True, eq=False)
class FaceSet:
    """Faces in their canonical frames, which stay on the disk until they are wanted.

    Attributes:
        stores: arrays (M, S, S, 3) uint8 RGB of frames; 0 outside the photo.
        places: (N, 2) store and row of each face.
        names: N names of photos.
        people: (N,) index of the person, -1 where nobody said who it is.
        identities: names of the people, by that index.
        attributes: (N, 3) age in years, sex and race as UTKFace numbers them; -1 for unknown.

    """

    stores: Sequence[NDArray[np.uint8]]
    places: NDArray[np.int64]
    names: Sequence[str]
    people: NDArray[np.int64]
    identities: Sequence[str]
    attributes: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.names)

    def take(self, which: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
        """Frames of some of the faces, (B, S, S, 3) uint8."""
        return np.stack([self.stores[store][row] for store, row in self.places[which]])

    def subset(self, which: NDArray[np.integer]) -> FaceSet:
        """Return some of the faces, with their people numbered anew."""
        people = self.people[which]
        known = np.unique(people[people >= 0])
        return FaceSet(
            self.stores,
            self.places[which],
            [self.names[i] for i in which],
            np.where(people >= 0, np.searchsorted(known, people), -1),
            [self.identities[i] for i in known],
            self.attributes[which],
        )


def join(sets: Sequence[FaceSet]) -> FaceSet:
    """Put face sets together; people of different sets are different people."""
    stores: list[NDArray[np.uint8]] = []
    identities: list[str] = []
    places, people = [], []
    for faces in sets:
        places.append(faces.places + np.array([len(stores), 0]))
        people.append(np.where(faces.people >= 0, faces.people + len(identities), -1))
        stores += faces.stores
        identities += list(faces.identities)
    return FaceSet(
        stores,
        np.concatenate(places),
        [name for faces in sets for name in faces.names],
        np.concatenate(people),
        identities,
        np.concatenate([faces.attributes for faces in sets]),
    )


def join_stores(faces: FaceSet, more: NDArray[np.uint8], count: int) -> FaceSet:
    """Add ``count`` further frames of every face, in its order: (count * N, S, S, 3) uint8."""
    if len(more) != count * len(faces):
        raise UsageError(f"expected {count} frames for each of {len(faces)} faces, got {len(more)}")
    places = _rows(len(more)) + np.array([len(faces.stores), 0])
    return FaceSet(
        [*faces.stores, more],
        np.concatenate([faces.places, places]),
        [*faces.names, *(f"{name}#{n}" for name in faces.names for n in range(1, count + 1))],
        np.concatenate([faces.people, np.repeat(faces.people, count)]),
        faces.identities,
        np.concatenate([faces.attributes, np.repeat(faces.attributes, count, axis=0)]),
    )


def read_people(root: Path, cache: Path, *, progress: Progress | None = None) -> FaceSet:
    """Read a folder with one folder per person.

    Args:
        root: the folder.
        cache: folder that keeps what was found and cut.
        progress: told how far it is.

    Raises:
        UsageError: the folder holds no such photos.

    """
    names = [
        f"{person.name}/{photo.name}"
        for person in sorted(root.iterdir() if root.is_dir() else [])
        if person.is_dir()
        for photo in sorted(person.iterdir())
        if photo.suffix.lower() in SUFFIXES
    ]
    if not names:
        raise UsageError(f"{root} holds no photos: give a folder with one folder per person")
    names, frames = _cut_all(root, names, cache, 0.0, progress)
    owners = [PurePosixPath(name).parent.name for name in names]
    identities = sorted(set(owners))
    number = {who: index for index, who in enumerate(identities)}
    people = np.array([number[who] for who in owners], dtype=np.int64)
    unknown = np.full((len(names), 3), -1, dtype=np.int64)
    return FaceSet([frames], _rows(len(names)), names, people, identities, unknown)


def read_chips(source: Path, cache: Path, *, progress: Progress | None = None) -> FaceSet:
    """Read a folder or a zip archive of face chips of nobody in particular.

    Names of the form ``age_sex_race_anything``, as UTKFace's, give the attributes.

    Args:
        source: the folder or archive.
        cache: folder that keeps what was unpacked, found and cut.
        progress: told how far it is.

    Raises:
        UsageError: there are no photos in it, or the archive is damaged or unreasonably large.

    """
    root = source if source.is_dir() else unpacked(source, cache)
    names = sorted(
        str(path.relative_to(root).as_posix())
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
    )
    if not names:
        raise UsageError(f"{source} holds no photos")
    names, frames = _cut_all(root, names, cache, CHIP_MARGIN, progress)
    attributes = np.array([attributes_of(name) for name in names], dtype=np.int64)
    nobody = np.full(len(names), -1, dtype=np.int64)
    return FaceSet([frames], _rows(len(names)), names, nobody, [], attributes)


def _rows(count: int) -> NDArray[np.int64]:
    return np.stack([np.zeros(count, dtype=np.int64), np.arange(count)], axis=1)


def attributes_of(name: str) -> tuple[int, int, int]:
    """Age in years, sex and race as UTKFace numbers them and names chips by; -1 for unknown."""
    words = PurePosixPath(name).stem.split("_")
    if len(words) >= 4 and all(word.isdecimal() for word in words[:3]):
        age, sex, race = (int(word) for word in words[:3])
        if age <= 120 and sex <= 1 and race <= 4:
            return age, sex, race
    return -1, -1, -1


def unpacked(archive: Path, cache: Path) -> Path:
    """Unpack an archive's photos into a folder of the cache, by their bare names; only once.

    Raises:
        UsageError: it is no sound zip archive, or unreasonably large.

    """
    stat = archive.stat() if archive.is_file() else None
    if stat is None:
        raise UsageError(f"{archive} is neither a folder nor a file")
    key = hashlib.sha256(f"{archive.resolve()} {stat.st_size}".encode()).hexdigest()[:12]
    target = cache / f"unpacked-{key}"
    if (target / ".complete").is_file():
        return target
    target.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = [m for m in bundle.infolist() if _is_photo(m)]
            if sum(member.file_size for member in members) > _MOST_BYTES:
                raise UsageError(f"{archive} unpacks to an unreasonable size")
            for member in members:
                # The bare name: no path in the archive can lead out of the folder.
                (target / PurePosixPath(member.filename).name).write_bytes(bundle.read(member))
    except UsageError:
        raise
    except Exception as error:  # zipfile and its decoders raise anything on damaged bytes
        raise_if_short(error)
        raise UsageError(f"{archive} is not a sound zip archive: {error}") from error
    (target / ".complete").touch()
    return target


def _is_photo(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename).name
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _cut_all(
    root: Path, names: Sequence[str], cache: Path, margin: float, progress: Progress | None
) -> tuple[list[str], NDArray[np.uint8]]:
    """Frames of the photos in which a face is found, kept as a memory-mapped array."""
    words = json.dumps([_VERSION, FRAME_PIXELS, margin, str(root.resolve()), list(names)])
    key = hashlib.sha256(words.encode()).hexdigest()[:16]
    file, listing = cache / f"frames-{key}.npy", cache / f"frames-{key}.json"
    if not listing.is_file():
        tell = progress or (lambda _what, _done, _total: None)
        found = index_faces(
            root, names, cache, margin=margin, progress=lambda d, n: tell("finding faces", d, n)
        )
        faces = {name: face for name, face in found.items() if face is not None}
        _write_frames(file, root, faces, lambda d, n: tell("cutting faces", d, n))
        # The listing comes last: it says that the array is whole.
        atomic_write(listing, json.dumps(list(faces)).encode(), overwrite=True)
    frames = stored_array(file)
    try:
        return from_json(listing.read_bytes()), frames
    except (OSError, ValueError) as error:
        raise damaged(listing, error) from error


def _write_frames(
    file: Path, root: Path, faces: Mapping[str, Face], tell: Callable[[int, int], None]
) -> None:
    shape = (len(faces), FRAME_PIXELS, FRAME_PIXELS, 3)
    file.parent.mkdir(parents=True, exist_ok=True)
    out = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    for index, (name, face) in enumerate(faces.items()):
        out[index] = cut_frame(read_photo(root / name).pixels, face)
        if index % 64 == 0 or index + 1 == len(faces):
            tell(index + 1, len(faces))
    out.flush()


def cut_frame(pixels: NDArray[np.uint8], face: Face, size: int = FRAME_PIXELS) -> NDArray[np.uint8]:
    """Cut a face's canonical frame out of its (H, W, 3) uint8 photo, as (size, size, 3) uint8."""
    canvas = cut_canvas([pixels], [face])
    to_unit = invert(unit_to_pixels(size))
    map_ = compose(canvas.frame_to_canvas[0].double().numpy(), to_unit)
    image = warp(canvas.images, torch.from_numpy(map_)[None].float(), (size, size))
    return image[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
