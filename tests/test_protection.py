"""protect(): every kind of file goes in and comes out as itself, with the face hidden in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.ndimage import maximum_filter, minimum_filter

from bauta.audit.scores import PhotoReport
from bauta.audit.verify import verify
from bauta.engine.flow import FlowBudget
from bauta.errors import (
    MediaError,
    NoFaceError,
    OutputExistsError,
    RegistryError,
    UsageError,
)
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.media import describe_metadata, read_photo
from bauta.optimisation import budget_of, build_method
from bauta.protection import Protected, protect, protect_pixels, team
from bauta.recognizers.zoo import default_surrogates, get_recognizer, get_surrogate
from bauta.settings import PRESETS, Settings

Pixels = NDArray[np.uint8]
#: dlib itself takes part, so that its own library tells whether what was meant was written.
FAST = Settings(preset="fast", surrogates=("dlib", "tight-dlib"))


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only dlib's weights, which come with the installation, can be found."""
    monkeypatch.setenv("BAUTA_WEIGHTS", str(tmp_path / "no weights"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "no data"))


@pytest.fixture(scope="module")
def portrait(collins: Pixels) -> Pixels:
    """256 x 256 pixels of the sample, with its face."""
    return np.ascontiguousarray(collins[:256, 96:352])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def hidden(report: PhotoReport, number: int = 1) -> bool:
    """Whether dlib's own library loses the face, if it was asked at all."""
    score = report.faces[number - 1].scores[0]
    assert score.judge == "dlib-native"
    assert score.before == pytest.approx(1, abs=1e-3)
    return score.after < score.threshold


# The sample photo


def test_sample_is_hidden_from_dlib_and_a_stranger_has_a_say(
    collins_path: Path, tmp_path: Path
) -> None:
    source = tmp_path / "me.jpg"
    source.write_bytes(original := collins_path.read_bytes())
    stages: list[tuple[str, float]] = []
    report = protect(source, preset="fast", progress=lambda *now: stages.append(now))
    target = tmp_path / "me-protected.jpg"
    assert (report.original, report.protected) == (source, target)
    assert hidden(report)
    own, stranger = report.faces[0].scores
    assert not own.independent
    assert (stranger.judge, stranger.independent) == ("tight-judge", True)
    assert stranger.after < 0.75  # fast hides too little from it to be "protected"
    assert report.verdict == stranger.verdict != "protected"
    assert source.read_bytes() == original
    assert names(tmp_path) == {"me.jpg", "me-protected.jpg"}
    with Image.open(source) as before, Image.open(target) as after:
        assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)
        assert after.quantization == before.quantization
    # Shifted features move edges; a face is no small part of 512 x 512.
    assert report.largest_change > 4
    assert report.psnr > 36
    assert report.settings["surrogates"] == ["loose-dlib", "tight-dlib"]
    order = list(dict.fromkeys(stage for stage, _ in stages))
    assert order == ["read", "find", "protect", "write", "verify"]
    assert all(
        stages[i] <= stages[i + 1]
        for i in range(len(stages) - 1)
        if stages[i][0] == stages[i + 1][0]
    )
    assert {stage for stage, share in stages if share == 1} == set(order)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["verdict"] == report.verdict


def test_larger_epsilon_hides_more(portrait: Pixels, tmp_path: Path) -> None:
    Image.fromarray(portrait).save(tmp_path / "me.png")
    few, many = (
        protect(
            tmp_path / "me.png", tmp_path / f"{epsilon}.png", preset="fast", epsilon=epsilon, warp=0
        )
        for epsilon in (2, 16)
    )
    # Perceptual, the default: at most twice epsilon, and only where it counts.
    assert 2 <= few.largest_change <= 4
    assert 16 < many.largest_change <= 32
    assert many.faces[0].scores[0].after < few.faces[0].scores[0].after - 0.1


# Formats


