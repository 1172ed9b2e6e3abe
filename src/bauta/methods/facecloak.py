"""FaceCloak: a personal mask from one photo, by the views that are made of it.

Source: Yahn et al., "Personalized Face Privacy Protection From a Single Image", 2026, arXiv
2605.19032. Beyond the paper, as in :mod:`bauta.methods.chameleon`, pixels move before they are
changed, ghosts of the surrogates are asked as well, and masks come as a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.face import Face
from bauta.faces.regions import region_mask
from bauta.masks.leakage import leakage_map
from bauta.media import is_grey
from bauta.methods.anchors import nearest_and_farthest
from bauta.methods.chameleon import Chameleon, CrossImage
from bauta.methods.cloaking import Cloaking, CloakProblem, detail_map
from bauta.methods.personal import Pixels, personal_methods
from bauta.recognizers.base import Recognizer
from bauta.views.base import DEFAULT_COUNT, DEFAULT_ENGINE, engines

#: What the paper puts its patches on.
FEATURES = ("eyes", "nose", "mouth")


@personal_methods.register("facecloak")
@dataclass(kw_only=True)
class FaceCloak(Chameleon):
    """A personal mask that one photo is enough for. Several are used, each with its views.

    The paper has all parts on; which of them help is not settled (docs/results/masks.md).

    Args:
        views: synthetic views that are made of each photo; 0: none.
        engine: what makes them: "embedded" or "arc2face".
        attention: learn where the mask is to be, together with the mask.
        emphasis: give regions by which the person is recognised more of the budget.
        floor: what a region gets by which nobody is recognised, as a share of the most.
        patches: by how much eyes, nose and mouth count beyond what they are measured to leak, 0 to
            1 (full budget).
        highpass: by how much fine parts of the mask are favoured where the face itself is fine.
        near: weight of being led away from a similar identity that is nobody's; 0: not.
        far: weight of being led to a distant identity that is nobody's; 0: not.

    The other parameters are those of :class:`~bauta.methods.chameleon.Chameleon`.

    Example:
        >>> from bauta.methods.facecloak import FaceCloak
        >>> mine = FaceCloak().fit(["me.jpg"])  # doctest: +SKIP
        >>> hidden = mine.transform("party.jpg")  # doctest: +SKIP

    """

    name: ClassVar[str] = "facecloak"

    views: int = DEFAULT_COUNT
    engine: str = DEFAULT_ENGINE
    attention: bool = False
    emphasis: bool = True
    floor: float = 0.5
    patches: float = 0.5
    highpass: float = 0.0
    near: float = 0.0
    far: float = 0.3

    def problem(
        self, photos: Sequence[Pixels], faces: Sequence[Face], team: Sequence[Recognizer]
    ) -> CloakProblem:
        """The album as one optimisation problem, with what its owner's face tells."""
        album = super().problem(photos, faces, team)
        near, far = nearest_and_farthest(album.ensemble, album.own)
        known = {"detail": detail_map(album)} if self.highpass else {}
        if self.emphasis:
            leaks = leakage_map(album.canvas, album.masks, album.ensemble)
            features = torch.stack([region_mask(face, FEATURES) for face in faces])
            known["strength"] = self.strength(leaks, features.to(leaks).mean(dim=0, keepdim=True))
        return CloakProblem.of(album, near=near, far=far, **known)

    def strength(self, leaks: Tensor, features: Tensor) -> Tensor:
        """Share of the largest change that each pixel may get.

        Args:
            leaks: (1, 1, S, S) from :func:`~bauta.masks.leakage.leakage_map`.
            features: (1, 1, S, S) where eyes, nose and mouth are, 0 to 1.

        Returns:
            (1, 1, S, S), ``floor`` to 1.

        """
        share = leaks + self.patches * features * (1 - leaks)
        return self.floor + (1 - self.floor) * share

    def method(self, member: int, rivals: Sequence[Tensor]) -> CrossImage:
        """What a member of the family is optimised by."""
        return Cloaking(
            steps=self.steps, batch=self.batch, dssim=self.aim, seed=self.seed + member,
            rivals=rivals, attention=self.attention, highpass=self.highpass, near=self.near,
            far=self.far,
        )  # fmt: skip

    def _check(self) -> None:
        weights = {"views": self.views, "highpass": self.highpass, "near": self.near,
                   "far": self.far}  # fmt: skip
        for name, value in {**weights, "floor": self.floor, "patches": self.patches}.items():
            if value < 0 or (name not in weights and value > 1):
                most = "0 or more" if name in weights else "between 0 and 1"
                raise UsageError(f"{name} must be {most}, got {value}")

    def album(
        self, photos: Sequence[Pixels], faces: Sequence[Face]
    ) -> tuple[Sequence[Pixels], Sequence[Face]]:
        """The photos and their views.

        Raises:
            UsageError: a parameter is out of its range, or a face cannot be turned.
            RegistryError: there is no such view engine.

        """
        self._check()
        pictures, whose = list(photos), list(faces)
        if not self.views:
            return pictures, whose
        engine = engines[self.engine]()
        for at, (photo, face) in enumerate(zip(photos, faces, strict=True)):
            for view in engine.make(photo, face, self.views, seed=self.seed + at):
                pictures.append(_greyed(view.pixels) if is_grey(photo) else view.pixels)
                whose.append(view.face)
        return pictures, whose


def _greyed(pixels: Pixels) -> Pixels:
    """A view without the colour that its camera gave it."""
    grey = pixels.mean(axis=2, keepdims=True).round().astype(np.uint8)
    return np.repeat(grey, 3, axis=2)
