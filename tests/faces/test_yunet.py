"""YuNet: its arithmetic on made-up tensors, its search with a made-up network, and the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import MissingExtraError, UsageError, WeightsError
from bauta.faces import yunet
from bauta.faces.yunet import (
    Detection,
    YuNet,
    decode,
    drop_parts,
    merge,
    non_maximum_suppression,
    plan_scales,
    tile_corners,
)

SHARED = Path(os.environ.get("BAUTA_SHARED", Path(__file__).resolve().parents[3] / "shared"))
Box = tuple[float, float, float, float]


def iou(a: Box, b: Box) -> float:
    """Written out once more, apart from the code under test."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inner = width * height
    outer = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner
    return inner / outer if outer > 0 else 0.0


def empty_heads() -> dict[str, NDArray[np.float32]]:
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    return {
        f"{head}_{stride}": np.zeros((1, (640 // stride) ** 2, width), np.float32)
        for head, width in widths.items()
        for stride in (8, 16, 32)
    }


def write_face(heads: dict[str, NDArray[np.float32]], box: Box, *, stride: int = 8) -> None:
    """Encode a face of score 1, its five points on the box's diagonal, as the network would."""
    left, top, right, bottom = box
    x, y = (left + right) / 2 / stride, (top + bottom) / 2 / stride
    column, row = min(int(x), 640 // stride - 1), min(int(y), 640 // stride - 1)
    cell = row * (640 // stride) + column
    heads[f"cls_{stride}"][0, cell] = heads[f"obj_{stride}"][0, cell] = 1
    size = np.log([(right - left) / stride, (bottom - top) / stride])
    heads[f"bbox_{stride}"][0, cell] = [x - column, y - row, *size]
    points = np.linspace([left, top], [right, bottom], 5) / stride - [column, row]
    heads[f"kps_{stride}"][0, cell] = points.ravel()


def make_rows(boxes: list[Box], scores: list[float]) -> NDArray[np.float32]:
    points = [[*box[:2]] * 5 for box in boxes]
    rows = [[s, *b, *p] for s, b, p in zip(scores, boxes, points, strict=True)]
    return np.array(rows, np.float32).reshape(-1, 15)


# --- decoding --------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_decode_reads_back_what_was_written(stride: int) -> None:
    heads = empty_heads()
    write_face(heads, (100, 40, 164, 136), stride=stride)
    rows = decode(heads, 0.5)
    assert rows.shape == (1, 15)
    np.testing.assert_allclose(rows[0, :5], [1, 100, 40, 164, 136], atol=1e-3)
    expected = np.linspace([100, 40], [164, 136], 5)
    np.testing.assert_allclose(rows[0, 5:].reshape(5, 2), expected, atol=1e-3)


def test_decode_by_hand() -> None:
    heads = empty_heads()
    cell = 3 * 40 + 5  # row 3, column 5 of stride 16
    heads["cls_16"][0, cell], heads["obj_16"][0, cell] = 0.81, 0.64
    heads["bbox_16"][0, cell] = [0.5, -0.25, np.log(2), np.log(4)]
    heads["kps_16"][0, cell] = np.arange(10) / 4
    (row,) = decode(heads, 0.7)
    assert row[0] == pytest.approx(0.72)
    np.testing.assert_allclose(row[1:5], [88 - 16, 44 - 32, 88 + 16, 44 + 32], atol=1e-4)
    np.testing.assert_allclose(row[5:9], [80, 48 + 4, 80 + 8, 48 + 12], atol=1e-4)
    assert len(decode(heads, 0.73)) == 0


def test_decode_holds_scores_within_one() -> None:
    heads = empty_heads()
    heads["cls_8"][0, 0], heads["obj_8"][0, 0] = 1.2, 1.5
    heads["cls_8"][0, 1], heads["obj_8"][0, 1] = -1, -1
    assert decode(heads, 0.1)[:, 0].tolist() == [1.0]


# --- choosing among boxes --------------------------------------------------------------------

sides = st.integers(1, 60)
boxes_strategy = st.lists(
    st.tuples(st.integers(-40, 40), st.integers(-40, 40), sides, sides).map(
        lambda q: (float(q[0]), float(q[1]), float(q[0] + q[2]), float(q[1] + q[3]))
    ),
    max_size=25,
)


@given(boxes=boxes_strategy, seed=st.integers(0, 99), threshold=st.sampled_from([0.0, 0.3, 0.7]))
def test_suppression_keeps_one_box_of_each_overlapping_set(
    boxes: list[Box], seed: int, threshold: float
) -> None:
    scores = np.random.default_rng(seed).random(len(boxes))
    array = np.array(boxes).reshape(-1, 4)
    kept = non_maximum_suppression(array, scores, threshold).tolist()
    assert scores[kept].tolist() == sorted(scores[kept], reverse=True)
    for place, i in enumerate(kept):
        assert all(iou(boxes[i], boxes[j]) <= threshold + 1e-9 for j in kept[:place])
    for i in set(range(len(boxes))) - set(kept):
        rivals = [j for j in kept if iou(boxes[i], boxes[j]) > threshold - 1e-9]
        assert any(scores[j] >= scores[i] for j in rivals)


@given(boxes=boxes_strategy, seed=st.integers(0, 99))
def test_suppression_does_not_depend_on_place_scale_or_order(boxes: list[Box], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, shuffle = rng.random(len(boxes)), rng.permutation(len(boxes))
    array = np.array(boxes).reshape(-1, 4)
    kept = non_maximum_suppression(array, scores, 0.35)
    moved = non_maximum_suppression(array * 4 + 64, scores, 0.35)
    assert moved.tolist() == kept.tolist()
    shuffled = non_maximum_suppression(array[shuffle], scores[shuffle], 0.35)
    assert shuffle[shuffled].tolist() == kept.tolist()


def test_boxes_at_the_threshold_both_stay() -> None:
    boxes = np.array([[0.0, 0, 2, 2], [0, 0, 1, 2]])  # they share half of their union
    scores = np.array([0.9, 0.8])
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [0, 1]
    assert non_maximum_suppression(boxes, scores, 0.49).tolist() == [0]


def test_merge_averages_what_agrees_and_keeps_the_best_score() -> None:
    boxes: list[Box] = [(0, 0, 100, 100), (4, 0, 104, 100), (40, 0, 140, 100), (300, 0, 340, 40)]
    rows = merge(make_rows(boxes, [0.6, 0.9, 0.7, 0.8]), 0.3)
    assert rows[:, 0].tolist() == pytest.approx([0.9, 0.8])
    np.testing.assert_allclose(rows[0, 1:5], [2.4, 0, 102.4, 100], atol=1e-4)  # 0.9 : 0.6
    np.testing.assert_allclose(rows[0, 5:7], [2.4, 0], atol=1e-4)
    np.testing.assert_allclose(rows[1, 1:5], boxes[3])


def test_parts_of_a_clearly_better_face_are_dropped() -> None:
    face: Box = (0, 0, 100, 100)
    ear: Box = (80, 30, 99, 60)
    child: Box = (20, 50, 60, 90)
    beside: Box = (90, 0, 140, 60)
    rows = make_rows([face, ear, child, beside], [0.93, 0.6, 0.9, 0.6])
    kept = drop_parts(rows, 200, 200)
    np.testing.assert_array_equal(kept, rows[[0, 2, 3]])


def test_mirror_image_across_the_border_is_a_part() -> None:
    rows = make_rows([(165, 0, 257, 100), (221, 0, 291, 100)], [0.92, 0.79])
    assert drop_parts(rows, 250, 250)[:, 0].tolist() == pytest.approx([0.92])
    assert len(drop_parts(rows, 400, 400)) == 2  # there, it reaches far beyond the first


# --- planning the search ---------------------------------------------------------------------


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 400))
def test_scales_leave_no_gap(height: int, width: int, min_face: int) -> None:
    scales = plan_scales(height, width, min_face)
    assert scales == sorted(scales)
    assert scales[-1] == pytest.approx(min(24 / min_face, 2))
    fitting = [s for s in scales if s * max(height, width) <= 640 - 64 + 1e-6]
    assert fitting, "no scale shows the whole photo in one view"
    for coarse, fine in pairwise(scales):
        assert fine <= 4 * coarse * (1 + 1e-9)


@given(st.integers(1, 3000), st.integers(1, 3000), st.data())
def test_every_face_of_the_overlap_is_whole_in_some_view(
    height: int, width: int, data: st.DataObject
) -> None:
    side = min(height, width, 96)  # the finer scale must serve up to 4 x 24 pixels
    left = data.draw(st.integers(0, width - side))
    top = data.draw(st.integers(0, height - side))
    box = np.array([left, top, left + side, top + side])
    seen = False
    for x, y in tile_corners(height, width):
        assert 0 <= x <= max(0, width - 640)
        assert 0 <= y <= max(0, height - 640)
        rows = make_rows([tuple(box - [x, y, x, y])], [1.0])
        inside = x <= left and y <= top and left + side <= x + 640 and top + side <= y + 640
        seen |= inside and bool(yunet._whole(rows, x, y, height, width)[0])
    assert seen


@given(st.integers(1, 9000))
def test_views_cover_a_length_and_overlap(length: int) -> None:
    starts = sorted({left for left, _ in tile_corners(10, length)})
    assert starts[0] == 0
    assert starts[-1] == max(0, length - 640)
    assert all(b - a <= 640 - 128 for a, b in pairwise(starts))


def test_factors_are_those_of_the_rounded_size() -> None:
    level, factors = yunet._scaled(np.zeros((3, 5001, 3), np.uint8), 0.1)
    assert level.shape == (1 + 64, 500 + 64, 3)
    assert factors == (500 / 5001, 1 / 3)


def test_number_of_views_of_a_twelve_megapixel_photo() -> None:
    views = [
        len(list(tile_corners(round(3000 * s) + 64, round(4000 * s) + 64)))
        for s in plan_scales(3000, 4000, 24)
    ]
    assert views == [1, 1, 4, 48]


def test_boxes_cut_by_a_view_are_left_to_others_but_not_at_the_border_of_the_photo() -> None:
    rows = make_rows([(-5, 9, 40, 60), (9, 9, 40, 60), (600, 9, 638, 60)], [1, 1, 1])
    assert yunet._whole(rows, 0, 0, 640, 640).tolist() == [True, True, True]
    assert yunet._whole(rows, 100, 0, 640, 1200).tolist() == [False, True, False]


def test_finds_outside_of_the_photo_or_too_small_are_not_credible() -> None:
    boxes: list[Box] = [(-80, 0, 20, 100), (-60, 0, 40, 100), (0, 0, 20, 23), (0, 0, 20, 24)]
    rows = yunet._credible(make_rows(boxes, [1, 1, 1, 1]), 100, 100, 24)
    assert rows[:, 1:5].tolist() == [list(boxes[1]), list(boxes[3])]


# --- the search with a made-up network -------------------------------------------------------


def runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end of each run of true values."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]])))
    return [(int(a), int(b)) for a, b in zip(steps[::2], steps[1::2], strict=True)]


class RedFinder:
    """Stands in for the session: a red patch in the view is a face, its points on the diagonal."""

    def __init__(self) -> None:
        self.views = 0

    def run(self, names: tuple[str, ...], feed: dict[str, NDArray[np.float32]]) -> list[Any]:
        view = feed["input"]
        assert view.shape == (1, 3, 640, 640)
        assert view.dtype == np.float32
        self.views += 1
        blue, _, red = view[0]
        patch = (red > 170) & (blue < 50)
        heads = empty_heads()
        for (left, right), (top, bottom) in product(runs(patch.any(0)), runs(patch.any(1))):
            write_face(heads, (left, top, right, bottom))
        return [heads[name] for name in names]


def red_detector() -> tuple[YuNet, RedFinder]:
    net = YuNet.__new__(YuNet)
    net._session = finder = RedFinder()
    return net, finder


@pytest.mark.parametrize(
    ("size", "patch"),
    [
        ((250, 250), (60, 70, 140, 190)),
        ((3000, 2000), (1500, 900, 1540, 960)),
        ((2000, 3000), (2100, 40, 2600, 700)),
        ((1111, 4321), (3900, 1000, 3960, 1060)),
        ((90, 2400), (2300, 10, 2370, 80)),
        ((700, 701), (100, 300, 150, 360)),
    ],
    ids=str,
)
def test_patch_is_found_where_it_is(
    size: tuple[int, int], patch: tuple[int, int, int, int]
) -> None:
    pixels = np.full((*size, 3), 90, np.uint8)
    left, top, right, bottom = patch
    pixels[top:bottom, left:right] = (255, 0, 0)
    net, _ = red_detector()
    (found,) = net.detect(pixels)
    # The centre of the first pixel is at 0, so the patch begins half a pixel before its first.
    truth = np.array(patch) - 0.5
    tolerance = 2 + 0.02 * max(right - left, bottom - top)
    np.testing.assert_allclose(found.box, truth, atol=tolerance)
    expected = np.linspace(truth[:2], truth[2:], 5)
    np.testing.assert_allclose(found.landmarks, expected, atol=tolerance)
    assert found.landmarks.dtype == np.float32
    assert found.score == pytest.approx(1)


def test_place_is_exact_where_the_photo_is_not_resized() -> None:
    pixels = np.full((300, 300, 3), 90, np.uint8)
    pixels[70:190, 60:140] = (255, 0, 0)
    (found,) = red_detector()[0].detect(pixels)
    np.testing.assert_allclose(found.box, [59.5, 69.5, 139.5, 189.5], atol=1e-3)


def test_blue_is_not_red() -> None:
    pixels = np.full((300, 300, 3), 90, np.uint8)
    pixels[70:190, 60:140] = (0, 0, 255)
    assert red_detector()[0].detect(pixels) == []


def test_larger_faces_cost_fewer_views() -> None:
    net, finder = red_detector()
    pixels = np.zeros((1500, 2000, 3), np.uint8)
    net.detect(pixels, min_face=24)
    many, finder.views = finder.views, 0
    net.detect(pixels, min_face=96)
    assert finder.views < many / 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 3), (640, 640)])
def test_any_shape_is_searched(shape: tuple[int, int]) -> None:
    net, finder = red_detector()
    assert net.detect(np.zeros((*shape, 3), np.uint8)) == []
    assert finder.views >= 1


def test_read_only_and_strided_pixels_are_accepted() -> None:
    pixels = np.full((600, 600, 3), 90, np.uint8)
    pixels[100:400, 100:400] = (0, 0, 255)
    view = pixels[::2, ::2, ::-1]
    view.flags.writeable = False
    assert len(red_detector()[0].detect(view)) == 1


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.zeros((9, 9, 3), np.float32), {}),
        (np.zeros((9, 9), np.uint8), {}),
        (np.zeros((9, 9, 4), np.uint8), {}),
        (np.zeros((0, 9, 3), np.uint8), {}),
        (np.zeros((9, 9, 3), np.uint8), {"score_threshold": 0}),
        (np.zeros((9, 9, 3), np.uint8), {"score_threshold": 1.01}),
        (np.zeros((9, 9, 3), np.uint8), {"nms_threshold": -0.1}),
        (np.zeros((9, 9, 3), np.uint8), {"nms_threshold": float("nan")}),
        (np.zeros((9, 9, 3), np.uint8), {"min_face": 0}),
    ],
)
def test_arguments_outside_their_range_are_refused(
    pixels: NDArray[Any], options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="must be"):
        red_detector()[0].detect(pixels, **options)


