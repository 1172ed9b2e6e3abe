"""The embedded engine: a photo's face on a generic head, turned, moved and lit anew.

Turning follows the idea of face profiling (Zhu et al., "Face Alignment Across Large Poses", CVPR
2016): photo and surroundings are one surface that is rotated as a whole. Relighting multiplies with
a ratio of shadings (Riklin-Raviv and Shashua, "The Quotient Image", TPAMI 2001).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import apply, fit_similarity, invert, scale_of
from bauta.views.base import View, ViewEngine, engines
from bauta.views.lighting import own_light, relight
from bauta.views.mirror import mirrored
from bauta.views.turning import Head, head_to_photo, look_up, solve
from bauta.views.variety import Recipe, recipes
from bauta.views.window import Window, open_window

#: From this yaw on, in degrees, a photo's mirror image is used for views from the other side.
_TURNED_AWAY = 8.0


@engines.register("embedded")
class EmbeddedViews(ViewEngine):
    """Views by geometry alone, without any network: a set of eight takes less than a second."""

    def _make(self, pixels: NDArray[np.uint8], face: Face, count: int, seed: int) -> list[View]:
        rng = np.random.default_rng(seed)
        sitters = {False: _Sitter.of(pixels, face)}
        yaw = sitters[False].head.pose.yaw
        if abs(yaw) >= _TURNED_AWAY:
            sitters[True] = _Sitter.of(*mirrored(pixels, face))
        views = []
        for recipe in recipes(count, rng):
            # What the photo does not show of one side of the face, its mirror image does.
            other = True in sitters and yaw * recipe.pose.yaw < 0
            view = sitters[other].shown(recipe, rng)
            views.append(replace(view, about=f"{view.about}, mirrored") if other else view)
        return views


@dataclass(frozen=True, eq=False)
class _Sitter:
    """A face, ready to be shown in other ways.

    Attributes:
        face: as the photo has it.
        window: cut around it.
        head: laid over it.
        table: where the head's points lie in the photo (see :meth:`Head.table`).
        light: the photo's own (see :func:`own_light`).

    """

    face: Face
    window: Window
    head: Head
    table: Tensor
    light: float

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], face: Face) -> _Sitter:
        window, head = open_window(pixels, face), Head.of(face)
        table = head.table(head.pose)
        return cls(face, window, head, table, own_light(window, table, head.pose))

    def shown(self, recipe: Recipe, rng: np.random.Generator) -> View:
        """The view of a recipe."""
        now = self.head.table(recipe.pose, recipe.expression)
        points = solve(now, self.window.points())
        picture = self.window.fetch(look_up(self.table, points))
        picture = relight(
            picture, self.window, points, recipe.light,
            was=self.head.pose, now=recipe.pose, own=self.light,
        )  # fmt: skip
        face = self._moved(now)
        return View(recipe.camera.take(picture, face.frame_side, rng), face, recipe.about)

    def _moved(self, now: Tensor) -> Face:
        """The face where a table of the head puts it."""
        to_head = invert(head_to_photo(self.face))
        before = apply(to_head, self.face.landmarks.astype(np.float64))
        points = solve(self.table, torch.from_numpy(before).float()[None])
        after = look_up(now, points)[0].double().numpy()
        landmarks = apply(self.window.from_head, after)
        moved = fit_similarity(self.face.landmarks.astype(np.float64), landmarks)
        left, top, right, bottom = self.face.box
        centre = apply(moved, np.array([[(left + right) / 2, (top + bottom) / 2]]))[0]
        half = scale_of(moved) * np.array([right - left, bottom - top]) / 2
        box = (*(centre - half).tolist(), *(centre + half).tolist())
        return Face(box, self.face.score, landmarks.astype(np.float32), self.face.scheme)
