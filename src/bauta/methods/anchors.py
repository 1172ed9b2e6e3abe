"""Anchors: a face of nobody that is like somebody, and one that is as unlike them as any.

A hundred identities, each a group of about twenty people averaged and stretched to the deviation
that a person has; the same row is the same group for every recognizer. How they were made:
``benchmarks/make_gallery.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from bauta.engine.ensemble import Ensemble
from bauta.weights.states import packaged_tensors


@cache
def _tables() -> dict[str, Tensor]:
    return {name: table.float() for name, table in packaged_tensors("gallery").items()}


def nearest_and_farthest(
    ensemble: Ensemble, own: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The nearest of the gallery's identities to a person, and the farthest.

    Args:
        ensemble: the surrogates, which choose together.
        own: per surrogate, (B, D) embeddings of the person, whose mean counts.

    Returns:
        Per surrogate, (1, D) embeddings of the one identity and of the other; two empty lists if
        the gallery lacks a surrogate, as it does all that users add.

    """
    if any(member.name not in _tables() for member in ensemble.members):
        return [], []
    found = [_tables()[member.name] for member in ensemble.members]
    tables = [table.to(rows) for table, rows in zip(found, own, strict=True)]
    rows = zip(tables, own, ensemble.scales, ensemble.shares, strict=True)
    away = torch.stack(
        [share * (t - o.mean(dim=0)).square().sum(-1) / scale for t, o, scale, share in rows]
    ).sum(dim=0)
    near, far = int(away.argmin()), int(away.argmax())
    return [t[near : near + 1] for t in tables], [t[far : far + 1] for t in tables]
