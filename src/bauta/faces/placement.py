"""Where the parts of a mean face lie on a face: masks follow brows, nose and mouth.

The frame puts eyes where eyes are. When a head turns, nods or speaks, the rest lies elsewhere: by
up to a tenth of the distance between the eyes, which is more than masks may move pixels. A thin
plate spline through points of the mesh tells each pixel of the frame which one of a mean face's
frame it is.

Source of the spline: F. L. Bookstein, "Principal Warps", TPAMI 1989.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.faces.frame import Canvas
from bauta.faces.mesh import find_mesh, mean_mesh

#: Points of the grid that a placement is stored on, along each side of the frame.
PLACES = 32
#: Brows, nose, eyes and lips in the mesh, of which outlines are seen. Jaw and cheeks are where the
#: face ends as seen from the camera, not the same places on all photos: with them masks hide less.
# fmt: off
_POINTS = (
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)
# fmt: on
#: Points on each side of the frame that stay.
_FIXED = 6
#: How far the spline may miss its points, for the sake of smoothness.
_SLACK = 1e-3
#: No pixel is placed further away than this, in sides of the frame.
_FARTHEST = 0.1
#: Rounds in which an inverse is found; each leaves a fifth or less of what was off.
_ROUNDS = 4
#: Probability from which there is a face that can be followed.
_LIKELY = 0.5


def placements(canvas: Canvas) -> Tensor:
    """How a mean face's frame has to be bent to lie on each face.

    Args:
        canvas: B faces.

    Returns:
        (B, 2, P, P) displacements (x, y) in sides of the frame, from each place on the face to
        the same one on a mean face. None where no mesh is found.

    """
    points, presence = find_mesh(canvas)
    return to_mean(points) * (presence > _LIKELY).to(points).view(-1, 1, 1, 1)


def to_mean(points: Tensor) -> Tensor:
    """Where each place of a face lies on a mean one.

    Args:
        points: (B, 468, 2) meshes in unit frame coordinates.

    Returns:
        (B, 2, P, P) displacements (x, y) in sides of the frame.

    """
    chosen = torch.tensor(_POINTS, device=points.device)
    moves = _spline(points[:, chosen].double(), mean_mesh().to(points)[chosen].double())
    return moves.clamp(-_FARTHEST, _FARTHEST).to(points)


def placed(fields: Tensor, places: Tensor) -> Tensor:
    """Put what is meant for a mean face on faces. Differentiable.

    Args:
        fields: (B or 1, C, S, S) in a mean face's frame.
        places: (B, 2, P, P) of :func:`placements`.

    Returns:
        (B, C, S, S) in each face's own frame.

    """
    size = fields.shape[-1]
    moves = F.interpolate(places, (size, size), mode="bicubic", align_corners=False)
    return _moved(fields, moves, "bilinear")


def placed_flows(flows: Tensor, places: Tensor) -> Tensor:
    """Put displacements that are meant for a mean face on faces. Differentiable.

    Args:
        flows: (B or 1, 2, G, G) displacements in a mean face's frame.
        places: (B, 2, P, P) of :func:`placements`.

    Returns:
        (B, 2, P, P) displacements in each face's own frame.

    """
    return _moved(flows, places, "bicubic")


def inverse(moves: Tensor) -> Tensor:
    """Displacements that undo others.

    Args:
        moves: (B, 2, S, S) displacements (x, y) in sides of the frame, less steep than 1.

    Returns:
        (B, 2, S, S).

    """
    back = torch.zeros_like(moves)
    for _ in range(_ROUNDS):
        back = -_moved(moves, back, "bilinear")
    return back


def _moved(fields: Tensor, moves: Tensor, mode: str) -> Tensor:
    grid = 2 * (_centres(moves.shape[-1], moves) + moves.permute(0, 2, 3, 1)) - 1
    fields = fields.expand(len(moves), -1, -1, -1)
    moved: Tensor = F.grid_sample(
        fields, grid, mode=mode, padding_mode="border", align_corners=False
    )
    return moved


def _spline(source: Tensor, target: Tensor) -> Tensor:
    """(B, 2, P, P) displacements of the spline from (B, N, 2) points to (N, 2) ones."""
    rim = _rim(source)
    known = torch.cat([source, rim.expand(len(source), -1, -1)], dim=1)
    moves = torch.cat([target - source, torch.zeros_like(known[:, len(target) :])], dim=1)
    count = known.shape[1]
    system = known.new_zeros(len(known), count + 3, count + 3)
    system[:, :count, :count] = _bending(known, known) + _SLACK * torch.eye(count).to(known)
    system[:, :count, count] = system[:, count, :count] = 1
    system[:, :count, count + 1 :] = known
    system[:, count + 1 :, :count] = known.transpose(1, 2)
    weights: Tensor = torch.linalg.solve(system, F.pad(moves, (0, 0, 0, 3)))
    here = _centres(PLACES, source).reshape(1, -1, 2)
    plain = torch.cat([torch.ones_like(here[..., :1]), here], dim=-1)
    bent = _bending(here, known) @ weights[:, :count] + plain @ weights[:, count:]
    return bent.transpose(1, 2).reshape(-1, 2, PLACES, PLACES)


def _bending(a: Tensor, b: Tensor) -> Tensor:
    """(B, N, M) r^2 log r^2 of the distances between (B, N, 2) and (B, M, 2) points."""
    squares = (a[:, :, None] - b[:, None]).square().sum(dim=-1)
    bending: Tensor = squares * squares.clamp_min(1e-12).log()
    return bending


def _rim(like: Tensor) -> Tensor:
    """(1, 4 F - 4, 2) points on the frame's rim."""
    line = torch.linspace(0, 1, _FIXED).to(like)
    square = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2)
    return square[((square == 0) | (square == 1)).any(dim=1)][None]


def _centres(size: int, like: Tensor) -> Tensor:
    """(1, S, S, 2) centres of a frame's pixels in unit frame coordinates."""
    line = ((torch.arange(size) + 0.5) / size).to(like)
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)[None]
