"""What a trace answers, given what was read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bauta.faces.face import Face
from bauta.watermark.codes import code_word
from bauta.watermark.reading import Reading
from bauta.watermarking import known_words, make_key, own_key, traced_face

FACE = Face(box=(0, 0, 9, 9), landmarks=np.zeros((5, 2), dtype=np.float32), score=1.0)


@pytest.mark.parametrize(
    ("wrong", "certainty", "answer"),
    [
        (0, 9.0, "yours"),
        (6, 9.0, "yours"),
        # A sure answer does not ask how loud the mark is.
        (6, 0.1, "yours"),
        # Likely one's own, but not surely: nobody else's either.
        (10, 9.0, "unreadable"),
        (14, 9.0, "unreadable"),
        (32, 9.0, "not yours"),
        (32, 0.1, "unreadable"),
    ],
)
def test_answers(tmp_path: Path, wrong: int, certainty: float, answer: str) -> None:
    make_key(tmp_path / "my.key")
    mine = own_key(tmp_path / "my.key")
    bits = code_word(mine.key, "me").copy()
    bits[np.random.default_rng(0).permutation(64)[:wrong]] ^= True
    read = Reading(logits=certainty * np.where(bits, 1, -1)[None].astype(np.float32))
    known = known_words([mine], ["me"])
    told = traced_face(1, FACE, read, known, loud=3.0, tries=1)
    assert told.answer == answer
    assert told.identifier == ("me" if answer == "yours" else "")
    assert (told.agreeing == 64 - wrong) is (answer == "yours")
