"""What a watermark's networks do on people who are never trained on, by the frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bauta.engine.budgets import Perceptual
from bauta.engine.ensemble import Ensemble
from bauta.engine.transforms import NONE
from bauta.recognizers.base import Recognizer, similarity
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor
from bauta.watermark.codes import BITS
from bauta.watermark.distortions import compressed, realigned, shared
from bauta.watermark.marking import at_network_size, framed, marked_frames
from bauta.watermark.network import WatermarkNetworks

CHECKS = ("clean", "jpeg50", "shared", "psnr", "still_known")
_FACES = 96
#: Bits that have to agree (bauta.watermark.codes).
_ENOUGH = 58


@torch.no_grad()
def check(
    networks: WatermarkNetworks,
    faces: FaceSet,
    epsilon: float,
    surrogates: list[Recognizer],
    seed: int,
) -> dict[str, float]:
    """Shares of messages read, PSNR of frames in dB, and share of faces that are still known.

    The last is asked of the surrogates, so that it says how far learning has come, and nothing
    about strangers.
    """
    networks.eval()
    generator = torch.Generator().manual_seed(seed)
    which = np.random.default_rng(seed).permutation(len(faces))[:_FACES]
    device = next(networks.parameters()).device
    frames = at_network_size(to_tensor(faces.take(which)).to(device))
    bits = (2.0 * torch.randint(0, 2, (len(frames), BITS), generator=generator) - 1).to(device)
    canvas = framed(frames)
    marked, _ = marked_frames(networks.encoder, frames, bits, Perceptual(epsilon))
    marked = marked.round()
    changes = {
        "clean": realigned(marked, generator),
        "jpeg50": compressed(marked, 50),
        "shared": shared(marked, generator),
    }
    out = {name: _read(networks, seen, bits) for name, seen in changes.items()}
    error = (marked - frames).square().mean(dim=(1, 2, 3))
    out["psnr"] = float((10 * torch.log10(255**2 / error)).mean())
    if surrogates:
        known = []
        for member in surrogates:
            team = Ensemble([member])
            before, after = (
                team.embed(canvas, images, NONE, 1, generator)[0][:, 0]
                for images in (frames, marked)
            )
            known.append(similarity(before, after) >= member.threshold)
        out["still_known"] = float(torch.cat(known).float().mean())
    return out


def _read(networks: WatermarkNetworks, seen: Tensor, bits: Tensor) -> float:
    agreeing = ((networks.decoder(seen.round()) > 0) == (bits > 0)).sum(dim=1)
    return float((agreeing >= _ENOUGH).float().mean())
