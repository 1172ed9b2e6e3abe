"""How well a masked network tells people apart whom it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from bauta.masking.mixing import Blend, draw_blend
from bauta.private.defences import Publisher
from bauta.recognizers.base import Crop
from bauta.recognizers.evaluate import Pair, fold_accuracies, threshold_at
from bauta.recognizers.networks.masked import MaskedNetwork
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.pairs import pair_similarities
from bauta.training.teachers import to_tensor

#: Told what is being done, the faces done and in all.
Progress = Callable[[str, int, int], None]

_BATCH = 128


def check(
    network: MaskedNetwork,
    publisher: Publisher,
    crop: Crop,
    faces: FaceSet,
    pairs: Sequence[Pair],
    seed: int,
    *,
    decoys: int = 0,
    progress: Progress | None = None,
) -> Mapping[str, float]:
    """Accuracy, half its 95 % interval over folds, and TAR at FAR 1 % and 0.1 %, on pairs.

    Args:
        network: the network.
        publisher: its defence.
        crop: what is shown of a face.
        faces: whom to tell apart.
        pairs: pairs of their photos.
        seed: of what a defence draws.
        decoys: strangers that each face is mixed with before it is shown.
        progress: told how far it is.

    """
    embeddings = embed(network, publisher, crop, faces, seed, decoys=decoys, progress=progress)
    similarities, same, folds = pair_similarities(embeddings, faces, pairs)
    parts = fold_accuracies(similarities, same, folds)
    out = {
        "accuracy": float(parts.mean()),
        "error": float(1.96 * parts.std(ddof=1) / np.sqrt(len(parts))),
    }
    for name, far in (("tar_far_1", 0.01), ("tar_far_01", 0.001)):
        if int(far * (~same).sum()) >= 1:
            out[name] = threshold_at(far, similarities, same, "", "").tar
    return out


@torch.no_grad()
def embed(
    network: MaskedNetwork,
    publisher: Publisher,
    crop: Crop,
    faces: FaceSet,
    seed: int,
    *,
    decoys: int = 0,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """(N, D) embeddings of unit length of faces that are shown one at a time, or with decoys.

    Arguments are those of :func:`check`. Decoys are others of the same faces, drawn from all.
    """
    network.eval()
    device = next(network.parameters()).device
    generator = Generator().manual_seed(seed)
    rows = []
    for start in range(0, len(faces), _BATCH):
        some = np.arange(start, min(start + _BATCH, len(faces)))
        shown = _shown(publisher, faces, some, crop, generator, device)
        if decoys:
            counts = torch.full((len(some),), decoys + 1, device=device)
            others = torch.randint(0, len(faces), (_BATCH,), generator=generator).numpy()
            strangers = _shown(publisher, faces, others, crop, generator, device)
            shown = _among(publisher, shown, strangers, draw_blend(counts, generator), generator)
        rows.append(F.normalize(network.of_masked(shown).float()).cpu().numpy())
        if progress:
            progress("looking at faces", int(some[-1]) + 1, len(faces))
    return np.concatenate(rows)


def _shown(
    publisher: Publisher,
    faces: FaceSet,
    which: NDArray[np.int64],
    crop: Crop,
    generator: Generator,
    device: torch.device,
) -> Tensor:
    crops = plain_crop(to_tensor(faces.take(which)).to(device), crop)
    return publisher.represent(crops, generator)


def _among(
    publisher: Publisher, shown: Tensor, strangers: Tensor, blend: Blend, generator: Generator
) -> Tensor:
    """Mix each face with strangers, as a blend has it with its own batch."""
    partners = blend.partners.clone()
    partners[:, 1:] = len(shown) + partners[:, 1:] % len(strangers)
    everybody = torch.cat([shown, strangers])
    empty = len(everybody) - len(shown)
    weights = torch.cat([blend.weights, blend.weights.new_zeros(empty, blend.weights.shape[1])])
    rows = torch.arange(len(shown), len(everybody), device=shown.device)[:, None]
    partners = torch.cat([partners, rows.expand(-1, partners.shape[1])])
    return publisher.published(everybody, Blend(partners, weights), generator)[: len(shown)]