def exif(**more: Any) -> Image.Exif:
    """EXIF as a phone writes it."""
    block = Image.Exif()
    block[0x010F], block[0x0110], block[0x0132] = "Phone Inc", "Phone 9", "2024:05:06 07:08:09"
    block.get_ifd(0x8769).update({0xA431: "SERIAL-4711"})
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.5), 3: "E", 4: (11.0, 34.0, 31.0)})
    for tag, value in more.items():
        block[int(tag.removeprefix("tag"))] = value
    return block


def grey(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels).convert("L")


def with_alpha(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def sixteen(pixels: Pixels) -> NDArray[np.uint16]:
    noise = np.random.default_rng(3).integers(-100, 101, pixels.shape)
    return np.clip(pixels.astype(int) * 257 + noise, 0, 65535).astype(np.uint16)


KINDS: dict[str, Any] = {
    "grey.jpg": lambda p, path: grey(p).save(path, quality=90),
    "grey.png": lambda p, path: grey(p).save(path),
    "grey-rgb.png": lambda p, path: grey(p).convert("RGB").save(path),
    "rgb.png": lambda p, path: Image.fromarray(p).save(path),
    "rgba.png": lambda p, path: with_alpha(p).save(path),
    "palette.png": lambda p, path: Image.fromarray(p).quantize(256).save(path),
    "lossy.webp": lambda p, path: Image.fromarray(p).save(path, quality=85),
    "lossless.webp": lambda p, path: with_alpha(p).save(path, lossless=True),
    "cmyk.jpg": lambda p, path: Image.fromarray(p).convert("CMYK").save(path, quality=92),
    "sixteen.tif": lambda p, path: tifffile.imwrite(path, sixteen(p), photometric="rgb"),
    "rgb.bmp": lambda p, path: Image.fromarray(p).save(path),
}


@pytest.mark.parametrize("name", KINDS)
def test_face_is_hidden_in_every_kind_of_file(name: str, portrait: Pixels, tmp_path: Path) -> None:
    source, target = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    KINDS[name](portrait, source)
    original = source.read_bytes()
    report = protect(source, target, settings=FAST)
    assert hidden(report)
    assert source.read_bytes() == original
    before, after = read_photo(source), read_photo(target)
    assert (after.format, after.grey) == (before.format, before.grey)
    assert before.grey == name.startswith("grey")
    if before.grey:
        assert np.ptp(after.pixels, axis=2).max() == 0
    below, above = reach_of(before.pixels, find_faces(before.pixels), FAST)
    if name.startswith("sixteen"):
        samples = tifffile.imread(target)
        assert samples.dtype == np.uint16
        assert np.abs(samples.astype(int) - sixteen(portrait)).max() > 257 * 4
        assert (samples >= 257 * (below - 1)).all()
        assert (samples <= 257 * (above + 1)).all()
        return
    with Image.open(source) as old, Image.open(target) as new:
        assert (new.format, new.size, new.mode) == (old.format, old.size, old.mode)
        if "A" in old.mode:
            assert new.getchannel("A").tobytes() == old.getchannel("A").tobytes()
    if name in ("rgb.png", "rgba.png", "lossless.webp", "rgb.bmp", "grey.png"):
        assert (after.pixels >= below).all()
        assert (after.pixels <= above).all()
        assert np.array_equal(after.pixels[:20], before.pixels[:20])  # far from the face


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_photo_of_a_phone_keeps_its_orientation_but_not_its_place(
    orientation: int, portrait: Pixels, tmp_path: Path
) -> None:
    # What a viewer does to show the picture upright, undone.
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 7: None}[orientation]
    image = Image.fromarray(portrait[:, :240])
    stored = image.transpose(undo if undo is not None else Image.Transpose.TRANSVERSE)
    source = tmp_path / "IMG_0001.JPG"
    stored.save(source, quality=92, exif=exif(tag274=orientation))
    report = protect(source, settings=FAST)
    assert report.protected.name == "IMG_0001-protected.JPG"
    assert hidden(report)
    with Image.open(report.protected) as written:
        assert written.size == stored.size
        block = written.getexif()
        assert block[274] == orientation
        assert set(block) <= {274, 282, 283, 296, 531, 0x8769}
        assert not block.get_ifd(0x8825)
        assert 0xA431 not in block.get_ifd(0x8769)
    data = report.protected.read_bytes()
    for word in (b"SERIAL-4711", b"Phone", b"2024:05:06", b"GPS"):
        assert word not in data
    assert read_photo(report.protected).pixels.shape == (256, 240, 3)
    assert describe_metadata(read_photo(source))
    assert not describe_metadata(read_photo(report.protected))
    kept = protect(source, tmp_path / "kept.jpg", settings=FAST, overwrite=True).protected
    assert kept.read_bytes() == data  # the same seed gives the same file


