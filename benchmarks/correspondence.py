"""How well features find a place of one face in another, for makeup taken from a photo.

    python benchmarks/correspondence.py --lfw lfw --layers tight-ms1m

Points of one face's mesh are looked for in the other's regions by attention, as
`bauta.makeup.reference` does, and the distance to the same point of the other mesh is printed, in
percent of the frame's side. Features that know the mesh are judged by it, so they are favoured; the
others are what a recognizer sees, layer by layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from kornia.color import rgb_to_lab
from rich.progress import track
from torch import Tensor

from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.mesh import find_mesh
from bauta.makeup import reference
from bauta.makeup.areas import makeup_areas
from bauta.makeup.canvas import bare_areas
from bauta.media import read_photo
from bauta.recognizers.zoo import get_surrogate

REGIONS = ("lips", "lids", "skin")
#: Side of the crop that a recognizer is shown, and of the smallest maps that are looked at.
CROP, SMALLEST = 112, 14


@dataclass(frozen=True, eq=False)
class Shown:
    """A face in its frame, its mesh and its areas."""

    frame: Tensor
    mesh: Tensor
    areas: dict[str, Tensor]


def main() -> None:
    """Print one line per kind of features."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lfw", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--layers", action="append", default=[], metavar="RECOGNIZER")
    given = parser.parse_args()
    faces = list(some_faces(given.lfw, given.faces))
    print(f"{len(faces)} faces; features | " + " | ".join(REGIONS))
    say("what --reference uses", faces, [described(face) for face in faces])
    small = [F.adaptive_avg_pool2d(rgb_to_lab(face.frame / 255), reference._SIDE) for face in faces]
    say("light and shade alone", faces, [reference._shades(one) for one in small])
    for name in given.layers:
        for layer, maps in layers_of(name, faces).items():
            say(f"{name}, {layer}", faces, maps)


def some_faces(root: Path, count: int) -> Iterator[Shown]:
    """One face of people evenly spread over the alphabet."""
    people = sorted(path for path in root.iterdir() if path.is_dir())
    for person in track(people[:: len(people) // count][:count], "faces"):
        pixels = read_photo(sorted(person.glob("*.jpg"))[0]).pixels
        if found := find(pixels):
            canvas = cut_canvas([pixels], found[:1])
            mesh = find_mesh(canvas)[0][0]
            yield Shown(frames_of(canvas).clamp(0, 255), mesh, makeup_areas(mesh))


def described(face: Shown) -> Tensor:
    """(1, K, s, s) features as makeup from a photo uses them."""
    bare = bare_areas(face.frame, face.areas)
    return reference._described(face.frame, face.mesh, bare).features


@torch.no_grad()
def layers_of(name: str, faces: list[Shown]) -> dict[str, list[Tensor]]:
    """Maps of a recognizer's layers, each face's in turn."""
    network = get_surrogate(name).network
    found: dict[str, list[Tensor]] = {}

    def keep(layer: str, out: object) -> None:
        if isinstance(out, Tensor) and out.dim() == 4 and out.shape[-1] >= SMALLEST:
            found.setdefault(layer, []).append(out)

    for layer, module in network.named_modules():
        module.register_forward_hook(lambda _, __, out, layer=layer: keep(layer, out))
    for face in faces:
        network((F.adaptive_avg_pool2d(face.frame, CROP) - 127.5) / 128)
    return {layer: maps for layer, maps in found.items() if len(maps) == len(faces)}


def say(title: str, faces: list[Shown], maps: list[Tensor]) -> None:
    """Print how far off places are found."""
    far: dict[str, list[float]] = {name: [] for name in REGIONS}
    for (one, mine), (other, theirs) in permutations(zip(faces, maps, strict=True), 2):
        for name in REGIONS:
            if (miss := missed_by(one, mine, other, theirs, name)) is not None:
                far[name].append(miss)
    print(f"{title} | " + " | ".join(f"{100 * np.mean(far[name]):.1f}" for name in REGIONS))


def missed_by(one: Shown, mine: Tensor, other: Shown, theirs: Tensor, region: str) -> float | None:
    """Mean distance, in sides of the frame; None where either lacks the region."""
    side = theirs.shape[-1]
    inside = at(one.areas[region][None], one.mesh)[0] > 0.5
    there = F.adaptive_avg_pool2d(other.areas[region][None], side).flatten() > 0.3
    if not inside.any() or not there.any():
        return None
    queries = F.normalize(at(mine, one.mesh[inside]), dim=0)
    keys = F.normalize(theirs.flatten(2)[0], dim=0)[:, there]
    line = (torch.arange(side) + 0.5) / side
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).reshape(-1, 2)[there]
    found = (queries.T @ keys / reference._TEMPERATURE).softmax(dim=1) @ places
    return float((found - other.mesh[inside]).norm(dim=1).mean())


def at(maps: Tensor, points: Tensor) -> Tensor:
    """(K, N) values of (1, K, s, s) maps at (N, 2) places."""
    return F.grid_sample(maps, (2 * points - 1)[None, None], align_corners=False)[0, :, 0]


if __name__ == "__main__":
    main()
