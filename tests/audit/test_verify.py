"""verify(): its numbers are those of the files, and only who may decide decides."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bauta.audit.scores import FaceReport, Score
from bauta.audit.verify import verify
from bauta.errors import MediaError, NoFaceError, UsageError
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.recognizers.base import Judge
from bauta.recognizers.thresholds import Threshold
from bauta.recognizers.zoo import get_recognizer

Pixels = NDArray[np.uint8]


class Eye(Judge):
    """Says what it is told, call after call; knows who asked."""

    def __init__(self, name: str = "eye", *, says: float = 1.0, network: str = "eye-net") -> None:
        self.name, self.says, self.network = name, says, network
        self.calls = 0

    @property
    def thresholds(self) -> Mapping[str, Threshold]:
        return {"far-1%": Threshold(0.5, 0.01, 0.9, "none", "none")}

    @property
    def network_id(self) -> str:
        return self.network

    def embed(self, photos: Sequence[Pixels], faces: Sequence[Face]) -> NDArray[np.float32]:
        self.calls += 1
        # One axis per face, so that similarity to oneself is ``says`` after the first call.
        rows = np.eye(len(faces), 8, dtype=np.float32)
        if self.calls > 1:
            rows[:, -1] = math.sqrt(max(0.0, 2 - 2 * self.says))
            if math.isnan(self.says):
                rows[:] = np.nan
        return rows


@pytest.fixture(scope="module")
def files(collins: Pixels, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A portrait, and a copy that is changed by noise and by JPEG."""
    folder = tmp_path_factory.mktemp("pair")
    portrait = collins[:256, 96:352]
    noise = np.random.default_rng(1).integers(-6, 7, portrait.shape)
    changed = np.clip(portrait + noise, 0, 255).astype(np.uint8)
    Image.fromarray(portrait).save(folder / "a.png")
    Image.fromarray(changed).save(folder / "b.jpg", quality=90)
    return folder / "a.png", folder / "b.jpg"


