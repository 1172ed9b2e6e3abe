"""One face's perturbation, carried from frame to frame and made anew where that no longer does.

The perturbation lives in the face's frame, so it still fits when head or camera have moved. Where
a recognizer that is held out says that it hides less than it did, a few steps refine it; where that
is not enough, or the head is turned another way, a new key frame gets the full effort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.clips.looks import alike, changed, look_of
from bauta.engine.ensemble import Ensemble
from bauta.engine.loop import EarlyStop, IterativeMethod
from bauta.engine.problem import Problem
from bauta.faces.face import Face
from bauta.faces.frame import FRAME_SIZE
from bauta.optimisation import (
    Found,
    build_method,
    build_problem,
    early_stop,
    held_out_of,
    packed,
    spared,
    spares,
    unpacked,
)
from bauta.recognizers.base import Recognizer
from bauta.settings import PRESETS, Settings

Kind = Literal["key", "refined", "carried"]
#: What a method carries from frame to frame besides the perturbation, by name.
State = Mapping[str, Tensor]

#: Key frames in a row when a face comes into view: what hides it in three frames hides it in the
#: next hundred far better than what hides it in one (docs/video.md).
_OPENING = 3
#: Share of a key frame's steps that refine a later frame, and the size of such a step in those of
#: the key frame.
_SHARE, _GENTLE = 0.2, 0.5
#: How far refining may change a perturbation, as a share of its size: more is seen as flicker.
_DRIFT = 0.3
#: Correlation of what two frames show of a face, below which it has turned or moved its features
#: since it was optimised last. A camera that glides leaves 0.995, a head that turns by a degree
#: from frame to frame 0.99.
_STILL = 0.985
#: The same with the key frame, below which there has to be another, and frames between the two.
_TURNED, _PAUSE = 0.9, 3
#: Shares of the distance reached so far below which a frame is refined, and below which it becomes
#: a key frame itself.
_FADING, _WORN = 0.9, 0.8
#: Distance, in units of that at the threshold, with which a held-out surrogate has lost a face. In
#: photos 1.3 will do; here many frames have to live on one.
_ENOUGH = 1.5
#: Frames between two key frames that are made because a perturbation has worn off.
_PATIENCE = 5
#: Pixels of a perturbation per photo pixel at most, and its smallest side. What is finer depends on
#: how the face lies on the pixels, and is gone in the next frame (docs/video.md).
_FINENESS, _SMALLEST = 1.4, 48


@runtime_checkable
class Follower(Protocol):
    """A method that carries more from frame to frame than a perturbation, such as weights."""

    def follow(
        self, problem: Problem, *, begin: Tensor | None, state: State
    ) -> tuple[Tensor, State]:
        """Optimise.

        Args:
            problem: one face in one frame.
            begin: its perturbation so far; None where a face comes into view, or after a cut.
            state: what :meth:`follow` returned before; empty where ``begin`` is None.

        Returns:
            The perturbation, and what to carry on.

        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Done:
    """What was done to a face in a frame.

    Attributes:
        kind: "key" (full effort), "refined" (a few steps) or "carried" (none).
        steps: gradient steps.
        spared: whether three quarters of epsilon were enough.
        reached: distance from the person that a held-out surrogate sees, 1 at its threshold.
        found: the perturbation that later frames go on from; None where it was carried.
        state: what the method carries besides.

    """

    kind: Kind
    steps: int
    spared: bool
    reached: float
    found: Found | None = None
    state: State = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Key:
    """A key frame: what later frames are compared with.

    Attributes:
        problem: the face, under the budget that it got.
        stop: the surrogate that is asked.
        face: where the face was.
        look: what it looked like.
        reached: distance reached there.
        index: number of the frame.

    """

    problem: Problem
    stop: EarlyStop
    face: Face
    look: Tensor
    reached: float
    index: int


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A face in a frame.

    Attributes:
        index: number of the frame.
        pixels: (H, W, 3) uint8 RGB.
        face: where.
        fresh: whether it was not there in the frame before, or this is another shot.
        grey: whether the frame has no colour.

    """

    index: int
    pixels: NDArray[np.uint8]
    face: Face
    fresh: bool
    grey: bool = False


class Carrier:
    """Protects one person's face, frame after frame.

    Args:
        settings: how.
        surrogates: recognizers with gradients.

    """

    def __init__(self, settings: Settings, surrogates: Sequence[Recognizer]) -> None:
        self._settings = settings
        self._surrogates = surrogates
        self._held_out = held_out_of(settings)
        self._spared = spares(settings)
        self._method = build_method(settings, len(surrogates))
        self._key: _Key | None = None
        self._last: Found | None = None
        self._state: State = {}
        self._seen = torch.zeros(0)
        self._keys = 0

    def protect(self, view: View, known: Done | None = None) -> tuple[Done, Found]:
        """Protect the face in the next frame.

        Args:
            view: the face and the frame.
            known: what was done there by an earlier run that was interrupted.

        Returns:
            What was done, and the perturbation of this frame.

        """
        if known:
            return self._again(view, known)
        key = self._key
        if view.fresh:
            self._keys = 0
        if key is None or self._keys < _OPENING or changed(key.face, view.face):
            return self._new_key(view)
        problem = self._problem(view, like=key.problem)
        look = look_of(problem.canvas)
        if view.index - key.index >= _PAUSE and alike(look, key.look) < _TURNED:
            return self._new_key(view)
        begin = self._begin(problem)
        reached = key.stop.reached(problem, begin).item()
        # How near a target is says nobody here, so that is always gone on with.
        still = self._settings.goal == "dodge" and alike(look, self._seen) >= _STILL
        if still and reached >= _FADING * key.reached:
            done = Done(kind="carried", steps=0, spared=self._spared, reached=reached)
            return done, _only(problem, begin)
        done = self._refined(problem, begin, key)
        worn = done.reached < min(key.stop.distance, _WORN * key.reached)
        if worn and view.index - key.index >= _PATIENCE:
            again, found = self._new_key(view)
            return replace(again, steps=again.steps + done.steps), found
        return done, self._keep(problem, done)

    def _again(self, view: View, known: Done) -> tuple[Done, Found]:
        """What was done before, without optimising."""
        self._spared = known.spared
        if view.fresh:
            self._keys = 0
        if known.kind == "key":
            self._set_key(view, known)
        assert self._key is not None
        problem = self._problem(view, like=self._key.problem)
        if known.found is None:
            return known, _only(problem, self._begin(problem))
        return known, self._keep(problem, known)

    def _keep(self, problem: Problem, done: Done) -> Found:
        """Go on from what was found; the perturbation of this frame."""
        assert done.found is not None
        assert self._key is not None
        self._last, self._state = done.found, done.state
        self._seen = look_of(problem.canvas)
        # Refining may lead further than the key frame did; then that is what has to be kept.
        self._key = replace(self._key, reached=max(self._key.reached, done.reached))
        return replace(done.found, mask=problem.masks.cpu())

    def _begin(self, problem: Problem) -> Tensor:
        """What was found last, as far as this frame allows it."""
        assert self._last is not None
        return problem.project(packed(problem, [_resized(self._last, problem.size)]))

    def _problem(self, view: View, *, like: Problem | None = None) -> Problem:
        settings = spared(self._settings) if self._spared else self._settings
        return build_problem(
            [view.pixels],
            [view.face],
            settings,
            self._surrogates,
            grey=[view.grey],
            like=like,
            size=like.size if like else _size_for(view.face),
        )

    def _set_key(self, view: View, done: Done, problem: Problem | None = None) -> None:
        problem = problem or self._problem(view)
        self._keys += 1
        self._key = _Key(
            problem=problem,
            stop=self._stop(problem),
            face=view.face,
            look=look_of(problem.canvas),
            reached=done.reached,
            index=view.index,
        )

    def _stop(self, problem: Problem) -> EarlyStop:
        if self._held_out:
            stop = early_stop(problem, self._held_out, self._settings)
        else:
            stop = EarlyStop(held_out=Ensemble(self._surrogates[:1]), own=problem.own[:1])
        return replace(stop, distance=_ENOUGH)

    def _new_key(self, view: View) -> tuple[Done, Found]:
        """Full effort: three quarters of epsilon first, all of it if that is not enough."""
        problem = self._problem(view)
        stop = self._stop(problem)
        begin = None if self._last is None or view.fresh else self._begin(problem)
        before = self._state if begin is not None else {}
        # Only who names held-out recognizers wants less than the preset's effort.
        early = stop if self._settings.held_out else None
        answer, state, steps = _run(self._method, problem, begin, before, early)
        found = _stored(_only(problem, answer))
        reached = stop.reached(problem, packed(problem, [found])).item()
        if self._spared and reached < stop.distance:
            self._spared = False
            problem = self._problem(view, like=problem)
            method = replace(
                self._method,
                steps=PRESETS[self._settings.preset].more,
                seed=self._settings.seed + 1,
            )
            answer, state, more = _run(method, problem, packed(problem, [found]), state, early)
            found, steps = _stored(_only(problem, answer)), steps + more
            reached = stop.reached(problem, packed(problem, [found])).item()
        done = Done(
            kind="key", steps=steps, spared=self._spared, reached=reached, found=found, state=state
        )
        self._set_key(view, done, problem)
        return done, self._keep(problem, done)

    def _refined(self, problem: Problem, begin: Tensor, key: _Key) -> Done:
        """A few gentle steps on."""
        method = _gentle(self._method, problem)
        answer, state, steps = _run(method, problem, begin, self._state, None)
        answer = problem.project(_limited(begin, answer))
        found = _stored(_only(problem, answer))
        return Done(
            kind="refined",
            steps=steps,
            spared=self._spared,
            reached=key.stop.reached(problem, packed(problem, [found])).item(),
            found=found,
            state=state,
        )


def _run(
    method: IterativeMethod,
    problem: Problem,
    begin: Tensor | None,
    state: State,
    stop: EarlyStop | None,
) -> tuple[Tensor, State, int]:
    """The answer, what the method carries on, and the steps it took."""
    if isinstance(method, Follower):
        answer, state = method.follow(problem, begin=begin, state=state)
        return answer, state, method.steps
    steps = 0

    def count(done: int, _: int) -> None:
        nonlocal steps
        steps = done

    answer = method.run(problem, begin=begin, stop=stop, progress=count)
    return answer, {}, steps


def _gentle(method: IterativeMethod, problem: Problem) -> IterativeMethod:
    """The method with few of its steps, and smaller ones."""
    return replace(
        method,
        steps=max(1, round(_SHARE * method.steps)),
        step_size=_GENTLE * method.step_of(problem),
    )


def _limited(begin: Tensor, answer: Tensor) -> Tensor:
    """An answer that has not gone further from where it began than is unseen."""
    change = answer - begin
    size = float(begin.norm()) * _DRIFT / max(float(change.norm()), 1e-9)
    return begin + change * min(1.0, size)


def _only(problem: Problem, answer: Tensor) -> Found:
    (found,) = unpacked(problem, answer)
    return found


def _stored(found: Found) -> Found:
    """What an interrupted run would find again: with 16 bits."""
    flow = None if found.flow is None else found.flow.half().float()
    return replace(found, flow=flow, delta=found.delta.half().float())


def _size_for(face: Face) -> int:
    """Side of a perturbation, in pixels, that is still seen when the face moves by half a pixel."""
    return max(_SMALLEST, min(FRAME_SIZE, round(_FINENESS * face.frame_side)))


def _resized(found: Found, size: int) -> Found:
    """A perturbation at another resolution of the frame."""
    if found.delta.shape[-1] == size:
        return found
    return replace(
        found, delta=F.interpolate(found.delta, (size, size), mode="bilinear", antialias=True)
    )
