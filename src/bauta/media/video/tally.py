"""What one pass over a video has met: how much there was, and what was damaged."""

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass
class Tally:
    """Counts of one pass, from the first packet to the last.

    Attributes:
        frames: pictures that were read.
        lost: packets that no picture could be made of.
        damaged: pictures with decoding errors in them.
        mended: timestamps that were missing, or not later than the one before.
        broken: whether the file could not be read on, or ends earlier than it says.
        missing: pictures that the index of the file lists, but that did not come.
        end: when the last packet of any track ends, in seconds.

    """

    frames: int = 0
    lost: int = 0
    damaged: int = 0
    mended: int = 0
    broken: bool = False
    missing: int = 0
    end: Fraction = field(default_factory=Fraction)

    def words(self) -> list[str]:
        """Say in plain words what was wrong; empty for a sound video."""
        found = []
        if self.missing:
            found.append(f"the file ends early: {self.missing} pictures that it lists are missing")
        elif self.broken:
            found.append("the file ends early: what is there was read")
        if self.lost:
            found.append(f"{self.lost} pictures are too damaged to be read, and left out")
        if self.damaged:
            found.append(f"{self.damaged} pictures are damaged, and shown as far as they go")
        if self.mended:
            found.append(f"{self.mended} timestamps were missing or ran backwards")
        return found
