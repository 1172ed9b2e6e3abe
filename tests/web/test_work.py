"""What is done for the page: its words about what went wrong name no option of the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bauta.errors import BautaError
from bauta.settings import Settings
from bauta.watermarking import make_key
from bauta.web.work import Ask, Hide, Trace, Wear, do
from tests.masks.make import noise_mask


@pytest.fixture
def failing(tmp_path: Path, collins_path: Path) -> dict[str, Ask]:
    """Asks that cannot be done, by the words that say why."""
    empty, mask, key = tmp_path / "wall.png", tmp_path / "me.mask", tmp_path / "my.key"
    Image.fromarray(np.full((256, 256, 3), 128, np.uint8)).save(empty)
    mask.write_bytes(replace(noise_mask(members=1, move=0.0), owner={}).to_bytes())
    make_key(key)
    return {
        "no face was found": Hide(photo=empty, folder=tmp_path, settings=Settings(preset="fast")),
        "who its owner is": Wear(photo=collins_path, folder=tmp_path, key=mask),
        "no face was found, so": Wear(photo=empty, folder=tmp_path, key=mask),
        "may have been given out": Trace(photo=collins_path, keys=[key], passphrases=[None]),
    }


def test_options_are_told_on_the_command_line_alone(failing: dict[str, Ask]) -> None:
    for words, ask in failing.items():
        answer = do(ask)
        assert words in answer.error
        assert "--" not in answer.error
        with pytest.raises(BautaError, match="--") as told:
            ask.run(lambda _share: None)
        assert str(told.value).startswith(answer.error)
