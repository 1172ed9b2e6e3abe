"""What is in faces before they are marked: perturbations that hide them already.

A photo is refined by hiding the face first and marking it then (bauta.methods.dpg). What hides it
is noise to the message, of the same strength and where the message is, so it has to be met in
training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor

from bauta.engine.budgets import Perceptual
from bauta.engine.ensemble import Ensemble, native_bf16
from bauta.engine.goals import Dodge
from bauta.engine.loop import IterativeMethod
from bauta.engine.problem import Problem, own_embeddings
from bauta.engine.transforms import NONE
from bauta.recognizers.base import Recognizer
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor
from bauta.watermark.marking import at_network_size, framed, mean_masks

_BATCH, _STEPS = 16, 12


def hiding_perturbations(
    faces: FaceSet,
    surrogates: Sequence[Recognizer],
    epsilon: float,
    count: int,
    seed: int,
    device: torch.device,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """(N, 3, 128, 128) perturbations in grey levels, each of another face.

    Args:
        faces: whose.
        surrogates: from whom they hide.
        epsilon: size of the change, in grey levels, weighed by what the eye notices.
        count: how many.
        seed: of the choice of faces, and of the steps.
        device: where to compute.
        progress: told the faces done and in all.

    """
    which = np.random.default_rng(seed).permutation(len(faces))[:count]
    out = []
    for start in range(0, len(which), _BATCH):
        frames = at_network_size(to_tensor(faces.take(which[start : start + _BATCH])).to(device))
        problem = _problem(frames, surrogates, epsilon)
        answer = IterativeMethod(steps=_STEPS, seed=seed).run(problem)
        head, _ = mean_masks()
        out.append((answer * head.to(answer)).cpu())
        if progress:
            progress(min(start + _BATCH, len(which)), len(which))
    return torch.cat(out)


def hosts(frames: Tensor, perturbations: Tensor, share: float, generator: Generator) -> Tensor:
    """Faces, a share of which somebody has hidden before.

    Args:
        frames: (B, 3, 128, 128) RGB 0-255.
        perturbations: (N, 3, 128, 128) in grey levels.
        share: how many get one, as strong as it is or less.
        generator: where randomness comes from.

    """
    count = round(share * len(frames))
    if not count:
        return frames
    which = torch.randint(0, len(perturbations), (count,), generator=generator)
    strength = torch.rand(count, 1, 1, 1, generator=generator).sqrt()
    mirrored = torch.rand(count, generator=generator) < 0.5
    added = perturbations[which]
    added = torch.where(mirrored.view(-1, 1, 1, 1), added.flip(3), added) * strength
    changed = (frames[:count] + added.to(frames)).clamp(0, 255)
    return torch.cat([changed, frames[count:]])


def _problem(frames: Tensor, surrogates: Sequence[Recognizer], epsilon: float) -> Problem:
    canvas = framed(frames)
    team = Ensemble(surrogates, bf16=native_bf16(str(frames.device)))
    head, oval = (mask.to(frames).expand(len(frames), -1, -1, -1) for mask in mean_masks())
    return Problem(
        canvas=canvas, masks=head, faces=oval, ensemble=team, goal=Dodge(),
        budget=Perceptual(epsilon),
        own=own_embeddings(canvas, team, NONE, 0, torch.Generator()), targets=(),
        grey=torch.zeros(len(frames), dtype=torch.bool, device=frames.device),
    )  # fmt: skip