def test_metadata_is_kept_when_wanted(portrait: Pixels, tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    Image.fromarray(portrait).save(source, exif=exif())
    report = protect(source, preset="fast", metadata="keep")
    with Image.open(report.protected) as written:
        assert written.getexif().get_ifd(0x8825)[1] == "N"


# Which faces


@pytest.fixture(scope="module")
def pair(collins: Pixels, hopper: Pixels) -> Pixels:
    """Hopper on the left, the larger face, and Collins on the right."""
    photo = np.full((600, 1024, 3), 128, np.uint8)
    photo[:, :512] = hopper
    photo[:512, 512:] = collins
    return photo


def test_only_the_chosen_face_changes(pair: Pixels, tmp_path: Path) -> None:
    source, target = tmp_path / "two.png", tmp_path / "out.png"
    Image.fromarray(pair).save(source)
    report = protect(source, target, preset="fast", faces="2")
    assert [face.chosen for face in report.faces] == [False, True]
    assert report.faces[0].verdict == "recognisable"
    assert report.verdict == report.faces[1].verdict
    assert hidden(report, number=2)
    changed = (read_photo(target).pixels != pair).any(axis=2)
    rows, columns = np.nonzero(changed)
    corners = find_faces(pair)[1].corners()
    assert columns.min() >= max(512, corners[:, 0].min() - 1)
    assert columns.max() <= corners[:, 0].max() + 1
    assert rows.min() >= corners[:, 1].min() - 1
    assert rows.max() <= corners[:, 1].max() + 1
    # Equal but for where the detector, with another smallest face, finds it the second time.
    assert report.faces[0].scores[0].after > 0.98
    assert report.faces[0].psnr == np.inf


def test_all_faces_change_by_default(pair: Pixels) -> None:
    result = protect_pixels(pair, FAST, [get_surrogate("dlib")])
    assert [result.faces.index(face) for face in result.chosen] == [0, 1]
    judge = get_recognizer("dlib-native")
    old, new = (judge.embed([p] * 2, result.faces) for p in (pair, result.pixels))
    # Measured: 0.881 and 0.667.
    assert (1 - ((old - new) ** 2).sum(axis=1) / 2 < (0.93, judge.threshold)).all()
    assert set(result.seconds) == {"find", "protect"}


# What is refused


@pytest.mark.parametrize("name", ["wall.png", "wall.jpg"])
def test_no_face_means_no_file(name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    noise = np.random.default_rng(0).integers(100, 156, (240, 320, 3), dtype=np.uint8)
    Image.fromarray(noise).save(source)
    with pytest.raises(NoFaceError, match=f"{name}: no face was found, so nothing was written"):
        protect(source, preset="fast")
    assert names(tmp_path) == {name}


def test_existing_output_is_only_replaced_on_demand(portrait: Pixels, tmp_path: Path) -> None:
    source, target = tmp_path / "me.png", tmp_path / "out.png"
    Image.fromarray(portrait).save(source)
    target.write_text("precious")
    with pytest.raises(OutputExistsError, match=r"out\.png"):
        protect(source, target, preset="fast")
    assert target.read_text() == "precious"
    protect(source, target, preset="fast", overwrite=True)
    assert read_photo(target).pixels.shape == portrait.shape


@pytest.mark.parametrize("overwrite", [False, True])
def test_original_is_never_replaced(portrait: Pixels, tmp_path: Path, overwrite: bool) -> None:
    source = tmp_path / "me.png"
    Image.fromarray(portrait).save(source)
    original = source.read_bytes()
    (tmp_path / "hard.png").hardlink_to(source)
    for target in (source, tmp_path / "hard.png"):
        with pytest.raises(OutputExistsError):
            protect(source, target, preset="fast", overwrite=overwrite)
    assert source.read_bytes() == original
    assert names(tmp_path) == {"me.png", "hard.png"}


def test_output_of_another_format_is_refused(portrait: Pixels, tmp_path: Path) -> None:
    source = tmp_path / "me.png"
    Image.fromarray(portrait).save(source)
    with pytest.raises(MediaError, match=r'end in "\.png"'):
        protect(source, tmp_path / "out.jpg", preset="fast")
    assert names(tmp_path) == {"me.png"}


def test_faceless_other_photo_means_no_file(portrait: Pixels, tmp_path: Path) -> None:
    source, other = tmp_path / "me.png", tmp_path / "wall.png"
    Image.fromarray(portrait).save(source)
    Image.new("RGB", (200, 200)).save(other)
    with pytest.raises(NoFaceError, match=r"wall\.png"):
        protect(source, preset="fast", others=[other])
    assert names(tmp_path) == {"me.png", "wall.png"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"preset": "quick"}, UsageError, "fast, balanced, strong"),
        ({"epsilon": 0.5}, UsageError, "between 1 and 64"),
        ({"epsilon": 65}, UsageError, "between 1 and 64"),
        ({"epsilon": float("nan")}, UsageError, "between 1 and 64"),
        ({"warp": 10.1}, UsageError, "between 0 and 10 percent"),
        ({"warp": float("nan")}, UsageError, "between 0 and 10 percent"),
        ({"gamma": -0.1}, UsageError, "gamma"),
        ({"targets": (Path("a.jpg"),)}, UsageError, "impersonate"),
        ({"goal": "impersonate", "gain": "mean"}, UsageError, "max, sum, min or centre"),
        ({"goal": "impersonate", "target_search": "x"}, UsageError, "embedding or exact"),
        ({"method": "tip"}, RegistryError, "tip-im"),
        ({"surrogates": ("dlib-native",)}, UsageError, "no gradients"),
        ({"surrogates": ("arcface",)}, RegistryError, "arcface"),
        ({"judges": ("arcface",)}, RegistryError, "arcface"),
        ({"detector": "mtcnn"}, UsageError, "hog or yunet"),
        ({"faces": "2"}, UsageError, "the photo has 1"),
        ({"faces": "1;2"}, UsageError, "largest"),
        ({"region": "nose ring"}, UsageError, "nose ring"),
        ({"metadata": "some"}, UsageError, "private or keep"),
        ({"settings": FAST, "seed": 1}, UsageError, "not both"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_wrong_settings_say_what_is_right(
    options: dict[str, Any], error: type[Exception], words: str, portrait: Pixels, tmp_path: Path
) -> None:
    source = tmp_path / "me.png"
    Image.fromarray(portrait).save(source)
    if "settings" not in options:
        options = {"preset": "fast", **options}
    with pytest.raises(error, match=words):
        protect(source, **options)
    assert names(tmp_path) == {"me.png"}


# Chance


def test_seed_decides(portrait: Pixels) -> None:
    surrogates, _ = team(FAST)
    one, two, other = (
        protect_pixels(portrait, dataclasses.replace(FAST, seed=seed), surrogates).pixels
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_black_shadow_on_a_face_stays_black(portrait: Pixels) -> None:
    face = find_faces(portrait)[0]
    middle = int((face.box[1] + face.box[3]) / 2)
    shaded = portrait.copy()
    shaded[:middle] = shaded[:middle] // 8
    settings = dataclasses.replace(FAST, warp=0.0)
    surrogates, _ = team(settings)
    changed = protect_pixels(shaded, settings, surrogates, faces=[face]).pixels
    change = np.abs(changed.astype(int) - shaded).mean(axis=2)
    left, top, right, bottom = (int(v) for v in face.box)
    shadow, lit = change[top:middle, left:right], change[middle:bottom, left:right]
    assert shadow.mean() < 0.4 * lit.mean()


def test_given_faces_are_used_instead_of_a_search(portrait: Pixels) -> None:
    (face,) = find_faces(portrait)
    shifted = Face(face.box, face.score, face.landmarks + np.float32(3), face.scheme)
    result = protect_pixels(portrait, FAST, [get_surrogate("dlib")], faces=[shifted])
    assert result.chosen == [shifted]
    with pytest.raises(NoFaceError):
        protect_pixels(portrait, FAST, [get_surrogate("dlib")], faces=[])


def test_epsilon_that_is_no_whole_number_holds(portrait: Pixels) -> None:
    settings = dataclasses.replace(FAST, epsilon=1.7, perceptual=False)
    result = protect_pixels(portrait, settings, [get_surrogate("dlib")])
    assert np.abs(result.pixels.astype(int) - portrait).max() <= 1.7


# Whatever photo comes


@st.composite
def photos(draw: st.DrawFn) -> tuple[tuple[int, int, int, int], float, float, float]:
    """Where to crop the sample, and how far to turn, scale and light it."""
    left, top = draw(st.integers(0, 260)), draw(st.integers(0, 160))
    width, height = draw(st.integers(1, 240)), draw(st.integers(1, 240))
    return (
        (left, top, min(512, left + width), min(512, top + height)),
        draw(st.sampled_from([0.0, 0.0, 10.0, -25.0, 90.0, 180.0])),
        draw(st.sampled_from([0.1, 0.5, 1.0, 1.0, 1.9])),
        draw(st.sampled_from([0.1, 0.6, 1.0, 1.0, 3.0])),
    )


def varied(sample: Pixels, how: tuple[tuple[int, int, int, int], float, float, float]) -> Pixels:
    box, angle, scale, light = how
    image = Image.fromarray(sample).crop(box).rotate(angle, expand=True)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return np.array(ImageEnhance.Brightness(image.resize(size)).enhance(light))


def check_limits(photo: Pixels, settings: Settings, is_grey: bool) -> Protected | None:
    before = photo.copy()
    try:
        result = protect_pixels(photo, settings, [get_surrogate("dlib")], grey=is_grey)
    except NoFaceError:
        return None
    assert np.array_equal(photo, before)
    assert result.pixels.shape == photo.shape
    assert result.pixels.dtype == np.uint8
    below, above = reach_of(photo, result.chosen, settings)
    assert (result.pixels >= below).all()
    assert (result.pixels <= above).all()
    return result


def reach_of(
    photo: Pixels, faces: Sequence[Face], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and greatest values that samples may have: their neighbours' that may move there."""
    budget = budget_of(settings)
    pixels = budget.pixels if isinstance(budget, FlowBudget) else budget
    peak = np.floor(pixels.peak)
    if not settings.displacement:
        return photo - peak, photo + peak
    # Where faces overlap their shifts add up; a cubic kernel looks two pixels further.
    length = sum(face.frame_side for face in faces) * settings.displacement
    size = (2 * int(np.ceil(length) + 2) + 1,) * 2 + (1,)
    low, high = (f(photo, size).astype(float) for f in (minimum_filter, maximum_filter))
    overshoot = 0.4 * (high - low) + 1
    return low - overshoot - peak, high + overshoot + peak


@pytest.mark.slow
@hypothesis_settings(
    max_examples=15,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    how=photos(),
    epsilon=st.sampled_from([1, 8, 64]),
    warp=st.sampled_from([0.0, None, 10.0]),
    is_grey=st.booleans(),
)
def test_any_photo_is_protected_within_limits_or_refused(
    collins: Pixels,
    how: tuple[tuple[int, int, int, int], float, float, float],
    epsilon: int,
    warp: float | None,
    is_grey: bool,
) -> None:
    photo = varied(collins, how)
    if is_grey:
        photo = np.repeat(photo[..., :1], 3, axis=2)
    result = check_limits(photo, dataclasses.replace(FAST, epsilon=epsilon, warp=warp), is_grey)
    if result is not None and is_grey:
        assert np.ptp(result.pixels, axis=2).max() == 0


@pytest.mark.parametrize(
    "box",
    [
        (186, 60, 340, 230),  # left cheek cut off
        (120, 60, 255, 230),  # right cheek
        (120, 95, 340, 230),  # forehead
        (120, 40, 340, 160),  # chin
        (176, 77, 267, 167),  # nothing but the box
    ],
)
def test_face_cut_by_the_border(collins: Pixels, box: tuple[int, int, int, int]) -> None:
    image = Image.fromarray(collins).crop(box)
    photo = np.array(image.resize((image.width * 2, image.height * 2)))
    faces = find_faces(photo) or [
        # Where HOG is too careful, the face as it is known from the whole photo.
        Face(
            tuple(2.0 * (edge - box[i % 2]) for i, edge in enumerate(whole.box)),
            whole.score,
            2 * (whole.landmarks - np.float32(box[:2])),
        )
        for whole in find_faces(collins)
    ]
    settings = dataclasses.replace(FAST, epsilon=8)
    result = protect_pixels(photo, settings, [get_surrogate("dlib")], faces=faces)
    below, above = reach_of(photo, faces, settings)
    assert ((result.pixels >= below) & (result.pixels <= above)).all()
    assert np.abs(result.pixels.astype(int) - photo).max() > 4


# With other recognizers


@pytest.mark.parametrize(("surrogates", "views"), [(1, 4), (2, 2), (4, 1), (9, 1)])
def test_surrogates_share_the_views(surrogates: int, views: int) -> None:
    assert PRESETS["balanced"].views == 4
    assert build_method(Settings(), surrogates).views == views


@pytest.mark.shared
def test_kin_of_the_surrogates_does_not_decide(
    collins_path: Path, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_WEIGHTS", str(shared / "weights"))
    report = protect(collins_path, tmp_path / "out.jpg", epsilon=16)
    assert report.settings["surrogates"] == default_surrogates("balanced")
    scores = {score.judge: score for score in report.faces[0].scores}
    assert {name: s.independent for name, s in scores.items()} == {
        "dlib-native": False,
        "mobilefacenet-ms1m": False,  # tight-dlib learnt from it
        "tight-judge": True,
    }
    assert report.verdict == "protected"
    assert report.notes == ()


@pytest.mark.shared
def test_copy_of_somebody_is_recognised_from_another_photo(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_WEIGHTS", str(shared / "weights"))
    first, second = sorted((shared / "data/lfw/Abel_Pacheco").glob("*.jpg"))[:2]
    with Image.open(first) as image:
        image.save(tmp_path / "copy.jpg", quality=85)
    judges = [get_recognizer(name) for name in ("dlib-native", "mobilefacenet-ms1m")]
    report = verify(first, tmp_path / "copy.jpg", judges=judges, others=[second])
    assert report.verdict == "recognisable"
    assert [score.hidden for score in report.faces[0].scores] == [False, False]
    assert all(score.before < 0.99 for score in report.faces[0].scores)
