"""A small world to train in: two real portraits, moved and lit in many ways, as four people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bauta.faces.face import Face
from bauta.training.faceset import FaceSet, cut_frame

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="session")
def album(collins: Pixels, hopper: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people of three photos each: both portraits, and both mirrored."""
    root = tmp_path_factory.mktemp("album")
    for name, pixels in (("Collins", collins), ("Hopper", hopper)):
        for mirrored in (False, True):
            folder = root / (name + ("_mirrored" if mirrored else ""))
            folder.mkdir()
            image = Image.fromarray(pixels).resize((256, 256 * pixels.shape[0] // pixels.shape[1]))
            image = ImageOps.mirror(image) if mirrored else image
            for index, gain in enumerate((0.8, 1.0, 1.2)):
                image.point(lambda v, g=gain: min(255, int(v * g))).save(folder / f"{index}.jpg")
    return root


@pytest.fixture(scope="session")
def little(collins: Pixels, collins_face: Face, hopper: Pixels, hopper_face: Face) -> FaceSet:
    """48 faces of six people: crops of two frames, cut, mirrored and tinted."""
    rng = np.random.default_rng(0)
    bases = [cut_frame(collins, collins_face), cut_frame(hopper, hopper_face)]
    frames, people = [], []
    for who in range(6):
        base = np.roll(bases[who % 2], 9 * (who // 2), axis=0).astype(float)
        base = base[:, ::-1] if who >= 4 else base
        for _ in range(8):
            noise = rng.normal(0, 6, base.shape) + rng.uniform(-15, 15)
            frames.append(np.clip(base + noise, 0, 255).astype(np.uint8))
            people.append(who)
    count = len(frames)
    return FaceSet(
        [np.stack(frames)],
        np.stack([np.zeros(count, dtype=np.int64), np.arange(count)], axis=1),
        [f"p{who}/{i}.jpg" for i, who in enumerate(people)],
        np.array(people),
        [f"p{who}" for who in range(6)],
        np.full((count, 3), -1),
    )
