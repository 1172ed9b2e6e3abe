"""What every protection method keeps, whatever it does: subclass :class:`MethodContract`.

A new method gets all of this by being registered. One that is not registered gets it with a
subclass whose fixture ``subject`` returns a :class:`Subject` about it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.budgets import Linf
from bauta.engine.ensemble import Ensemble
from bauta.engine.goals import Dodge, Goal, Impersonate
from bauta.engine.loop import IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.errors import BautaError
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.media import photo_from_array, read_photo, write_photo
from bauta.methods.targets import default_targets
from bauta.recognizers.base import Recognizer

STEPS, EPSILON = 8, 8
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Subject:
    """A method against a surrogate, on two people's photos."""

    method: type[IterativeMethod]
    surrogate: Recognizer
    photos: Sequence[Pixels]
    faces: Sequence[Face]

    def problem(self, who: Sequence[int] = (0, 1), goal: Goal | None = None, **changes) -> Problem:
        """The people numbered ``who`` as one problem."""
        photos, faces = [self.photos[i] for i in who], [self.faces[i] for i in who]
        canvas, ensemble = cut_canvas(photos, faces), Ensemble([self.surrogate])
        values = {
            "canvas": canvas,
            "masks": torch.stack([region_mask(face, ("head",)) for face in faces]),
            "faces": torch.stack([region_mask(face, ("face",)) for face in faces]),
            "ensemble": ensemble,
            "goal": goal or Dodge(),
            "budget": Linf(EPSILON),
            "own": own_embeddings(canvas, ensemble, NONE, 0, torch.Generator()),
            "targets": [],
            "grey": torch.zeros(len(who), dtype=torch.bool),
        }
        return Problem(**{**values, **changes})

    def run(self, problem: Problem, **options) -> Tensor:
        """Perturbations of a short run."""
        return self.method(**{"steps": STEPS, "views": 1, **options}).run(problem)

    def written(self, deltas: Tensor, who: Sequence[int] = (0, 1), *, grey=False) -> list[Pixels]:
        """The protected photos, one per person."""
        mask = [region_mask(self.faces[i], ("head",))[None] for i in who]
        return [
            render_into_photo(
                self.photos[i],
                [self.faces[i]],
                deltas[k : k + 1],
                mask[k],
                limit=EPSILON if self.method.bounded else 255,
                grey=grey,
            )
            for k, i in enumerate(who)
        ]

    def embeddings(self, photos: Sequence[Pixels], who: Sequence[int] = (0, 1)) -> Tensor:
        return torch.from_numpy(self.surrogate.embed(photos, [self.faces[i] for i in who]))

    def likeness(self, photos: Sequence[Pixels], who: Sequence[int] = (0, 1)) -> NDArray:
        """Similarity of each changed photo to the person in it."""
        own = self.embeddings([self.photos[i] for i in who], who)
        return 1 - (self.embeddings(photos, who) - own).square().sum(1).numpy() / 2

    @cached_property
    def protected(self) -> list[Pixels]:
        """Both people's photos, protected together."""
        return self.written(self.run(self.problem()))

    @cached_property
    def targets(self) -> Tensor:
        """(K, D) embeddings to be taken for: three of the default ones, or else person 1."""
        try:
            return default_targets(self.surrogate.name)[:3]
        except (BautaError, OSError):
            person = self.embeddings(self.photos)[1:]
            return torch.cat([person, person + 0.05, 0.9 * person])


def changes(before: Pixels, after: Pixels) -> NDArray[np.int16]:
    return np.abs(after.astype(np.int16) - before)