# --- opening the network ---------------------------------------------------------------------


def fake_runtime(calls: dict[str, Any], shape: list[int]) -> Any:
    def session(data: bytes, options: Any, providers: list[str]) -> Any:
        calls.update(data=data, options=options, providers=providers)
        names = [f"{h}_{s}" for h in ("cls", "obj", "bbox", "kps") for s in (8, 16, 32)]
        return SimpleNamespace(
            get_inputs=lambda: [SimpleNamespace(name="input", shape=shape)],
            get_outputs=lambda: [SimpleNamespace(name=name) for name in names],
        )

    entries: dict[str, str] = {}
    options = SimpleNamespace(add_session_config_entry=entries.__setitem__, entries=entries)
    return SimpleNamespace(
        SessionOptions=lambda: options,
        InferenceSession=session,
        disable_telemetry_events=lambda: calls.update(telemetry="off"),
    )


def test_session_is_quiet_local_and_as_wide_as_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: dict[str, Any] = {}
    monkeypatch.setitem(sys.modules, "onnxruntime", fake_runtime(calls, [1, 3, 640, 640]))
    (tmp_path / "net.onnx").write_bytes(b"net")
    YuNet(tmp_path / "net.onnx", threads=3)
    assert calls["telemetry"] == "off"
    assert calls["data"] == b"net"
    assert calls["providers"] == ["CPUExecutionProvider"]
    assert calls["options"].intra_op_num_threads == 3
    assert calls["options"].log_severity_level == 4