@pytest.fixture(scope="module")
def pair(collins: Pixels, hopper: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people in one photo: Hopper is face 1, Collins face 2."""
    photo = np.full((600, 768, 3), 128, np.uint8)
    photo[:, :512] = hopper
    photo[:256, 512:] = collins[:256, 96:352]
    path = tmp_path_factory.mktemp("two") / "two.png"
    Image.fromarray(photo).save(path)
    return path


def test_numbers_are_those_of_the_files(files: tuple[Path, Path]) -> None:
    judge = get_recognizer("dlib-native")
    report = verify(*files, judges=[judge])
    a, b = (np.array(Image.open(path).convert("RGB")) for path in files)
    assert report.psnr == pytest.approx(peak_signal_noise_ratio(a, b), abs=1e-3)
    assert report.largest_change == np.abs(a.astype(int) - b).max()
    assert report.sizes == tuple(path.stat().st_size for path in files)
    luma = [photo @ np.array([0.299, 0.587, 0.114]) for photo in (a, b)]
    expected = structural_similarity(
        *luma, data_range=255, gaussian_weights=True, use_sample_covariance=False
    )
    assert report.ssim == pytest.approx(expected, abs=1e-3)
    (old,), (new,) = find_faces(a), find_faces(b)
    (face,) = report.faces
    assert (face.number, face.box, face.chosen, face.found_after) == (1, old.box, True, True)
    left, top, right, bottom = (round(edge) for edge in old.box)
    inside = np.s_[top:bottom, left:right]
    assert face.psnr == pytest.approx(peak_signal_noise_ratio(a[inside], b[inside]), abs=1e-3)
    one, two = judge.embed([a], [old])[0], judge.embed([b], [new])[0]
    (score,) = face.scores
    assert score.before == 1
    assert score.after == pytest.approx(1 - float(((one - two) ** 2).sum()) / 2, abs=1e-4)
    assert score.threshold == round(judge.threshold, 4)
    assert score.far == judge.thresholds["far-1%"].far
    assert report.verdict == "recognisable"
    assert report.notes == ()
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["psnr"] == round(report.psnr, 4)
    assert data["faces"][0]["scores"][0]["after"] == score.after


def test_other_photos_replace_the_original_as_reference(
    files: tuple[Path, Path], hopper_path: Path, collins_path: Path
) -> None:
    judge = get_recognizer("dlib-native")
    both = verify(*files, judges=[judge], others=[hopper_path, collins_path])
    alone = verify(*files, judges=[judge], others=[collins_path])
    stranger = verify(*files, judges=[judge], others=[hopper_path])
    assert both.reference == "the other photos"
    # The best match among the others is the person.
    assert both.faces[0].scores == alone.faces[0].scores
    assert both.faces[0].scores[0].before > judge.threshold
    assert stranger.faces[0].scores[0].before < judge.threshold
    assert stranger.verdict == "unjudged"


def test_one_recognised_photo_among_several_is_enough(
    files: tuple[Path, Path], hopper_path: Path, collins_path: Path
) -> None:
    class Planned(Eye):
        """Similarities .7, .6 and .2 to the original, .1, .55 and .7 to the protected file."""

        def embed(self, photos: Sequence[Pixels], faces: Sequence[Face]) -> NDArray[np.float32]:
            self.calls += 1
            if self.calls == 3:
                return np.eye(3, 4, dtype=np.float32)
            near = [0.7, 0.6, 0.2] if self.calls == 1 else [0.1, 0.55, 0.7]
            unit = [*near, math.sqrt(1 - sum(s * s for s in near))]
            return np.array([unit], dtype=np.float32)

    others = [collins_path, hopper_path, collins_path]
    report = verify(*files, judges=[Planned()], others=others)
    (score,) = report.faces[0].scores
    assert (score.before, score.after) == pytest.approx((0.7, 0.55), abs=1e-3)
    assert report.verdict == "recognisable"


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([(True, 0.4)], "protected"),
        ([(True, 0.5)], "recognisable"),  # at the threshold counts as accepted
        ([(True, 0.4), (True, 0.6)], "recognisable"),
        ([(True, 0.4), (False, 0.6)], "protected"),
        ([(False, 0.4)], "unjudged"),
        ([(False, 0.6)], "recognisable"),
        ([(True, math.nan)], "recognisable"),
    ],
)
def test_only_independent_judges_decide(scores: list[tuple[bool, float]], verdict: str) -> None:
    rows = tuple(
        Score("j", free, 1.0, after, 0.5, 0.01, float(not after < 0.5)) for free, after in scores
    )
    face = FaceReport(1, (0, 0, 9, 9), True, True, 40.0, 0.9, rows)
    assert face.verdict == verdict


def test_surrogates_do_not_judge_under_any_name(files: tuple[Path, Path]) -> None:
    team = [Eye("mine", says=0.1, network="net-1"), Eye("twin", says=0.9, network="net-1")]
    report = verify(*files, judges=team, surrogates={"net-1"})
    assert [score.independent for score in report.faces[0].scores] == [False, False]
    assert len(report.notes) == 1
    assert "--judge, such as tight-judge" in report.notes[0]
    team = [Eye("mine", says=0.9, network="net-1"), Eye("free", says=0.1, network="net-2")]
    report = verify(*files, judges=team, surrogates={"net-1"})
    assert [score.after for score in report.faces[0].scores] == pytest.approx([0.9, 0.1], abs=1e-4)
    assert report.verdict == "protected"
    assert report.notes == ()


def test_face_that_was_not_chosen_does_not_decide(pair: Path) -> None:
    known = find_faces(np.array(Image.open(pair)))
    assert len(known) == 2

    class Sees(Eye):
        """Loses the first face, and knows the second one again."""

        def embed(self, photos: Sequence[Pixels], faces: Sequence[Face]) -> NDArray[np.float32]:
            rows = super().embed(photos, faces)
            rows[1] = np.eye(8, dtype=np.float32)[1]
            return rows

    one, two, none = (
        verify(pair, pair, judges=[Sees(says=0.0)], faces=known, chosen=chosen)
        for chosen in (known[:1], known[1:], None)
    )
    assert [face.chosen for face in one.faces] == [True, False]
    assert [face.verdict for face in one.faces] == ["protected", "recognisable"]
    assert (one.verdict, two.verdict, none.verdict) == ("protected", "recognisable", "recognisable")


def test_lost_face_is_judged_at_its_old_place(files: tuple[Path, Path], tmp_path: Path) -> None:
    a = np.array(Image.open(files[0]))
    (face,) = find_faces(a)
    left, top, right, bottom = (round(edge) for edge in face.box)
    a[top:bottom, left:right] = 128
    Image.fromarray(a).save(tmp_path / "gone.png")
    judge = Eye(says=0.1)
    report = verify(files[0], tmp_path / "gone.png", judges=[judge])
    assert not report.faces[0].found_after
    assert judge.calls == 2
    assert report.notes == ("The detector no longer finds face 1; its old place was judged.",)


def test_equal_files_have_no_nan_in_json(files: tuple[Path, Path]) -> None:
    report = verify(files[0], files[0], judges=[Eye()])
    assert report.psnr == math.inf
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["psnr"] is data["faces"][0]["psnr"] is None


def test_undefined_similarity_is_null_in_json(files: tuple[Path, Path]) -> None:
    report = verify(*files, judges=[Eye(says=math.nan)])
    assert report.verdict == "recognisable"  # when in doubt
    json.dumps(report.to_json(), allow_nan=False)


def test_what_cannot_be_verified(
    files: tuple[Path, Path], hopper_path: Path, tmp_path: Path
) -> None:
    wall = tmp_path / "wall.png"
    Image.new("RGB", (256, 256), "tan").save(wall)
    with pytest.raises(UsageError, match=r"512x600 pixels, .* 256x256"):
        verify(files[0], hopper_path, judges=[Eye()])
    with pytest.raises(UsageError, match="no judge"):
        verify(*files, judges=[])
    with pytest.raises(NoFaceError, match=r"wall\.png: no face"):
        verify(wall, wall, judges=[Eye()])
    with pytest.raises(NoFaceError, match=r"wall\.png: no face"):
        verify(*files, judges=[Eye()], others=[hopper_path, wall])
    with pytest.raises(MediaError, match="no such file"):
        verify(files[0], tmp_path / "none.png", judges=[Eye()])


def test_a_pupil_of_a_surrogate_is_not_independent(files: tuple[Path, Path]) -> None:
    class Pupil(Eye):
        @property
        def lineage(self) -> frozenset[str]:
            return frozenset({self.network, "teacher-net"})

    report = verify(*files, judges=[Pupil("pupil", says=0.1)], surrogates={"teacher-net"})
    assert [score.independent for face in report.faces for score in face.scores] == [False]
    report = verify(*files, judges=[Pupil("pupil", says=0.1)], surrogates={"other-net"})
    assert [score.independent for face in report.faces for score in face.scores] == [True]


@pytest.mark.parametrize(
    ("matches", "verdicts"),
    [
        (0.0, ("protected", "protected")),
        (0.05, ("protected", "recognisable")),
        (0.3, ("weakened", "recognisable")),
        (0.5, ("weakened", "recognisable")),
        (0.51, ("recognisable", "recognisable")),
        (math.nan, ("recognisable", "recognisable")),
    ],
)
def test_estimates_have_a_middle_and_measurements_have_none(
    matches: float, verdicts: tuple[str, str]
) -> None:
    for estimated, verdict in zip((True, False), verdicts, strict=True):
        score = Score("j", True, 1.0, 0.6, 0.5, 0.01, matches, estimated)
        assert score.verdict == verdict
        assert score.hidden == (verdict == "protected")
        assert FaceReport(1, (0, 0, 9, 9), True, True, 40.0, 0.9, (score,)).verdict == verdict


def test_other_photos_are_estimated_from_genuine_pairs(files: tuple[Path, Path]) -> None:
    """At .8 to the original and a threshold of .5, photos at about .625 and above still match."""

    class Knows(Eye):
        @property
        def thresholds(self) -> dict[str, Threshold]:  # type: ignore[override]  # a plain dict will do
            genuine = (0.4, 0.6, 0.65, 0.7, 0.9)
            return {"far-1%": Threshold(0.5, 0.01, 0.9, "test", "test", genuine)}

    report = verify(*files, judges=[Knows(says=0.8)])
    (score,) = report.faces[0].scores
    assert score.matches == pytest.approx(0.625, abs=0.1)  # between the quantiles 25 % and 50 %
    assert score.estimated
    assert report.estimated
    hidden = verify(*files, judges=[Knows(says=0.3)])
    assert hidden.faces[0].scores[0].matches < 0.01
    assert hidden.verdict == "protected"
