"""``bauta protect`` and ``bauta mask apply`` with videos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import Result

from bauta.faces.face import Face
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import embed_owner
from bauta.recognizers.zoo import get_surrogate
from tests.clips.make import empty, glide, save
from tests.masks.make import noise_mask

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
Pixels = NDArray[np.uint8]
QUICK = ("--preset", "fast", "--surrogate", "tight-ms1m", "--judge", "tight-judge")


@pytest.fixture
def clip(collins: Pixels, folder: Path) -> Path:
    del folder
    return save(Path("me.mp4"), glide(collins, 4))


def test_a_video_is_protected_and_told_about(bauta: Run, clip: Path) -> None:
    result = bauta("protect", clip, *QUICK, "--report", "proof")
    assert result.exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == [
        "me-protected.mp4", "me.mp4", "proof.html", "proof.json",
    ]  # fmt: skip
    assert "me-protected.mp4: " in result.stdout
    assert "tight-judge" in result.stdout
    assert "faces in 4 of 4 frames; 21 gradient steps instead of 28 frame by frame" in result.stdout
    assert "worst at " in result.stdout
    assert result.stderr.strip() == "report: proof.json, proof.html"
    written = json.loads(Path("proof.json").read_text())
    assert written["videos"][0]["protected"] == "me-protected.mp4"
    page = Path("proof.html").read_text()
    assert "tight-judge" in page
    assert "http" not in page.replace("http-equiv", "")


def test_photos_and_videos_go_together(
    bauta: Run, parsed: Parse, clip: Path, portrait: Path
) -> None:
    result = bauta("protect", ".", "-o", "out", *QUICK, "--json", "--report", "proof.json")
    assert result.exit_code == 0
    data = parsed(result)
    assert [one["protected"] for one in data["photos"]] == [str(Path("out") / portrait)]
    assert [one["protected"] for one in data["videos"]] == [str(Path("out") / clip)]
    assert data["failures"] == []
    proof = json.loads(Path("proof.json").read_text())
    assert (proof["photos"], proof["videos"]) == (data["photos"], data["videos"])
    again = bauta("protect", ".", "-o", "out", *QUICK, "--json")
    assert again.exit_code == 0
    assert parsed(again)["planned"] == {"done": 2}


def test_what_videos_do_not_take_is_said(bauta: Run, clip: Path, portrait: Path) -> None:
    largest = bauta("protect", clip, *QUICK, "--faces", "largest")
    assert largest.exit_code == 2
    assert "in videos --faces takes all" in largest.stderr
    other = bauta("protect", clip, *QUICK, "--other", portrait)
    assert other.exit_code == 2
    assert "--other is for photos" in other.stderr
    room = save(Path("room.mp4"), empty(2))
    nobody = bauta("protect", room, *QUICK)
    assert nobody.exit_code == 1
    assert "no face was found in its 2 frames" in nobody.stderr


def test_ctrl_c_says_how_to_go_on(bauta: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bauta.clips.protecting.VideoWriter.write", stop)
        result = bauta("protect", clip, *QUICK)
    assert result.exit_code != 0
    assert "the same command goes on from here" in result.stderr
    assert not Path("me-protected.mp4").exists()
    assert bauta("protect", clip, *QUICK).exit_code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["me-protected.mp4", "me.mp4"]


def test_a_mask_is_put_on_a_video(
    bauta: Run, parsed: Parse, clip: Path, collins: Pixels, collins_face: Face
) -> None:
    plain = noise_mask(members=2)
    owner = embed_owner([collins], [collins_face], [get_surrogate("tight-ms1m")])
    mask = PersonalMask(facts=plain.facts, deltas=plain.deltas, owner=owner)
    Path("me.mask").write_bytes(mask.to_bytes())
    result = bauta("mask", "apply", "me.mask", clip)
    assert result.exit_code == 0
    assert "me-masked.mp4: face 1 of 1 masked, in 4 of 4 frames" in result.stdout
    data = parsed(bauta("mask", "apply", "me.mask", clip, "--overwrite", "--json"))
    assert data["photos"] == []
    assert data["videos"][0]["masked"] == 4
    refused = bauta("mask", "apply", "me.mask", clip, "--lossless", "--overwrite")
    assert refused.exit_code == 2
    assert "photos only" in refused.stderr
