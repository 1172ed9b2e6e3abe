"""Watermarks and files: make a key, mark faces with it, and trace where a photo came from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bauta import __version__
from bauta.audit.metrics import psnr
from bauta.clock import Clock
from bauta.errors import NoFaceError, UsageError
from bauta.faces.detect import choose_faces
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.keys.watermark import WatermarkKey, read_watermark_key
from bauta.media import (
    atomic_write,
    describe_metadata,
    output_suffix,
    read_photo,
    write_photo,
)
from bauta.media.atomic import check_target
from bauta.memory import enough_memory
from bauta.watermark.codes import CERTAIN, Match, best_match, checked, code_word
from bauta.watermark.embedding import mark_photo
from bauta.watermark.reading import Reading, read_faces
from bauta.watermark.register import give_out, read_register, register_of
from bauta.watermark.weights import trained_networks

#: What is added to the names of photos that carry a mark.
MARKED = "-marked"
#: Probability of chance below which what was read is likely one's own.
_LIKELY = 0.05
#: What a trace says of a face.
Answer = Literal["yours", "not yours", "unreadable"]


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnKey:
    """A watermark key in a file, and the register beside it.

    Attributes:
        file: the key file.
        key: what is in it.

    """

    file: Path
    key: WatermarkKey = field(repr=False)

    def identifiers(self) -> list[str]:
        """What it has given out; see :func:`bauta.watermark.register.read_register`."""
        return read_register(register_of(self.file), self.key)

    def word(self, identifier: str) -> NDArray[np.bool_]:
        """(64,) the code word of an identifier, which is noted in the register first.

        Raises:
            UsageError: the identifier cannot be used.
            KeyFileError: the register is damaged, full, or another key's.
            MediaError: the register cannot be written.

        """
        give_out(register_of(self.file), self.key, identifier)
        return code_word(self.key, identifier)


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A photo whose faces carry a mark.

    Attributes:
        source: the photo.
        written: the new file.
        faces: how many faces the photo has.
        chosen: numbers, from 1, largest first, of those that were marked.
        agreeing: of each of them, bits of 64 that are read back from the new file.
        readable: whether each of them is traced from there.
        psnr: of the whole photo, in dB; infinite if nothing changed.
        left_out: private items of metadata that the new file has not.
        seconds: time of each stage.

    """

    source: Path
    written: Path
    faces: int
    chosen: Sequence[int]
    agreeing: Sequence[int]
    readable: bool
    psnr: float
    left_out: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "psnr": self.psnr if math.isfinite(self.psnr) else None}


