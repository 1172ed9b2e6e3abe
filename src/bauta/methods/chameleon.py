"""Chameleon: one mask for all photos of a person, which is also the key that takes it off.

Source: K.-H. Chow et al., "Personalized Privacy Protection Mask Against Unauthorized Facial
Recognition", ECCV 2024, arXiv 2407.13975. Beyond the paper the mask moves pixels before it changes
them, asks ghosts of the surrogates as well, and comes as a family of masks that lead to different
strangers, so that two protected photos have less in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from kornia.metrics import ssim
from torch import Generator, Tensor

from bauta import __version__
from bauta.engine.album import AlbumProblem
from bauta.engine.budgets import Budget
from bauta.engine.ensemble import Ensemble, distances, native_bf16
from bauta.engine.flow import FlowBudget
from bauta.engine.goals import Dodge
from bauta.engine.loop import IterativeMethod, State, team_gradient
from bauta.engine.problem import own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import UsageError
from bauta.faces.face import EYE_DISTANCE, Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import warp
from bauta.faces.placement import placements
from bauta.faces.regions import region_mask
from bauta.keys.mask import MAX_EPSILON, MAX_MEMBERS, Facts, PersonalMask
from bauta.masks.owner import embed_owner
from bauta.masks.removal import bare_share
from bauta.masks.wearing import mask_budget
from bauta.media import is_grey
from bauta.methods.personal import (
    WITNESSES,
    PersonalMethod,
    Pixels,
    ShareProgress,
    personal_methods,
)
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import default_surrogates, get_surrogate

#: The paper's rule: lambda halves below this share of the aim, and doubles above the other.
_LOW, _HIGH = 0.9, 1.1
#: How far lambda may get from 1, either way.
_FARTHEST = 128.0
#: Structural dissimilarity per grey level of epsilon: an SSIM of .92 where masks are fitted and
#: .90 on other photos, which is about what a plain mask of 8 grey levels leaves.
_SEEN = 0.042 / 8
#: Side of the window that SSIM is taken over (Wang et al. 2004).
_WINDOW = 11


@dataclass(kw_only=True)
class Weighed(State):
    """A state with the weight of what is seen."""

    weight: float = 1.0
    waiting: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CrossImage(IterativeMethod):
    """Cross-image optimisation: every step sees a few of the photos, one answer suits them all.

    Args:
        batch: photos per step.
        dssim: structural dissimilarity (1 - SSIM) / 2 of faces that is aimed at: the paper's l.
            What goes beyond it is penalised by a weight that doubles and halves (the paper's
            lambda), times ``strictness``.
        strictness: what a unit of DSSIM costs, in distances at the recognizers' thresholds.
        rivals: per surrogate, (R, D) embeddings to keep away from besides the person's own.
        apart: weight of the distance to these.

    """

    batch: int = 4
    dssim: float = 0.05
    strictness: float = 10.0
    rivals: Sequence[Tensor] = ()
    apart: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.batch < 1:
            raise UsageError(f"a step sees at least one photo, got a batch of {self.batch}")

    def initial(self, problem: Any, generator: Generator) -> State:
        """Random start."""
        plain = super().initial(problem, generator)
        return Weighed(plain.delta, plain.velocity, plain.active)

    def gradient(self, problem: Any, state: Any, delta: Tensor, generator: Generator) -> Tensor:
        """Gradient of the mean loss over a few photos, and of what is seen too much of."""
        some = problem.some(self._draw(state, len(problem.canvas), generator))
        with torch.enable_grad():
            point = delta.detach().requires_grad_(True)
            images = some.render(point)
            embeddings = some.ensemble.embed(
                some.canvas, images, self.diversity, self.views, generator
            )
            losses = self.losses(some, embeddings)
            seen = dissimilarity(some, images)
            excess = state.weight * self.strictness * (seen - self.dssim).clamp_min(0)
            whole = team_gradient(some.ensemble, losses, point, retain=True)
            if excess > 0:
                # The losses are summed over the photos, so the penalty counts as often.
                whole = whole + torch.autograd.grad(len(some.canvas) * excess, point)[0]
        state.weight = reweighed(state.weight, float(seen), self.dssim)
        return whole

    def losses(self, problem: Any, embeddings: list[Tensor]) -> list[Tensor]:
        """Minus the distances to the person, and to the rivals if there are some."""
        losses = super().losses(problem, embeddings)
        if not self.rivals:
            return losses
        rows = zip(losses, embeddings, self.rivals, problem.ensemble.scales, strict=True)
        return [
            loss - self.apart * distances(e, rivals[:, None], scale).mean(dim=-1)
            for loss, e, rivals, scale in rows
        ]

    def _draw(self, state: Weighed, count: int, generator: Generator) -> Tensor:
        """Numbers of the next photos; all have their turn before one comes again."""
        wanted = min(self.batch, count)
        if len(state.waiting) < wanted:
            state.waiting += torch.randperm(count, generator=generator).tolist()
        drawn, state.waiting = state.waiting[:wanted], state.waiting[wanted:]
        return torch.tensor(drawn)


def reweighed(weight: float, seen: float, aim: float) -> float:
    """Return the paper's lambda after a step: halved, doubled, or back at 1.

    Args:
        weight: lambda before.
        seen: mean DSSIM.
        aim: the DSSIM that is aimed at.

    """
    if seen <= _LOW * aim:
        return max(weight / 2, 1 / _FARTHEST)
    if seen >= _HIGH * aim:
        return min(weight * 2, _FARTHEST)
    return 1.0


def dissimilarity(problem: AlbumProblem, images: Tensor) -> Tensor:
    """Mean DSSIM, (1 - SSIM) / 2, of the faces in (B, 3, C, C) changed canvases. Differentiable."""
    canvas = problem.canvas
    side = images.shape[-1]
    faces = warp(problem.faces, problem.maps, (side, side)) * canvas.inside
    values = ssim(images, canvas.images, _WINDOW, max_val=255.0)
    mean = (values * faces).sum() / (3 * faces.sum()).clamp_min(1)
    return (1 - mean) / 2


@personal_methods.register("chameleon")
@dataclass(kw_only=True)
class Chameleon(PersonalMethod):
    """A P3-Mask: fitted once on some photos of a person, worn by all of them.

    Args:
        epsilon: size of the change in grey levels.
        perceptual: weigh it by what the eye notices. The largest change of a sample is then three
            times epsilon, since ``dssim`` holds what is seen.
        warp: how far pixels may be moved, in percent of the distance between the eyes.
        dssim: structural dissimilarity of faces that is aimed at, (1 - SSIM) / 2; None: .042 at an
            epsilon of 8, and in proportion.
        chroma: share of the mask's colour that is kept at every step.
        fine: share of its fine parts, finer than some two pixels of the frame, likewise.
        members: masks in the family; each photo wears one of them.
        steps: gradient steps per member.
        batch: photos per step.
        surrogates: recognizers to optimise against; empty: those of the preset balanced.
        region: face region that may change.
        seed: seed of all randomness but the key's secret.
        device: where to compute.

    Example:
        >>> from bauta.methods.chameleon import Chameleon
        >>> mine = Chameleon().fit(["a.jpg", "b.jpg", "c.jpg"])  # doctest: +SKIP
        >>> hidden = mine.transform("party.jpg")  # doctest: +SKIP
        >>> shown = mine.inverse_transform(hidden)  # doctest: +SKIP

    """

    #: What keys say of how they were made.
    name: ClassVar[str] = "chameleon"

    epsilon: float = 8.0
    perceptual: bool = True
    warp: float = 2.0
    dssim: float | None = None
    chroma: float = 0.85
    fine: float = 0.75
    members: int = 3
    steps: int = 40
    batch: int = 4
    surrogates: Sequence[str] = ()
    region: str = "head"
    seed: int = 0
    device: str = "cpu"

    def fit_faces(
        self,
        photos: Sequence[Pixels],
        faces: Sequence[Face],
        *,
        progress: ShareProgress | None = None,
    ) -> PersonalMask:
        """Fit a family of masks on one face in each photo."""
        names = list(self.surrogates) or default_surrogates("balanced")
        team = [get_surrogate(name).to(self.device) for name in names]
        pictures, whose = self.album(photos, faces)
        problem = self.problem(pictures, whose, team)
        answers = self._family(problem, progress)
        flows, deltas = zip(*(problem.parts(answer) for answer in answers), strict=True)
        moved = [flow for flow in flows if flow is not None]
        mask = PersonalMask(
            facts=Facts(
                method=self.name,
                epsilon=self.epsilon,
                perceptual=self.perceptual,
                region=self.region,
                surrogates=tuple(names),
                photos=len(photos),
                seed=self.seed,
                bauta=__version__,
            ),
            deltas=_half(deltas),
            **({"flows": _half(moved)} if moved else {}),
            owner=embed_owner(pictures, whose, [get_surrogate(name) for name in WITNESSES]),
        )
        bare = bare_share(pictures, whose, mask)
        return replace(mask, facts=replace(mask.facts, bare=bare))

    def album(
        self, photos: Sequence[Pixels], faces: Sequence[Face]
    ) -> tuple[Sequence[Pixels], Sequence[Face]]:
        """What the masks are fitted on, and the face in each picture: the photos."""
        return photos, faces

    def budget(self) -> Budget:
        """How far photos may be changed."""
        if not 0 < self.epsilon <= MAX_EPSILON:
            raise UsageError(
                f"epsilon must be above 0 and at most {MAX_EPSILON:g}, got {self.epsilon}"
            )
        pixels = mask_budget(self.epsilon, perceptual=self.perceptual)
        if not 0 <= self.warp <= 10:
            raise UsageError(f"warp must be between 0 and 10 percent, got {self.warp}")
        moves = self.warp / 100 * EYE_DISTANCE
        return FlowBudget(pixels, moves) if moves else pixels

    def problem(
        self, photos: Sequence[Pixels], faces: Sequence[Face], team: Sequence[Recognizer]
    ) -> AlbumProblem:
        """The photos as one optimisation problem."""
        canvas = cut_canvas(photos, faces).to(self.device)
        ensemble = Ensemble(team, bf16=native_bf16(self.device))
        own = own_embeddings(canvas, ensemble, NONE, 0, Generator())
        return AlbumProblem(
            canvas=canvas,
            masks=self._masks(faces, self.region),
            faces=self._masks(faces, "face"),
            ensemble=ensemble,
            goal=Dodge(),
            budget=self.budget(),
            own=own,
            targets=[],
            grey=torch.tensor([is_grey(photo) for photo in photos], device=self.device),
            away_from="centre",
            places=placements(canvas),
            chroma=self.chroma,
            fine=self.fine,
        )

    @property
    def aim(self) -> float:
        """Structural dissimilarity that is aimed at."""
        return _SEEN * self.epsilon if self.dssim is None else self.dssim

    def method(self, member: int, rivals: Sequence[Tensor]) -> CrossImage:
        """What a member of the family is optimised by.

        Args:
            member: its number, from 0.
            rivals: per surrogate, (R, D) embeddings that the members before it lead to.

        """
        return CrossImage(
            steps=self.steps, batch=self.batch, dssim=self.aim, seed=self.seed + member,
            rivals=rivals,
        )  # fmt: skip

    def _masks(self, faces: Sequence[Face], region: str) -> Tensor:
        return torch.stack([region_mask(face, (region,)) for face in faces]).to(self.device)

    def _family(self, problem: AlbumProblem, progress: ShareProgress | None) -> list[Tensor]:
        """One answer after the other, each away from where those before it lead."""
        if not 1 <= self.members <= MAX_MEMBERS:
            raise UsageError(f"a family has 1 to {MAX_MEMBERS} members, got {self.members}")
        answers: list[Tensor] = []
        rivals: list[list[Tensor]] = []
        for member in range(self.members):
            known = [torch.stack(rows) for rows in zip(*rivals, strict=True)]

            def tell(done: int, total: int, member: int = member) -> None:
                if progress:
                    progress((member + done / total) / self.members)

            answers.append(self.method(member, known).run(problem, progress=tell))
            rivals.append(led_to(problem, answers[-1]))
        return answers


@torch.no_grad()
def led_to(problem: AlbumProblem, answer: Tensor) -> list[Tensor]:
    """Per surrogate, the (D,) mean embedding of the photos that wear a mask."""
    images = problem.render(answer)
    rows = problem.ensemble.embed(problem.canvas, images, NONE, 1, Generator())
    return [row[:, 0].mean(dim=0) for row in rows]


def _half(parts: Sequence[Tensor]) -> Any:
    return torch.cat(list(parts)).detach().cpu().numpy().astype(np.float16)
