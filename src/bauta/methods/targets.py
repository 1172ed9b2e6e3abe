"""The default targets of impersonation: ten identities that are nobody's.

Each is the mean embedding of a group of hundreds of people, so no real person is impersonated
unless the user names one. How they were made: ``benchmarks/make_targets.py``.
"""

from __future__ import annotations

from functools import cache

from torch import Tensor

from bauta.errors import UsageError
from bauta.weights.states import packaged_tensors


@cache
def _table() -> dict[str, Tensor]:
    return packaged_tensors("targets")


def default_targets(recognizer: str) -> Tensor:
    """(10, D) embeddings of identities that are nobody's.

    Raises:
        UsageError: there are none for this recognizer.

    """
    if recognizer not in _table():
        raise UsageError(
            f"there are no default targets for {recognizer}: give photos with --target"
        )
    return _table()[recognizer]
