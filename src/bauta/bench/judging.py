"""What a judge says of protected people, person by person, in the scenarios of the design.

A: protected probe, clean gallery. B: clean probe, and of each person only the protected second
photo in the gallery. C: both protected, the gallery of B. D: one to one, the protected probe beside
the clean second photo, and beside the other photos of targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bauta.audit.protocols import first_ranks, pair_similarities, ranked
from bauta.recognizers.base import similarity_matrix

Embeddings = NDArray[np.floating]
#: Scenario to what was measured to one value per person.
Outcome = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shelf:
    """A judge's clean embeddings.

    Attributes:
        people: N protected people.
        probes: (N, D) their clean probes.
        seconds: (N, D) their clean second photos.
        gallery: (M, D) everybody's photos but the probes.
        owners: the M people in the gallery.
        targets: people to be taken for.

    """

    people: Sequence[str]
    probes: Embeddings
    seconds: Embeddings
    gallery: Embeddings
    owners: Sequence[str]
    targets: Sequence[str]


def judged(shelf: Shelf, probes: Embeddings, seconds: Embeddings | None = None) -> Outcome:
    """Outcomes of all scenarios that the protected photos allow.

    Args:
        shelf: clean embeddings.
        probes: (N, D) protected probes.
        seconds: (N, D) protected second photos; None leaves out B and C.

    """
    out: Outcome = {"A": _identified(shelf, probes, shelf.gallery, shelf.owners)}
    if seconds is not None:
        others = ~np.isin(shelf.owners, list(shelf.people))
        gallery = np.concatenate([shelf.gallery[others], seconds])
        owners = [*np.asarray(shelf.owners)[others].tolist(), *shelf.people]
        out["B"] = _identified(shelf, shelf.probes, gallery, owners)
        out["C"] = _identified(shelf, probes, gallery, owners)
    out["D"] = _verified(shelf, probes)
    return out


def _identified(
    shelf: Shelf, probes: Embeddings, gallery: Embeddings, owners: Sequence[str]
) -> dict[str, list[float]]:
    rows = ranked(probes, gallery, owners)
    return {
        "own_rank": first_ranks(rows, [[who] for who in shelf.people]).tolist(),
        "target_rank": first_ranks(rows, [shelf.targets] * len(shelf.people)).tolist(),
    }


def _verified(shelf: Shelf, probes: Embeddings) -> dict[str, list[float]]:
    targets = np.isin(shelf.owners, list(shelf.targets))
    to_targets = similarity_matrix(probes, shelf.gallery[targets])
    # Without targets nobody can be taken for one.
    best = to_targets.max(axis=1, initial=-1.0)
    return {
        "own_similarity": np.round(pair_similarities(probes, shelf.seconds), 5).tolist(),
        "target_similarity": np.round(best, 5).tolist(),
    }
