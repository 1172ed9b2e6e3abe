"""DFPP: adversarial makeup, drawn by a network that was never trained, one per photo.

Source: F. Shamshad, M. Naseer, K. Nandakumar, "Makeup-Guided Facial Privacy Protection via
Untrained Neural Network Priors", ECCV workshops 2024, arXiv 2408.12387. No code is public; where
the paper is silent this is a reconstruction (docs/makeup.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_lab
from kornia.metrics import ssim
from torch import Generator, Tensor

from bauta.engine.blurring import blurred
from bauta.engine.budgets import Budget
from bauta.engine.flow import GRID, FlowBudget
from bauta.engine.loop import EarlyStop, IterativeMethod, StepProgress, team_loss
from bauta.engine.problem import Problem
from bauta.errors import UsageError
from bauta.faces.frame import frames_of
from bauta.faces.geometry import warp
from bauta.faces.luma import LUMA, luma
from bauta.faces.mesh import find_mesh, mean_mesh
from bauta.makeup.areas import makeup_areas
from bauta.makeup.canvas import MadeUp, bare_areas, reach_of
from bauta.makeup.network import MakeupNetwork
from bauta.makeup.reference import Reference
from bauta.makeup.styles import painted, read_style
from bauta.methods.registry import methods

#: Pixels of the frame per pixel that the network draws.
_COARSER = 2
#: Learning rates of Adam: of weights, and of codes. Both sink to a tenth in the end.
_WEIGHTS, _CODES, _LAST = 3e-3, 0.1, 0.1
#: What the network draws is divided by this before it is squashed, so that it is not cut off early.
_SQUASH, _SQUASH_FLOW = 3.0, 0.6
#: Sigma of what counts as soft shades and as large ones, in sides of the frame, and what share of
#: finer and of larger light and shadow is kept.
_SOFT, _FINE = 0.009, 0.2
_LARGE, _BROAD = 0.045, 0.6
#: Colour beyond the makeup's, as a share of light and shadow; of its large patches, a fifth.
_COLOUR, _COLOUR_LARGE, _COLOUR_BROAD = 0.1, 0.022, 0.2
#: Structural dissimilarity of luma at epsilon 8, (1 - SSIM) / 2, that is aimed at, and the weight
#: of what exceeds it, which doubles while it does and halves while there is room.
_AIM, _STRICT = 0.08, 10.0
_HEAVIEST = 128.0
#: Weight of the makeup loss, and of the areas in it: histograms of each are to be the makeup's.
_MAKEUP = 0.02
_AREAS = {"lips": 1.0, "lids": 1.0, "lashes": 1.0, "brows": 0.3, "skin": 0.1}
#: Probability from which there is a face that can be followed.
_LIKELY = 0.5


@methods.register("dfpp")
@dataclass(frozen=True, kw_only=True)
class Dfpp(IterativeMethod):
    """Adam on an untrained network, in two stages: makeup first, then hiding in it.

    The first stage needs no steps here: the network draws what is added to the makeup, which is
    put on beforehand, and begins at next to nothing.

    Args:
        style: name of a style, or its .toml file; see :mod:`bauta.makeup.styles`.
        reference: the makeup of somebody else instead.
        strength: how much of the makeup, 0 (none) to 2 (twice as much).
        rounds: steps on the network for each of ``steps``, since they are much smaller.

    """

    #: The makeup may change pixels further than a budget says.
    bounded: ClassVar[bool] = False

    style: str | Path = "rose"
    reference: Reference | None = None
    strength: float = 1.0
    rounds: int = 5

    def __post_init__(self) -> None:
        """Check the ranges, and that the style exists."""
        super().__post_init__()
        if not 0 <= self.strength <= 2:
            raise UsageError(f"strength must be between 0 and 2, got {self.strength}")
        if self.reference is None:
            read_style(self.style)

    def run(
        self,
        problem: Problem,
        *,
        begin: Tensor | None = None,
        stop: EarlyStop | None = None,
        progress: StepProgress | None = None,
    ) -> Tensor:
        """Draw on each face; see :meth:`IterativeMethod.run`.

        What faces begin with is drawn upon, with no makeup beside it.
        """
        count = len(problem.canvas)
        answers = []
        for at in range(count):

            def tell(done: int, total: int, at: int = at) -> None:
                if progress:
                    progress(at * total + done, count * total)

            one = _only(problem, at)
            theirs = stop and replace(stop, own=[own[at : at + 1] for own in stop.own])
            sheet = self._sheet(one, None if begin is None else begin[at : at + 1])
            self._draw(one, sheet, theirs, tell)
            answers.append(sheet.settled())
        return torch.cat(answers)

    def follow(
        self,
        problem: Problem,
        *,
        begin: Tensor | None,
        state: Mapping[str, Tensor],
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Go on with the network of an earlier frame of the same face.

        Args:
            problem: one face.
            begin: its perturbation so far; None for a face that is new.
            state: what this returned before; empty for a face that is new.

        Returns:
            The perturbation, and the network's weights and codes.

        """
        del begin
        sheet = self._sheet(problem, None)
        known = sheet.network.state_dict()
        if state and all(state[name].shape == known[name].shape for name in known):
            sheet.network.load_state_dict({name: part.float() for name, part in state.items()})
        self._draw(problem, sheet, None, lambda done, total: None)
        return sheet.settled(), {
            name: part.half().cpu() for name, part in sheet.network.state_dict().items()
        }

    def choose(self, problem: Problem, embeddings: list[Tensor]) -> Tensor | None:
        """Whichever target is nearest at the time."""
        targets = problem.target_distances(embeddings)
        if targets is None:
            return None
        shares = problem.ensemble.shares
        far = sum(s * t.detach().mean(dim=1) for s, t in zip(shares, targets, strict=True))
        assert isinstance(far, Tensor)
        return far.argmin(dim=1)

    def _sheet(self, problem: Problem, begin: Tensor | None) -> _Sheet:
        generator = torch.Generator().manual_seed(self.seed)
        return _Sheet(problem, self._made_up(problem, generator), begin, generator)

    def _draw(
        self, problem: Problem, sheet: _Sheet, stop: EarlyStop | None, progress: StepProgress
    ) -> None:
        """Teach a sheet's network to hide one face."""
        generator = torch.Generator().manual_seed(self.seed)
        weights, codes = sheet.network.parts()
        paces = [{"params": weights, "lr": _WEIGHTS}, {"params": codes, "lr": _CODES}]
        total = self.rounds * self.steps
        optimiser = torch.optim.Adam(paces)
        slowing = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, _LAST, total)
        for step in range(1, total + 1):
            with torch.enable_grad():
                images = problem.render(sheet.answer())
                loss = self._adversarial(problem, images, generator)
                loss = loss + _MAKEUP * sheet.makeup_loss() + sheet.structure_loss(images)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's
            optimiser.step()
            slowing.step()
            progress(step, total)
            looked = stop is not None and step % (stop.every * self.rounds) == 0
            if looked and stop is not None and bool(stop.lost(problem, sheet.settled()).all()):
                return

    def _made_up(self, problem: Problem, generator: Generator) -> MadeUp:
        """A face, its makeup, and where more may be drawn."""
        frame = frames_of(problem.canvas, problem.size).clamp(0, 255)
        points, presence = find_mesh(problem.canvas)
        mesh = points[0] if float(presence) > _LIKELY else mean_mesh().to(points)
        areas = makeup_areas(mesh, size=problem.size)
        areas = {name: area.to(frame) for name, area in areas.items()}
        skin = bare_areas(frame, areas)
        if self.reference is not None:
            worn = self.reference.put_on(frame[0], mesh, skin, strength=self.strength)
        else:
            style = read_style(self.style)
            worn = painted(frame[0], skin, style, strength=self.strength, generator=generator)
        return MadeUp(
            frame=frame, worn=worn[None], areas=areas, reach=reach_of(frame, skin),
            skin=skin["skin"][None],
        )  # fmt: skip

    def _adversarial(self, problem: Problem, images: Tensor, generator: Generator) -> Tensor:
        embeddings = problem.ensemble.embed(
            problem.canvas, images, self.diversity, self.views, generator
        )
        return team_loss(problem.ensemble, self.losses(problem, embeddings))


