"""What is done for the page, in a process of its own: see photos, protect them, masks, traces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bauta.albums.work import ShareProgress, share_of_photo
from bauta.audit.scores import PhotoReport
from bauta.audit.verify import verify
from bauta.errors import BautaError, OutOfMemoryError
from bauta.faces.finders import find
from bauta.keys.mask import PersonalMask, read_mask
from bauta.media import describe_metadata, read_photo
from bauta.media.profile import colour_profile
from bauta.memory import is_short
from bauta.personal import Worn, apply_mask, fit_mask, remove_mask
from bauta.protection import protect
from bauta.recognizers.zoo import default_judges, get_recognizer
from bauta.settings import Settings
from bauta.watermark.codes import to_hex
from bauta.watermarking import own_key, trace
from bauta.web.views import box_of, write_views
from bauta.web.words import verdict_of

OUT_OF_MEMORY = "There was not enough memory for it: close other programs, or use a smaller photo."
_UNEXPECTED = "Something went wrong that should not have. Please report it: "
#: Faces are looked for down to this share of the longer side, and this many pixels.
_SHARE, _LEAST, _SMALL = 0.02, 40.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of something that was asked for.

    Attributes:
        data: plain data, if it went well.
        error: why not, fit to show to a person; names of files are those in the room.
        kind: name of the error's class.

    """

    data: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    kind: str = ""


class Ask(ABC):
    """Something that the page asks for."""

    @abstractmethod
    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Do it, telling the share done; return plain data."""


def do(ask: Ask, tell: ShareProgress | None = None) -> Answer:
    """Do what is asked; whatever happens becomes an answer."""
    try:
        return Answer(data=ask.run(tell or (lambda _share: None)))
    except Exception as error:  # one photo must not end the process that others wait for
        name = type(error).__name__
        if is_short(error) or isinstance(error, OutOfMemoryError):
            return Answer(error=OUT_OF_MEMORY, kind=name)
        if isinstance(error, BautaError):
            return Answer(error=error.plain, kind=name)
        return Answer(error=f"{_UNEXPECTED}{name}: {error}", kind=name)


@dataclass(frozen=True, kw_only=True)
class Look(Ask):
    """See a photo and its faces.

    Attributes:
        photo: the file.
        folder: for the pictures to show.
        pixels: more than this are refused.
        small: look for small faces too, which takes longer.

    """

    photo: Path
    folder: Path
    pixels: int
    small: bool = False

    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Return width, height, boxes of faces, and the private items that the file holds."""
        photo = read_photo(self.photo, max_pixels=self.pixels)
        tell(0.3)
        least = _SMALL if self.small else max(_LEAST, _SHARE * max(photo.pixels.shape[:2]))
        boxes = [box_of(face) for face in find(photo.pixels, min_face=least)]
        tell(0.9)
        profile = colour_profile(self.photo)
        write_views(photo.pixels, boxes, self.folder, "before", profile=profile)
        return {
            "width": photo.width,
            "height": photo.height,
            "min_face": least,
            "faces": boxes,
            "private": describe_metadata(photo),
        }


@dataclass(frozen=True, kw_only=True)
class Hide(Ask):
    """Protect a photo.

    Attributes:
        photo: the file.
        folder: for the pictures to show.
        settings: how.
        key: key file of the method dpg.
        passphrase: of the key.
        identifier: what it marks with.

    """

    photo: Path
    folder: Path
    settings: Settings
    key: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    identifier: str = ""

    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Return the written file and what judges say of it."""
        settings = self.settings
        if self.key:
            word = to_hex(own_key(self.key, self.passphrase).word(self.identifier))
            settings = replace(settings, word=word)
        report = protect(
            self.photo, settings=settings, overwrite=True, progress=share_of_photo(tell)
        )
        _show_after(report.protected, [face.box for face in report.faces], self.folder)
        return {
            "written": str(report.protected),
            "left_out": report.settings.get("left_out", []),
            # The first note says how well the mark is read back.
            "more": report.notes[:1] if self.key else (),
            **verdict_of(report),
        }


@dataclass(frozen=True, kw_only=True)
class Fit(Ask):
    """Fit a personal mask.

    Attributes:
        photos: files that show one person.
        out: the key file to write.
        method: "chameleon" or "facecloak".
        passphrase: that seals it; None leaves it open.

    """

    photos: Sequence[Path]
    out: Path
    method: str
    passphrase: str | None = field(default=None, repr=False)

    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Return the key file."""
        fit_mask(
            self.photos, self.out, method=self.method, passphrase=self.passphrase,
            overwrite=True, progress=tell,
        )  # fmt: skip
        return {"written": str(self.out), "photos": len(self.photos)}


