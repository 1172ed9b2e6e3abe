"""What every format offers to the reader and the writer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from bauta.media.raster import Raster


@dataclass(frozen=True, eq=False, kw_only=True)
class Source(ABC):
    """The file that a photo came from: its samples and all that is needed to write its like."""

    raster: Raster
    orientation: int = 1
    """EXIF orientation, 1 to 8, of the stored samples."""

    output_format: ClassVar[str]
    """The format that :meth:`encode` makes."""

    @property
    def copies(self) -> bool:
        """Whether ``encode(None, ...)`` can take over the compressed picture unchanged."""
        return False

    @abstractmethod
    def encode(self, raster: Raster | None, *, keep: bool) -> bytes:
        """Return a whole file with the samples of ``raster``.

        ``raster`` None means the picture did not change (only where :attr:`copies` is true).
        ``keep`` keeps all metadata that can be kept; else only what displays the picture.
        """

    @abstractmethod
    def findings(self) -> list[str]:
        """Name in plain words the private items that the file contains."""
