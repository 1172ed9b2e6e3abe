"""Timing what is done, stage by stage."""

from __future__ import annotations

import time


class Clock:
    """Times stages that follow each other.

    Attributes:
        seconds: of each stage so far.

    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def stop(self, stage: str) -> None:
        """End a stage; the next begins."""
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._since, 4)
        self._since = now
