"""Personal masks and files: fit a key on photos, put its mask on others, and take it off again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bauta.clock import Clock
from bauta.errors import KeyFileError, MediaError, NoFaceError
from bauta.faces.detect import choose_faces
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import Canvas, cut_canvas
from bauta.keys.mask import PersonalMask
from bauta.keys.originals import Original, is_suffix, open_original, seal_original
from bauta.masks.owner import faces_of_owner
from bauta.masks.picture import mask_picture
from bauta.masks.removal import find_mask, take_off
from bauta.masks.wearing import put_on
from bauta.media import (
    Photo,
    atomic_write,
    describe_metadata,
    output_suffix,
    photo_from_array,
    read_photo,
    read_photo_bytes,
    write_photo,
)
from bauta.media.atomic import check_target
from bauta.media.kinds import SUFFIXES
from bauta.memory import enough_memory
from bauta.methods.personal import PersonalMethod, ShareProgress, personal_methods

#: What is added to the names of photos that wear a mask, of those that lost it, and of the records
#: of originals.
MASKED, UNMASKED, RECORD = "-masked", "-unmasked", ".original"
#: Side of the small pictures by which a record is told to be of another photo, and the mean
#: difference, in grey levels, up to which it is of this one.
_SMALL, _SAME = 32, 12.0


@dataclass(frozen=True, kw_only=True)
class Worn:
    """A photo that was given a mask, or lost it.

    Attributes:
        source: the photo.
        written: the new file.
        record: the sealed record of the original, if one was asked for.
        faces: how many faces the photo has.
        chosen: numbers, from 1, largest first, of those that the mask was put on or taken off.
        exact: whether the new file is the original bit for bit.
        left_out: private items of metadata that the new file has not.
        seconds: time of each stage.

    """

    source: Path
    written: Path
    record: Path | None = None
    faces: int = 0
    chosen: Sequence[int] = ()
    exact: bool = False
    left_out: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@enough_memory()
def fit_mask(
    photos: Sequence[str | Path],
    out: str | Path,
    *,
    method: str = "chameleon",
    passphrase: str | None = None,
    overwrite: bool = False,
    progress: ShareProgress | None = None,
    **options: Any,
) -> PersonalMask:
    """Fit a personal mask on photos of one person, and keep it in a key file.

    Args:
        photos: files; other people may be in them too.
        out: the key file.
        method: "chameleon", or "facecloak", which one photo is enough for.
        passphrase: nobody opens the key without it; None leaves it open.
        overwrite: replace an existing key. What wears the old mask keeps it for ever then.
        progress: told the share done.
        options: of the method's estimator, such as ``epsilon=10``.

    Raises:
        NoFaceError: a photo shows no face.
        UsageError: the photos do not show one and the same person, or an option is wrong.
        MediaError: a file cannot be read, or the key not be written.
        RegistryError: there is no such method.

    """
    target = Path(out)
    check_target(target, overwrite=overwrite, protect=photos)
    estimator = _estimator(method, options)
    mask = estimator.fit(list(photos), progress=progress).mask_
    key = mask.to_bytes(passphrase)
    atomic_write(target, key, overwrite=overwrite, protect=photos, secret=True)
    return mask


def _estimator(method: str, options: Mapping[str, Any]) -> PersonalMethod:
    kind = personal_methods[method]
    return kind().set_params(**options)


@enough_memory()
def apply_mask(
    mask: PersonalMask,
    photo: str | Path,
    out: str | Path | None = None,
    *,
    faces: str = "mine",
    lossless: bool = False,
    min_face: float | None = None,
    metadata: str = "private",
    overwrite: bool = False,
) -> Worn:
    """Put a mask on the owner's face in a photo; the original stays as it is.

    Args:
        mask: from :func:`fit_mask` or :func:`bauta.keys.mask.read_mask`.
        photo: the file.
        out: the file to write; None: beside the photo, with ``-masked`` in its name.
        faces: "mine" (whoever looks like the owner), "all", "largest", or numbers such as "1,3".
        lossless: write a sealed record of the original beside, which the key's holder alone opens.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        metadata: "private" or "keep", see :mod:`bauta.media`.
        overwrite: replace existing outputs.

    Raises:
        NoFaceError: no face was found, or none that is the owner's; nothing was written.
        MediaError: the photo cannot be read, or the output not be written.
        UsageError: an argument is wrong.

    """
    source, clock = Path(photo), Clock()
    picture = read_photo(source)
    target = Path(out) if out is not None else _beside(source, MASKED, output_suffix(picture))
    record = target.with_name(target.name + RECORD) if lossless else None
    for file in (target, record):
        if file:
            check_target(file, overwrite=overwrite, protect=[source])
    clock.stop("read")
    found = find(picture.pixels, min_face=min_face)
    clock.stop("find")
    if not found:
        raise NoFaceError(
            f"{source}: no face was found, so nothing was written.",
            option="Smaller faces are found with --min-face 20.",
        )
    canvas = cut_canvas([picture.pixels] * len(found), found)
    mine = _chosen(picture.pixels, found, mask, faces, source, canvas)
    clock.stop("recognise")
    numbers = [found.index(face) for face in mine]
    pixels = put_on(
        picture.pixels, mine, mask, grey=picture.grey, canvas=canvas[torch.tensor(numbers)]
    )
    clock.stop("apply")
    if record:
        sealed = seal_original(source.read_bytes(), _suffix(source, picture), mask.secret)
        atomic_write(record, sealed, overwrite=overwrite, protect=[source])
    write_photo(picture, pixels, target, metadata=metadata, overwrite=overwrite)  # type: ignore[arg-type]  # checked there
    clock.stop("write")
    return Worn(
        source=source,
        written=target,
        record=record,
        faces=len(found),
        chosen=[at + 1 for at in numbers],
        left_out=describe_metadata(picture) if metadata == "private" else (),
        seconds=clock.seconds,
    )


@enough_memory()
def remove_mask(
    mask: PersonalMask,
    photo: str | Path,
    out: str | Path | None = None,
    *,
    record: str | Path | None = None,
    min_face: float | None = None,
    metadata: str = "private",
    overwrite: bool = False,
) -> Worn:
    """Take a mask off a photo.

    With the record of the original, that comes back bit for bit, metadata and all. Without it the
    mask is subtracted, which is as exact as rounding, compression and resizing since then allow.

    Args:
        mask: the key that the photo was masked with.
        photo: the file that wears it; it stays as it is.
        out: the file to write; None: beside the photo, with ``-unmasked`` in its name.
        record: the record; None: what lies beside the photo under its name and ``.original``.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        metadata: "private" or "keep", without a record.
        overwrite: replace an existing output.

    Raises:
        NoFaceError: no face wears this mask; nothing was written.
        WrongKeyError: the record was made with another key; nothing was written.
        KeyFileError: the record is damaged, or of another photo; nothing was written.
        MediaError: the photo cannot be read, or the output not be written.

    """
    source = Path(photo)
    beside = source.with_name(source.name + RECORD)
    if record is not None or beside.is_file():
        return _restored(mask, source, Path(record or beside), out, overwrite=overwrite)
    picture = read_photo(source)
    target = Path(out) if out is not None else _beside(source, UNMASKED, output_suffix(picture))
    check_target(target, overwrite=overwrite, protect=[source])
    faces = find(picture.pixels, min_face=min_face)
    found = find_mask(picture.pixels, faces, mask)
    if not found:
        raise NoFaceError(
            f"{source}: no face in it wears this mask, so nothing was written. Use the key that "
            "it was masked with; strong compression or resizing may also have worn the mask off."
        )
    pixels = take_off(picture.pixels, found, mask, grey=picture.grey)
    write_photo(picture, pixels, target, metadata=metadata, overwrite=overwrite)  # type: ignore[arg-type]  # checked there
    return Worn(
        source=source,
        written=target,
        faces=len(faces),
        chosen=[faces.index(one.face) + 1 for one in found],
        left_out=describe_metadata(picture) if metadata == "private" else (),
    )


def draw_mask(mask: PersonalMask, path: str | Path, *, overwrite: bool = False) -> None:
    """Draw a family of masks, magnified: what is added, and where pixels go.

    Args:
        mask: the key.
        path: the PNG file to write.
        overwrite: replace an existing file.

    Raises:
        MediaError: the file cannot be written.

    """
    photo = photo_from_array(mask_picture(mask))
    write_photo(photo, photo.pixels, path, overwrite=overwrite)


def _restored(
    mask: PersonalMask, source: Path, record: Path, out: str | Path | None, *, overwrite: bool
) -> Worn:
    """The original out of its record."""
    try:
        sealed = record.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {record}: {error.strerror or error}") from error
    original = open_original(sealed, mask.secret, name=record.name)
    _check_same(original, source, record)
    target = Path(out) if out is not None else _beside(source, UNMASKED, original.suffix)
    if _kind_of(target.suffix) != _kind_of(original.suffix):
        # A HEIC photo wears its mask as JPEG; what comes back is HEIC.
        target = target.with_suffix(original.suffix)
    atomic_write(target, original.data, overwrite=overwrite, protect=[source, record])
    return Worn(source=source, written=target, record=record, exact=True)


def _check_same(original: Original, source: Path, record: Path) -> None:
    """Refuse the record of another photo that came to lie here."""
    # What cannot be read any more may be restored all the more.
    with suppress(MediaError):
        before = read_photo_bytes(original.data, name=record.name)
        if np.abs(_small(before) - _small(read_photo(source))).mean() > _SAME:
            raise KeyFileError(
                f"{record} is the record of another photo than {source}, so nothing was written: "
                "give the right one"
            )


def _small(photo: Photo) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(photo.pixels).resize((_SMALL, _SMALL)), np.float32)


def _chosen(
    pixels: NDArray[np.uint8],
    found: Sequence[Face],
    mask: PersonalMask,
    which: str,
    source: Path,
    canvas: Canvas,
) -> list[Face]:
    """The faces that are to wear the mask."""
    if which != "mine":
        return choose_faces(found, which)
    mine = faces_of_owner(pixels, found, mask.owner, canvas=canvas)
    if not mine:
        raise NoFaceError(
            f"{source}: no face in it ({len(found)} found) looks like the owner of this key, so "
            "nothing was written.",
            option="Say which it is with --faces all, largest or a number.",
        )
    return mine


def _beside(source: Path, mark: str, suffix: str) -> Path:
    """``me.jpg`` becomes ``me-masked.jpg``, and that ``me-unmasked.jpg``, beside it."""
    return source.with_name(f"{source.stem.removesuffix(MASKED)}{mark}{suffix}")


def _suffix(source: Path, picture: Photo) -> str:
    """A photo's suffix, or the usual one of its kind where it has none."""
    return source.suffix if is_suffix(source.suffix) else SUFFIXES[picture.format][0]


def _kind_of(suffix: str) -> str:
    """The format that a suffix stands for, or the suffix itself."""
    lower = suffix.lower()
    return next((kind for kind, usual in SUFFIXES.items() if lower in usual), lower)