class MethodContract:
    """Tests that hold for every method; needs a fixture ``subject``."""

    def test_budget_holds_in_the_file(self, subject: Subject, tmp_path: Path):
        if not subject.method.bounded:
            pytest.skip("what it adds is meant to be seen, and has no budget")
        for i, pixels in enumerate(subject.protected):
            file = tmp_path / f"{i}.png"
            write_photo(photo_from_array(subject.photos[i]), pixels, file)
            changed = changes(subject.photos[i], read_photo(file).pixels)
            assert 0 < changed.max() <= EPSILON

    def test_grey_photos_stay_grey(self, subject: Subject):
        grey = np.repeat(subject.photos[0][:, :, 1:2], 3, axis=2)
        mine = replace(subject, photos=[grey, subject.photos[1]])
        delta = mine.run(mine.problem([0], grey=torch.tensor([True])), steps=2)
        assert torch.equal(delta[:, 0], delta[:, 1])
        (out,) = mine.written(delta, [0], grey=True)
        assert (out == out[:, :, :1]).all()
        assert changes(grey, out).any()

    def test_seeds_decide(self, subject: Subject):
        problem = subject.problem([0])
        one, again, other = (subject.run(problem, steps=2, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(one, again)
        assert not torch.equal(one, other)

    def test_company_changes_nothing(self, subject: Subject):
        """Sign steps flip where gradients are about 0, and every flip makes more of them.

        Measured for TIP-IM, equal pixels of a face after 4 and 8 steps: dlib 100 % and 83 %
        (Collins), 100 % and 99 % (Hopper); MobileFaceNet 87 % and 70 %, 100 % and 100 %; the
        similarities after 8 agree to 0.004. Networks trained under attack flip sooner: 99.9 %
        after the first step, 93 to 98 % after the second (tight-ms1m, tight-dlib); with dpg, whose
        decoder is asked as well, 98.5 to 100 % after the first. Faces that
        influenced each other would differ everywhere from the first step on. So pixels are
        compared after that, and after 8 steps what a recognizer makes of them.
        """
        together = subject.protected
        early = subject.written(subject.run(subject.problem(), steps=1))
        for i in (0, 1):
            (alone,) = subject.written(subject.run(subject.problem([i]), steps=1), [i])
            rows, columns = changes(subject.photos[i], alone).any(axis=2).nonzero()
            here = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
            # Adam's first steps are signs, too, and each weight moves many pixels a little.
            apart = changes(alone[here], early[i][here]).max(axis=2)
            assert (apart <= (0 if subject.method.bounded else 1)).mean() > 0.98
            (alone,) = subject.written(subject.run(subject.problem([i])), [i])
            both = [subject.likeness([pixels], [i])[0] for pixels in (alone, together[i])]
            assert both[0] == pytest.approx(both[1], abs=0.02)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_devices_agree(self, subject: Subject):
        there = replace(subject, surrogate=copy.deepcopy(subject.surrogate).to("cuda"))
        problem = subject.problem([0])
        moved = replace(
            problem,
            canvas=problem.canvas.to("cuda"),
            masks=problem.masks.cuda(),
            faces=problem.faces.cuda(),
            ensemble=Ensemble([there.surrogate]),
            own=[own.cuda() for own in problem.own],
            grey=problem.grey.cuda(),
        )
        (far,) = subject.written(there.run(moved).cpu(), [0])
        (near,) = subject.written(subject.run(problem), [0])
        assert subject.likeness([far], [0]) == pytest.approx(
            subject.likeness([near], [0]), abs=0.05
        )

    def test_people_look_less_like_themselves(self, subject: Subject):
        before = subject.likeness(subject.photos)
        np.testing.assert_allclose(before, 1, atol=1e-5)
        # Measured for TIP-IM (Collins, Hopper): dlib 0.71, 0.79 where 0.80 is the threshold;
        # MobileFaceNet 0.19, 0.51 where it is 0.25, so 8 steps do not hide everybody.
        # DFPP changes skin alone, and Hopper wears glasses: 0.52, 0.88 (tight-ms1m). DPG keeps a
        # mark besides: 0.77, 0.86 (dlib).
        least = 0.1 if subject.method.__name__ in ("Dfpp", "Dpg") else 0.15
        assert (subject.likeness(subject.protected) < before - least).all()

    def test_more_steps_are_never_much_worse(self, subject: Subject):
        few = subject.likeness(subject.written(subject.run(subject.problem(), steps=2)))
        assert (subject.likeness(subject.protected) < few + 0.05).all()

    def test_impersonation_leads_to_a_target(self, subject: Subject):
        problem = subject.problem([0], Impersonate(), targets=[subject.targets])
        photos = [subject.photos[0], *subject.written(subject.run(problem), [0])]
        before, after = (
            1 - (subject.embeddings([p], [0]) - subject.targets).square().sum(1) / 2 for p in photos
        )
        # Measured for TIP-IM: dlib +0.28 to the default targets and +0.10 to Hopper;
        # MobileFaceNet +0.48 to the default ones.
        assert float(after.max()) > float(before.max()) + 0.08
        assert subject.likeness(photos[1:], [0])[0] < 0.85

    def test_both_searches_get_about_as_far(self, subject: Subject):
        """Without random views, of which each search draws others.

        Measured for TIP-IM, three seeds: against dlib gains differ by 0 to 4 %, against
        MobileFaceNet the exact search gains up to 20 % more, having chosen a better target, and
        against tight-dlib 94 % more (1.44 and 0.74): what one step gains tells more there. With
        one random view a step dlib's differ by up to 50 % either way, even with a single target.
        """

        def gain(search):
            goal = Impersonate(search=search)
            problem = subject.problem([0], goal, targets=[subject.targets])
            delta = subject.run(problem, steps=5, diversity=NONE)
            seen = problem.ensemble.embed(
                problem.canvas, problem.render(delta), NONE, 1, torch.Generator()
            )
            own, targets = problem.distances(seen)
            return float(goal.gains(own[0], targets[0]))

        start = float(np.log(2))
        predicted, exact = gain("embedding"), gain("exact")
        assert min(predicted, exact) > 0.5 * start
        assert 0.5 < predicted / exact < 1.25
