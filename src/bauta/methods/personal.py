"""Personal masks as estimators: fitted on photos of one person, then put on any photo of theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bauta.errors import NoFaceError, UsageError
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import common_person, faces_of_owner
from bauta.masks.removal import find_mask, take_off
from bauta.masks.wearing import put_on
from bauta.media import is_grey, read_photo
from bauta.recognizers.zoo import get_surrogate
from bauta.registry import Registry

Pixels = NDArray[np.uint8]
#: A photo in memory, or its file.
Photo = Pixels | str | Path
#: Called with a share done, 0 to 1.
ShareProgress = Callable[[float], None]
#: Recognizers that tell the owner's face from others'.
WITNESSES = ("tight-ms1m", "tight-dlib")


@dataclass(kw_only=True)
class PersonalMethod(ABC):
    """An estimator in scikit-learn's manner: parameters in the constructor, the rest by ``fit``.

    Attributes:
        mask_: the fitted :class:`~bauta.keys.mask.PersonalMask`.

    """

    mask_: PersonalMask = field(init=False, repr=False, compare=False)

    def fit(
        self,
        photos: Photo | Sequence[Photo],
        y: object = None,
        *,
        progress: ShareProgress | None = None,
    ) -> Self:
        """Fit a mask on photos of one person.

        Args:
            photos: one or several, as files or (H, W, 3) uint8 RGB arrays; other people may be in
                them too.
            y: nothing; there for pipelines.
            progress: told the share done.

        Raises:
            NoFaceError: a photo shows no face.
            UsageError: there are no photos, or they do not show one and the same person.
            MediaError: a file cannot be read.

        """
        del y
        photos = _several(photos)
        if not len(photos):
            raise UsageError("a mask is fitted on one photo at least")
        pixels = [_pixels(photo) for photo in photos]
        faces = one_person(pixels, [_name(photo, at) for at, photo in enumerate(photos)])
        self.mask_ = self.fit_faces(pixels, faces, progress=progress)
        return self

    @abstractmethod
    def fit_faces(
        self,
        photos: Sequence[Pixels],
        faces: Sequence[Face],
        *,
        progress: ShareProgress | None = None,
    ) -> PersonalMask:
        """Fit a mask on one face in each photo."""

    def transform(self, photos: Photo | Sequence[Photo]) -> Any:
        """Put the mask on the owner's face.

        Args:
            photos: one photo or several, as :meth:`fit` takes them.

        Returns:
            (H, W, 3) uint8 RGB, or a list of such.

        Raises:
            NoFaceError: the owner is not in a photo.

        """
        return _each(photos, self._transform)

    def inverse_transform(self, photos: Photo | Sequence[Photo]) -> Any:
        """Take the mask off; as exact as what came in between allows.

        Args:
            photos: one photo or several that wear the mask.

        Returns:
            (H, W, 3) uint8 RGB, or a list of such.

        Raises:
            NoFaceError: no face in a photo wears this mask.

        """
        return _each(photos, self._inverse)

    def fit_transform(self, photos: Sequence[Photo], y: object = None) -> list[Pixels]:
        """Fit a mask on photos and put it on the same."""
        self.fit(photos, y)
        return [self._transform(photo) for photo in photos]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters by name."""
        del deep
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; what was fitted stays as it was.

        Raises:
            UsageError: a parameter is unknown.

        """
        unknown = sorted(set(params) - set(self.get_params()))
        if unknown:
            raise UsageError(
                f"unknown parameter {unknown[0]!r}: use {', '.join(self.get_params())}"
            )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _transform(self, photo: Photo) -> Pixels:
        pixels = _pixels(photo)
        mine = faces_of_owner(pixels, find(pixels), self._fitted().owner)
        if not mine:
            raise NoFaceError(f"{_name(photo, 0)}: the owner of the mask is not in this photo")
        return put_on(pixels, mine, self._fitted(), grey=is_grey(pixels))

    def _inverse(self, photo: Photo) -> Pixels:
        pixels = _pixels(photo)
        found = find_mask(pixels, find(pixels), self._fitted())
        if not found:
            raise NoFaceError(f"{_name(photo, 0)}: no face in this photo wears the mask")
        return take_off(pixels, found, self._fitted(), grey=is_grey(pixels))

    def _fitted(self) -> PersonalMask:
        if not hasattr(self, "mask_"):
            raise UsageError(f"this {type(self).__name__} has no mask yet: call fit first")
        return self.mask_


#: Name to estimator of personal masks.
personal_methods: Registry[type[PersonalMethod]] = Registry(
    "personal method",
    {"chameleon": "bauta.methods.chameleon", "facecloak": "bauta.methods.facecloak"},
)


def one_person(photos: Sequence[Pixels], names: Sequence[str]) -> list[Face]:
    """The one person's face in each photo.

    Args:
        photos: (H, W, 3) uint8 RGB each.
        names: what to call them in messages.

    Raises:
        NoFaceError: a photo shows no face.
        UsageError: a photo does not show the person that the others show.

    """
    found = [find(photo) for photo in photos]
    for some, name in zip(found, names, strict=True):
        if not some:
            raise NoFaceError(f"{name}: no face was found; leave this photo out")
    faces, closeness = common_person(photos, found, get_surrogate(WITNESSES[0]))
    strange = [name for name, close in zip(names, closeness, strict=True) if close < 0]
    if strange:
        raise UsageError(
            f"{', '.join(strange)}: this does not look like the person in the other photos; "
            "leave it out, or take photos that show the face more clearly"
        )
    return faces


def _each(photos: Photo | Sequence[Photo], change: Callable[[Photo], Pixels]) -> Any:
    several = _several(photos)
    out = [change(photo) for photo in several]
    return out[0] if len(out) == 1 and several is not photos else out


def _several(photos: Photo | Sequence[Photo]) -> Sequence[Photo]:
    """The same sequence, or a new one of one photo; four dimensions are several photos."""
    if isinstance(photos, str | Path):
        return [photos]
    if isinstance(photos, np.ndarray):
        return [photos] if photos.ndim == 3 else tuple(photos)
    return photos


def _pixels(photo: Photo) -> Pixels:
    return photo if isinstance(photo, np.ndarray) else read_photo(photo).pixels


def _name(photo: Photo, at: int) -> str:
    return f"photo {at + 1}" if isinstance(photo, np.ndarray) else str(photo)