def test_another_network_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", fake_runtime({}, [1, 3, 112, 112]))
    (tmp_path / "net.onnx").write_bytes(b"net")
    with pytest.raises(WeightsError, match="not the network of yunet-2023mar"):
        YuNet(tmp_path / "net.onnx")


def test_missing_extra_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bauta\[onnx\]'"):
        YuNet(tmp_path / "net.onnx")


def test_unreadable_file_is_a_weights_error(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(WeightsError, match=r"cannot load YuNet from .*absent\.onnx"):
        YuNet(tmp_path / "absent.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match="cannot load YuNet"):
        YuNet(tmp_path / "junk.onnx")


def test_threads_below_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="threads"):
        YuNet(tmp_path / "net.onnx", threads=0)


# --- the real network ------------------------------------------------------------------------

MODEL = SHARED / "weights" / "face_detection_yunet_2023mar.onnx"


@cache
def real_detector() -> YuNet:
    pytest.importorskip("onnxruntime")
    if not MODEL.is_file():
        pytest.skip(f"no {MODEL}: set BAUTA_SHARED")
    return YuNet(MODEL, threads=2)


def read(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        pytest.skip(f"no {path}: set BAUTA_SHARED")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@cache
def lfw_sample(count: int) -> list[NDArray[np.uint8]]:
    """Photos of ``count`` people, evenly spread over the alphabet."""
    people = sorted(path for path in (SHARED / "data" / "lfw").glob("*") if path.is_dir())
    if len(people) < count:
        pytest.skip(f"no {SHARED}/data/lfw: set BAUTA_SHARED")
    chosen = people[:: len(people) // count][:count]
    return [read(min(person.glob("*.jpg"))) for person in chosen]


def middle(found: list[Detection], side: int = 250) -> Detection | None:
    """The face at the centre of an LFW photo, which is how LFW was made."""
    half = side / 2
    return next(
        (
            face
            for face in found
            if face.box[0] < half < face.box[2] and face.box[1] < half < face.box[3]
        ),
        None,
    )


#: Boxes read off the photos by eye (forehead to chin, ear to ear), in pixels.
PHOTOS: dict[str, list[Box]] = {
    "biden.jpg": [(425, 180, 715, 565)],
    "obama.jpg": [(370, 90, 610, 415)],
    "obama2.jpg": [(200, 240, 470, 620)],
    "obama_and_biden.jpg": [(755, 400, 935, 640), (1140, 365, 1325, 595), (1630, 1040, 1780, 1225)],
}


@pytest.mark.shared
@pytest.mark.parametrize("name", PHOTOS)
def test_real_photos(name: str) -> None:
    found = real_detector().detect(read(SHARED / "photos" / name))
    assert len(found) == len(PHOTOS[name])
    assert [face.score for face in found] == sorted((f.score for f in found), reverse=True)
    for box in PHOTOS[name]:
        (face,) = (face for face in found if iou(box, face.box) > 0.8)
        assert face.score > 0.85
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] + 0.1 * (box[2] - box[0])
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.shared
def test_recall_on_lfw() -> None:
    found = [middle(real_detector().detect(photo)) for photo in lfw_sample(100)]
    assert np.mean([face is not None for face in found]) >= 0.98


@pytest.mark.shared
def test_mirrored_photo_gives_mirrored_faces() -> None:
    """Neither a half pixel lost in the coordinates nor an eye called by the other's name."""
    shifts = []
    for photo in lfw_sample(60):
        here = middle(real_detector().detect(photo))
        there = middle(real_detector().detect(photo[:, ::-1]))
        assert here is not None
        assert there is not None
        mirrored = there.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [249, 0]
        assert np.abs(mirrored - here.landmarks).max() < 0.15 * (here.box[3] - here.box[1])
        shifts.append(249 - there.box[2] - here.box[0] + 249 - there.box[0] - here.box[2])
    assert abs(np.mean(shifts) / 2) < 0.6


def scattered(photos: list[NDArray[np.uint8]], side: int) -> tuple[NDArray[np.uint8], list[Box]]:
    """A photo of twelve megapixels with LFW photos of ``side`` pixels strewn over it."""
    canvas = np.full((3000, 4000, 3), 120, np.uint8)
    rng = np.random.default_rng(0)
    places = []
    for number, photo in enumerate(photos):
        x = 400 * (number % 10) + int(rng.integers(0, 400 - side))
        y = 500 * (number // 10) + int(rng.integers(0, 500 - side))
        small = Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS)
        canvas[y : y + side, x : x + side] = np.asarray(small)
        places.append((x, y, x + side, y + side))
    return canvas, [(float(a), float(b), float(c), float(d)) for a, b, c, d in places]


@pytest.mark.shared
@pytest.mark.parametrize("side", [80, 200])  # faces of about 38 and 95 pixels
def test_small_faces_of_a_large_photo_are_found_once(side: int) -> None:
    canvas, places = scattered(lfw_sample(60), side)
    found = real_detector().detect(canvas)
    centres = np.array([[(f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2] for f in found])
    counts = []
    for left, top, right, bottom in places:
        middle_of = np.array([(left + right) / 2, (top + bottom) / 2])
        counts.append(int((np.abs(centres - middle_of).max(axis=1) < 0.15 * side).sum()))
    assert np.mean(np.array(counts) >= 1) >= 0.98
    assert max(counts) == 1


@pytest.mark.shared
@pytest.mark.parametrize("border", ["left", "top", "bottom"])
def test_third_of_a_face_at_the_border_is_found(border: str) -> None:
    hits = []
    for photo in lfw_sample(40):
        whole = middle(real_detector().detect(photo))
        assert whole is not None
        left, top, right, bottom = whole.box
        x, y = round(right - (right - left) / 3), round(bottom - (bottom - top) / 3)
        end = round(top + (bottom - top) / 3)
        cut, seen = {
            "left": (photo[:, x:], (0, top, right - x, bottom)),
            "top": (photo[y:], (left, 0, right, bottom - y)),
            "bottom": (photo[:end], (left, top, right, end)),
        }[border]
        height, width = cut.shape[:2]
        clipped = [
            (max(f.box[0], 0), max(f.box[1], 0), min(f.box[2], width), min(f.box[3], height))
            for f in real_detector().detect(cut)
        ]
        hits.append(any(iou(seen, box) > 0.4 for box in clipped))
    assert np.mean(hits) >= 0.9


@pytest.mark.shared
def test_face_that_fills_the_photo_is_found() -> None:
    pixels = read(SHARED / "photos" / "obama.jpg")
    close_up = Image.fromarray(pixels[90:415, 370:610]).resize((2400, 3250))
    (face,) = real_detector().detect(np.asarray(close_up))
    assert iou(face.box, (0, 0, 2400, 3250)) > 0.75
    # Closer still, an ear looks like a small face of its own.
    inside = Image.fromarray(pixels[146:360, 382:596]).resize(
        (2000, 2000), Image.Resampling.BICUBIC
    )
    (face,) = real_detector().detect(np.asarray(inside))
    assert face.score > 0.85


@pytest.mark.shared
def test_least_size_and_scores_are_respected() -> None:
    photo = read(SHARED / "photos" / "obama_and_biden.jpg")
    net = real_detector()
    assert len(net.detect(photo, min_face=200)) == 2
    assert len(net.detect(photo, score_threshold=0.99)) == 0
    assert all(f.score >= 0.3 for f in net.detect(photo, score_threshold=0.3))


@pytest.mark.shared
def test_same_photo_gives_the_same_faces_on_any_number_of_threads() -> None:
    photo = read(SHARED / "photos" / "biden.jpg")
    (one,) = real_detector().detect(photo)
    (again,) = real_detector().detect(photo)
    (alone,) = YuNet(MODEL, threads=1).detect(photo)
    assert one.box == again.box
    np.testing.assert_array_equal(one.landmarks, again.landmarks)
    np.testing.assert_allclose(one.box, alone.box, atol=0.01)


@pytest.mark.shared
def test_nothing_is_printed() -> None:
    real_detector()
    code = (
        "import sys, numpy as np; from pathlib import Path; from bauta.faces.yunet import YuNet;"
        "YuNet(Path(sys.argv[1])).detect(np.zeros((50, 50, 3), np.uint8))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(MODEL)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
