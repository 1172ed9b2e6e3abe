"""What accompanies a decoded picture: how it is turned, notes of the camera, and the like."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import av

# Signs of (a, b, c, d), where a player moves the sample (x, y) to (a x + c y, b x + d y).
_ORIENTATIONS = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip


def side_data(picture: "av.VideoFrame") -> dict[str, Any]:
    """Return FFmpeg's name of each kind of side data of ``picture``, with its buffer."""
    items: Any = picture.side_data  # a dictionary for the type checker only
    return {item.type.name: item for item in items}


def orientation_of(picture: "av.VideoFrame") -> int:
    """Return the orientation, 1 to 8 as in EXIF, that the container asks for.

    Angles between the quarter turns, which hardly a player heeds, count as none.
    """
    matrix = side_data(picture).get("DISPLAYMATRIX")
    if matrix is None:
        return 1
    a, b, _, c, d = np.sign(np.frombuffer(matrix, np.int32)[:5]).tolist()
    return _ORIENTATIONS.get((a, b, c, d), 1)