@dataclass(frozen=True, kw_only=True)
class Wear(Ask):
    """Put a personal mask on a photo, or take it off.

    Attributes:
        photo: the file.
        folder: for the pictures to show.
        key: the key file.
        passphrase: of the key.
        off: take the mask off.
        faces: "mine", or numbers such as "1,3", to put it on.
        boxes: of the faces that are shown.
        min_face: smallest face to find, in pixels.

    """

    photo: Path
    folder: Path
    key: Path
    passphrase: str | None = field(default=None, repr=False)
    off: bool = False
    faces: str = "mine"
    boxes: Sequence[tuple[float, float, float, float]] = ()
    min_face: float | None = None

    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Return the written file, and which faces it was done to."""
        mask = read_mask(self.key, self.passphrase)
        tell(0.1)
        if self.off:
            worn = remove_mask(mask, self.photo, min_face=self.min_face, overwrite=True)
        else:
            worn = apply_mask(
                mask, self.photo, faces=self.faces, min_face=self.min_face, overwrite=True
            )
        tell(0.6)
        _show_after(worn.written, self.boxes, self.folder)
        said = {"written": str(worn.written), "left_out": list(worn.left_out)}
        if self.off:
            faces = ", ".join(str(number) for number in worn.chosen)
            return {**said, "title": "Mask taken off", "sentence": f"Face {faces} is bare again."}
        return {**said, **verdict_of(_judged(worn, mask, self.min_face), masked=True)}


@dataclass(frozen=True, kw_only=True)
class Trace(Ask):
    """Say whose mark a photo carries.

    Attributes:
        photo: the file.
        keys: key files, with their registers beside them.
        passphrases: of the keys, None where one lies open.
        identifiers: further ones to try.
        min_face: smallest face to find, in pixels.

    """

    photo: Path
    keys: Sequence[Path]
    passphrases: Sequence[str | None] = field(default=(), repr=False)
    identifiers: Sequence[str] = ()
    min_face: float | None = None

    def run(self, tell: ShareProgress) -> Mapping[str, Any]:
        """Return the answer for the photo and for every face."""
        pairs = zip(self.keys, self.passphrases, strict=True)
        keys = [own_key(key, word) for key, word in pairs]
        found = trace(keys, self.photo, identifiers=self.identifiers, min_face=self.min_face)
        tell(0.9)
        return {
            "answer": found.answer,
            "faces": [
                {
                    "number": face.number,
                    "answer": face.answer,
                    "identifier": face.identifier,
                    "key": face.key,
                    "agreeing": face.agreeing,
                    "chance": face.chance,
                }
                for face in found.faces
            ],
        }


def _show_after(
    written: Path, boxes: Sequence[tuple[float, float, float, float]], folder: Path
) -> None:
    """What is shown is what the file holds, compression included."""
    after = read_photo(written)
    write_views(after.pixels, boxes, folder, "after", profile=colour_profile(written))


def _judged(worn: Worn, mask: PersonalMask, min_face: float | None) -> PhotoReport:
    """What judges say of a photo that wears a mask; those that helped to fit it decide nothing."""
    faces = find(read_photo(worn.source).pixels, min_face=min_face)
    helped: set[str] = set()
    for name in mask.facts.surrogates:
        # A key may have been fitted where there were others.
        with suppress(BautaError):
            helped |= get_recognizer(name).lineage
    return verify(
        worn.source,
        worn.written,
        judges=[get_recognizer(name) for name in default_judges()],
        surrogates=helped,
        faces=faces,
        chosen=[faces[number - 1] for number in worn.chosen],
    )
