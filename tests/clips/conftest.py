"""Fixtures of the clips' tests: frames that need no file, and quick settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.media.video import Frame
from bauta.recognizers.base import Recognizer
from bauta.recognizers.zoo import get_surrogate
from bauta.settings import Settings
from tests.clips.make import glide

Pixels = NDArray[np.uint8]


@pytest.fixture
def quick() -> Settings:
    """Settings with as little work as shows what happens."""
    return Settings(preset="fast", surrogates=("tight-ms1m",), judges=("tight-judge",))


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return get_surrogate("tight-ms1m")


@pytest.fixture(scope="session")
def gliding(collins: Pixels) -> list[Pixels]:
    """Twenty frames of one person."""
    return glide(collins, 20)


def as_frames(pictures: Iterable[Pixels]) -> Iterator[Frame]:
    """Pictures as a video yields them."""
    for index, pixels in enumerate(pictures):
        view = pixels.view()
        view.flags.writeable = False
        yield Frame(index, view, index, 1, Fraction(1, 30), None)
