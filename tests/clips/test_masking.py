"""Personal masks in clips: one member all the way through, on the owner alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bauta.clips import WornClip, mask_video, masking
from bauta.errors import NoFaceError, OutputExistsError, UsageError
from bauta.faces.face import Face
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import embed_owner
from bauta.media.video import read_video
from bauta.recognizers.base import Recognizer
from tests.clips.make import empty, glide, save
from tests.masks.make import noise_mask

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def mask(collins: Pixels, collins_face: Face, recognizer: Recognizer) -> PersonalMask:
    plain = noise_mask(members=3, move=0.006)
    owner = embed_owner([collins], [collins_face], [recognizer])
    return PersonalMask(facts=plain.facts, deltas=plain.deltas, flows=plain.flows, owner=owner)


@pytest.fixture(scope="module")
def shots(collins: Pixels, hopper: Pixels) -> list[Pixels]:
    """The owner, a stranger, nobody, and the owner again."""
    other = glide(hopper, 3, start=(40, 60))
    return [*glide(collins, 4), *other, *empty(2), *glide(collins, 3, start=(44, 10))]


def changes(worn: WornClip) -> list[float]:
    """Mean change of each frame, in grey levels."""
    with read_video(worn.source) as before, read_video(worn.written) as after:
        return [
            float(np.abs(a.pixels.astype(int) - b.pixels).mean())
            for a, b in zip(before, after, strict=True)
        ]


def test_the_owner_alone_wears_it(
    mask: PersonalMask, shots: list[Pixels], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    members = []
    real = masking.put_on

    def spy(*args: object, member: int, **given: object) -> Pixels:
        members.append(member)
        return real(*args, member=member, **given)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(masking, "put_on", spy)
    worn = mask_video(mask, save(tmp_path / "me.mp4", shots), crf=1)
    assert worn.written == tmp_path / "me-masked.mp4"
    assert (worn.frames, worn.masked, worn.faces, worn.chosen) == (12, 7, 2, (1,))
    assert len(set(members)) == 1
    change = changes(worn)
    wearing, others = change[:4] + change[9:], change[4:9]
    assert min(wearing) > 1.5 * max(others)
    assert worn.to_json()["chosen"] == [1]


def test_single_looks_are_outvoted(
    mask: PersonalMask, collins: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    looks = iter([-0.1, 0.2, 0.3])
    monkeypatch.setattr(masking, "likeness", lambda *_: [next(looks)])
    worn = mask_video(mask, save(tmp_path / "me.mp4", glide(collins, 14)))
    assert worn.masked == 14
    assert next(looks, None) is None


def test_faces_may_be_named(mask: PersonalMask, shots: list[Pixels], tmp_path: Path):
    clip = save(tmp_path / "me.mp4", shots[3:6])
    worn = mask_video(mask, clip, tmp_path / "two.mp4", faces="2")
    assert (worn.masked, worn.chosen) == (2, (2,))
    assert mask_video(mask, clip, tmp_path / "all.mp4", faces="all").chosen == (1, 2)
    with pytest.raises(UsageError, match="there is no face number 3: the video has 2"):
        mask_video(mask, clip, faces="3")
    with pytest.raises(OutputExistsError):
        mask_video(mask, clip, tmp_path / "two.mp4")


def test_a_stranger_gets_no_mask(mask: PersonalMask, shots: list[Pixels], tmp_path: Path):
    clip = save(tmp_path / "other.mp4", shots[4:7])
    with pytest.raises(NoFaceError, match="looks like the owner"):
        mask_video(mask, clip)
    room = save(tmp_path / "room.mp4", shots[7:9])
    with pytest.raises(NoFaceError, match="no face was found"):
        mask_video(mask, room)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.mp4", "room.mp4"]
