"""The last layer of a network that starts from another's weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.recognizers.base import Crop
from bauta.recognizers.networks.blocks import FaceNetwork
from bauta.training.augment import plain_crop
from bauta.training.faceset import FaceSet
from bauta.training.teachers import to_tensor

#: Faces that the last layer is fitted on.
_FACES = 4096
_BATCH = 128
#: Ridge, as a share of the features' mean square.
_RIDGE = 0.03


@torch.no_grad()
def fit_last_layer(
    network: FaceNetwork, faces: FaceSet, targets: NDArray[np.float32], crop: Crop, seed: int
) -> None:
    """Fit the last layer to the teachers by least squares, so that training starts near them.

    The other layers know faces already; a random last layer would spoil them first.

    Args:
        network: a network that has started from another's weights.
        faces: N faces.
        targets: (N, D) the teachers' embeddings.
        crop: what the network looks at.
        seed: seed of the choice of faces.

    """
    count = min(len(faces), _FACES)
    which = np.sort(np.random.default_rng(seed).permutation(len(faces))[:count])
    parts = [
        network.features(plain_crop(to_tensor(faces.take(some)), crop))
        for some in np.array_split(which, max(1, count // _BATCH))
    ]
    weight, bias = _ridge(torch.cat(parts).double(), torch.from_numpy(targets[which]).double())
    network.output_layer.weight.copy_(weight)
    network.output_layer.bias.copy_(bias)


def _ridge(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(D, C) weight and (D,) bias that map (N, C) features to (N, D) targets."""
    mean, middle = features.mean(dim=0), targets.mean(dim=0)
    x, y = features - mean, targets - middle
    gram = x.T @ x
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, x.T @ y).T
    return weight, middle - weight @ mean