@dataclass(frozen=True, kw_only=True)
class TracedFace:
    """What a face says of where it came from.

    Attributes:
        number: of the face, from 1, largest first.
        box: (left, top, right, bottom) in photo pixels.
        answer: "yours": one of the keys marked it; "not yours": it carries a mark of none of them;
            "unreadable": it carries no mark, or what is left of it cannot be read.
        key: name of the key file, if it is yours.
        identifier: what it was marked with, if it is yours.
        agreeing: bits of 64 that agree, if it is yours.
        chance: probability that a photo without this mark answers the same, if it is yours.
        certainty: mean absolute log odds of a bit: how loud a mark is.

    """

    number: int
    box: tuple[float, float, float, float]
    answer: Answer
    certainty: float
    key: str = ""
    identifier: str = ""
    agreeing: int | None = None
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What the faces of a photo say of where it came from.

    Attributes:
        source: the photo.
        faces: face by face, largest first.
        seconds: time of each stage.

    """

    source: Path
    faces: Sequence[TracedFace]
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def answer(self) -> Answer:
        """The best answer of all faces; "unreadable" if there are none."""
        said = [face.answer for face in self.faces]
        return next((word for word in ("yours", "not yours") if word in said), "unreadable")

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "answer": self.answer}


def make_key(
    path: str | Path, *, passphrase: str | None = None, overwrite: bool = False
) -> WatermarkKey:
    """Make a watermark key.

    Args:
        path: the file to write.
        passphrase: nobody opens the key without it; None leaves it open.
        overwrite: replace an existing key. Photos marked with that can never be traced then.

    Raises:
        MediaError: the file cannot be written, or is there already.

    """
    key = WatermarkKey(bauta=__version__)
    target = Path(path)
    register = register_of(target)
    check_target(target, overwrite=overwrite)
    if register.is_file():
        # Another key cannot open it: it would be in the way at the first photo.
        check_target(register, overwrite=overwrite)
    atomic_write(target, key.to_bytes(passphrase), overwrite=overwrite, secret=True)
    register.unlink(missing_ok=True)
    return key


def own_key(path: str | Path, passphrase: str | None = None) -> OwnKey:
    """Open a key file; see :func:`bauta.keys.watermark.read_watermark_key`."""
    return OwnKey(file=Path(path), key=read_watermark_key(path, passphrase))


@enough_memory()
def embed(
    key: OwnKey,
    identifier: str,
    photo: str | Path,
    out: str | Path | None = None,
    *,
    faces: str = "all",
    epsilon: float = 8.0,
    min_face: float | None = None,
    metadata: str = "private",
    overwrite: bool = False,
    device: str = "cpu",
) -> Marked:
    """Mark faces in a photo in one pass of a network; the original stays as it is.

    Args:
        key: from :func:`own_key`.
        identifier: what is told again by :func:`trace`, to who has the key alone.
        photo: the file.
        out: the file to write; None: beside the photo, with ``-marked`` in its name.
        faces: "all", "largest", or numbers such as "1,3".
        epsilon: size of the change, in grey levels, weighed by what the eye notices.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        metadata: "private" or "keep", see :mod:`bauta.media`.
        overwrite: replace an existing output.
        device: "cpu" or "cuda".

    Raises:
        NoFaceError: no face was found; nothing was written.
        MediaError: the photo cannot be read, or the output not be written.
        UsageError: an argument is wrong.
        KeyFileError: the key's register is damaged, full, or another key's.

    """
    source, clock = Path(photo), Clock()
    check_request(identifier, epsilon)
    networks = trained_networks(device).networks
    clock.stop("load")
    picture = read_photo(source)
    suffix = output_suffix(picture)
    target = Path(out) if out is not None else source.with_name(f"{source.stem}{MARKED}{suffix}")
    check_target(target, overwrite=overwrite, protect=[source])
    clock.stop("read")
    found = _found(source, picture.pixels, min_face)
    chosen = choose_faces(found, faces)
    clock.stop("find")
    word = key.word(identifier)
    pixels = mark_photo(
        picture.pixels, chosen, word, networks.encoder, epsilon=epsilon, grey=picture.grey
    )
    clock.stop("mark")
    write_photo(picture, pixels, target, metadata=metadata, overwrite=overwrite)  # type: ignore[arg-type]  # checked there
    clock.stop("write")
    written = read_photo(target).pixels
    read = [one.bits[:1] for one in read_faces(written, chosen, networks.decoder)]
    sure = [best_match(bits, key.key, [identifier]) is not None for bits in read]
    clock.stop("check")
    return Marked(
        source=source,
        written=target,
        faces=len(found),
        chosen=[found.index(face) + 1 for face in chosen],
        agreeing=[int((bits[0] == word).sum()) for bits in read],
        readable=all(sure),
        psnr=psnr(picture.pixels, written),
        left_out=describe_metadata(picture) if metadata == "private" else (),
        seconds=clock.seconds,
    )


def check_request(identifier: str, epsilon: float) -> None:
    """Notice what cannot be done before an identifier is given out for it.

    Raises:
        UsageError: the identifier cannot be used, or epsilon is out of range.

    """
    checked(identifier)
    if not 1 <= epsilon <= 64:
        raise UsageError(f"epsilon must be between 1 and 64 grey levels, got {epsilon}")


@enough_memory()
def trace(
    keys: Sequence[OwnKey],
    photo: str | Path,
    *,
    identifiers: Sequence[str] = (),
    min_face: float | None = None,
    device: str = "cpu",
) -> Traced:
    """Say which of the keys marked the faces of a photo, and with which identifier.

    Args:
        keys: from :func:`own_key`; the identifiers of their registers are tried.
        photo: the file, as it was found: cropped, resized, compressed anew.
        identifiers: further ones to try, such as those of a register that was lost.
        min_face: smallest face to find, in pixels; None: 2 % of the longer side, at least 40.
        device: "cpu" or "cuda".

    Raises:
        MediaError: the photo cannot be read.
        UsageError: no key was given, or none has given out an identifier.
        KeyFileError: a register is damaged, or another key's.

    """
    source, clock = Path(photo), Clock()
    known = known_words(keys, identifiers)
    trained = trained_networks(device)
    clock.stop("load")
    pixels = read_photo(source).pixels
    clock.stop("read")
    found = find(pixels, min_face=min_face)
    clock.stop("find")
    readings = read_faces(pixels, found, trained.networks.decoder)
    rows = [
        traced_face(number, face, read, known, loud=trained.certainty, tries=len(found))
        for number, (face, read) in enumerate(zip(found, readings, strict=True), 1)
    ]
    clock.stop("trace")
    return Traced(source=source, faces=rows, seconds=clock.seconds)


def traced_face(
    number: int,
    face: Face,
    reading: Reading,
    known: Sequence[tuple[OwnKey, list[str]]],
    *,
    loud: float,
    tries: int,
) -> TracedFace:
    """What a face says of where it came from.

    Args:
        number: of the face.
        face: where it is.
        reading: what was read of it.
        known: from :func:`known_words`.
        loud: certainty from which it carries somebody's mark.
        tries: faces of which the same is asked.

    """
    likely = _matched(reading.bits, known, tries=tries)
    match = likely if likely and likely[1].chance < CERTAIN else None
    answer: Answer = "yours" if match else "unreadable"
    # What is likely one's own mark, read too badly to be sure, is nobody else's.
    if reading.certainty >= loud and not likely:
        answer = "not yours"
    return TracedFace(
        number=number,
        box=tuple(float(edge) for edge in face.box),  # type: ignore[arg-type]  # four of them
        answer=answer,
        certainty=reading.certainty,
        key=match[0].file.name if match else "",
        identifier=match[1].identifier if match else "",
        agreeing=match[1].agreeing if match else None,
        chance=match[1].chance if match else None,
    )


def known_words(
    keys: Sequence[OwnKey], identifiers: Sequence[str] = ()
) -> list[tuple[OwnKey, list[str]]]:
    """Keys and what they have given out, or may have.

    Raises:
        UsageError: no key was given, or none has given out an identifier.
        KeyFileError: a register is damaged, or another key's.

    """
    more = [checked(identifier) for identifier in identifiers]
    known = [(key, list(dict.fromkeys([*key.identifiers(), *more]))) for key in keys]
    if not any(words for _, words in known):
        names = ", ".join(key.file.name for key in keys) or "no key"
        raise UsageError(
            f"{names} has marked nothing yet: its register (the key's name and .ids, beside it) is "
            "empty or missing. Say what may have been given out.",
            option="--id does.",
        )
    return known


def _matched(
    read: NDArray[np.bool_], known: Sequence[tuple[OwnKey, list[str]]], *, tries: int
) -> tuple[OwnKey, Match] | None:
    """The likeliest match of what was read of a face; every identifier of every key is a try."""
    total = sum(len(words) for _, words in known)
    matches = []
    for key, words in known:
        # best_match counts this key's words itself.
        others = tries * math.ceil(total / max(1, len(words)))
        match = best_match(read, key.key, words, tries=others, limit=_LIKELY)
        if match:
            matches.append((key, match))
    return min(matches, key=lambda pair: pair[1].chance, default=None)


def _found(source: Path, pixels: NDArray[np.uint8], min_face: float | None) -> list[Face]:
    found = find(pixels, min_face=min_face)
    if not found:
        raise NoFaceError(
            f"{source}: no face was found, so nothing was written.",
            option="Smaller faces are found with --min-face 20.",
        )
    return found