class _Sheet:
    """What the network draws on one face, and what that costs besides the adversarial loss."""

    def __init__(
        self, problem: Problem, made: MadeUp, begin: Tensor | None, generator: Generator
    ) -> None:
        self._problem = problem
        self._made = made
        self._aim = _AIM * self._pixels.epsilon / 8
        self._weight = 1.0
        # The network halves it twice.
        side = max(4, problem.size // _COARSER // 4 * 4)
        maps = F.adaptive_avg_pool2d(made.maps(), side)
        face = F.adaptive_avg_pool2d(made.frame, side) / 127.5 - 1
        worn = F.adaptive_avg_pool2d(made.worn, side) / 127.5 - 1
        self._seen = torch.cat([face, maps], dim=1)
        self._wanted = torch.cat([worn, 4 * (worn - face), maps], dim=1)
        network = MakeupNetwork(self._seen.shape[1], self._wanted.shape[1], 5, side, generator)
        self.network = network.to(made.frame.device)
        self._flow, self._base = self._parts(begin)

    @property
    def _pixels(self) -> Budget:
        budget = self._problem.budget
        return budget.pixels if isinstance(budget, FlowBudget) else budget

    def _parts(self, begin: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """(1, 2, G, G) flow, if there are any, and (1, 3, S, S) grey levels to begin with."""
        budget = self._problem.budget
        if begin is None:
            flow = self._made.frame.new_zeros(1, 2, GRID, GRID)
            return (flow if isinstance(budget, FlowBudget) else None), self._made.paint
        if isinstance(budget, FlowBudget):
            return budget.unpack(begin)
        return None, begin

    def answer(self) -> Tensor:
        """What the problem asks for, with gradients; kept for :meth:`makeup_loss`."""
        drawn = self.network(self._seen, self._wanted)
        size = (self._problem.size,) * 2
        shades = F.interpolate(drawn[:, :3], size, mode="bilinear", align_corners=False)
        self._delta = self._base + self._shaded(torch.tanh(shades / _SQUASH))
        self._delta = self._problem.colourless(self._delta)
        if self._flow is None:
            return self._delta
        budget = self._problem.budget
        assert isinstance(budget, FlowBudget)
        flow = torch.tanh(F.adaptive_avg_pool2d(drawn[:, 3:], GRID) / _SQUASH_FLOW)
        flow = self._flow + flow * budget.displacement
        length = flow.square().sum(dim=1, keepdim=True).clamp_min(1e-12).sqrt()
        return budget.pack(flow * (budget.displacement / length).clamp_max(1), self._delta)

    def settled(self) -> Tensor:
        """The same, without gradients."""
        with torch.no_grad():
            return self.answer()

    @cached_property
    def _limits(self) -> Tensor:
        return self._problem.limits * self._made.reach

    def _shaded(self, drawn: Tensor) -> Tensor:
        """(1, 3, S, S) grey levels from (1, 3, S, S) light, and two of colour, -1 to 1."""
        limits = self._limits
        # What is blurred reaches further than the limits.
        there = self._made.reach.clamp(max=1)
        light = drawn[:, :1] * limits
        # Lines and spots are seen as such, soft shades as the face's own; large ones look dirty.
        side = limits.shape[-1]
        soft = blurred(light, _SOFT * side)
        large = blurred(light, _LARGE * side)
        light = there * (soft + _FINE * (light - soft) - (1 - _BROAD) * large)
        colour = _COLOUR * self._problem.limits * self._made.skin * drawn[:, 1:]
        colour = there * (colour - (1 - _COLOUR_BROAD) * blurred(colour, _COLOUR_LARGE * side))
        red, blue = colour[:, :1], colour[:, 1:]
        # Green takes back the luma of the other two.
        green = -(LUMA[0] * red + LUMA[2] * blue) / LUMA[1]
        return self._made.lit(light) + torch.cat([red, green, blue], dim=1)

    def makeup_loss(self) -> Tensor:
        """How far histograms of the areas are from the makeup's, in CIELAB."""
        lab = rgb_to_lab((self._made.frame + self._delta).clamp(0, 255) / 255)[0]
        total = lab.new_zeros(())
        for name, (chosen, wanted) in self._histograms.items():
            mine = lab.flatten(1)[:, chosen].sort(dim=1).values
            total = total + _AREAS[name] * (mine - wanted).abs().mean()
        return total

    @cached_property
    def _histograms(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Per area, which pixels it has, and (3, N) sorted values that they are to take on."""
        lab = rgb_to_lab(self._made.worn / 255)[0].flatten(1)
        out = {}
        for name in _AREAS:
            chosen = torch.nonzero(self._made.areas[name].flatten() > 0.5).flatten()
            if len(chosen):
                out[name] = (chosen, lab[:, chosen].sort(dim=1).values)
        return out

    def structure_loss(self, images: Tensor) -> Tensor:
        """What the dissimilarity of (1, 3, C, C) canvases in luma exceeds the aim by, weighted."""
        alike = ssim(luma(images), self._before, 11, max_val=255.0)
        seen = (1 - (alike * self._face).sum() / self._face.sum().clamp_min(1)) / 2
        loss = self._weight * _STRICT * (seen - self._aim).clamp_min(0)
        ratio = float(seen.detach()) / self._aim
        if ratio >= 1.1:
            self._weight = min(2 * self._weight, _HEAVIEST)
        else:
            self._weight = max(self._weight / 2, 1 / _HEAVIEST) if ratio <= 0.9 else 1.0
        return loss

    @cached_property
    def _before(self) -> Tensor:
        return luma(self._problem.canvas.images)

    @cached_property
    def _face(self) -> Tensor:
        side = self._problem.canvas.images.shape[-1]
        return warp(self._problem.faces, self._problem.maps, (side, side)) * (
            self._problem.canvas.inside
        )


def _only(problem: Problem, at: int) -> Problem:
    """The problem of one of the faces."""
    part = slice(at, at + 1)
    return replace(
        problem,
        canvas=problem.canvas[part], masks=problem.masks[part], faces=problem.faces[part],
        grey=problem.grey[part], own=[own[part] for own in problem.own],
    )  # fmt: skip
