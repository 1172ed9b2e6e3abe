"""Seeds made of several numbers."""

from __future__ import annotations

import numpy as np


def seed_of(*parts: int) -> int:
    """A seed for a generator of torch: other parts make another."""
    words = np.random.SeedSequence(parts).generate_state(2, dtype=np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1
