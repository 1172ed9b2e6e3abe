"""Parts of the embedded engine: shape, turning, mirror, light, camera, variety; and the sheet."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bauta.errors import UsageError
from bauta.faces.detect import find_faces
from bauta.faces.face import TEMPLATES, Face
from bauta.views.base import View
from bauta.views.camera import Camera
from bauta.views.expression import EXPRESSIONS, NEUTRAL, movement
from bauta.views.lighting import Light, brightened, own_light, relight
from bauta.views.mirror import ORDER, mirrored
from bauta.views.pose import Pose, guess_yaw
from bauta.views.shape import POINTS, REACH, anchors, height, normals, plane, relief
from bauta.views.sheet import sheet_of
from bauta.views.turning import Head, look_up, solve
from bauta.views.variety import PITCH, YAW, recipes
from bauta.views.window import open_window
from tests.faces.make import face_at, noise

FACE = face_at(200, 200, 200)
EXTREMES = [Pose(30, 10, 7), Pose(-30, -10, 7), Pose(0, 15, -7), Pose(25, -14, -7)]


def turned(yaw: float, scheme: str = "dlib5") -> np.ndarray:
    """The mean face's landmarks, (N, 2) in head coordinates, of a head that is turned."""
    _, mean = anchors(scheme)
    z = height(torch.from_numpy(mean)).numpy()
    return (np.column_stack([mean, z]) @ Pose(yaw).rotation.T)[:, :2]


def test_the_nose_is_highest_and_the_background_flat():
    z = relief()
    row, column = divmod(int(z.argmax()), POINTS)
    x, y = plane()[row, column].tolist()
    assert abs(x) < 0.03
    assert 0.05 < y < 0.25
    assert 0.8 < float(z.max()) < 1.0
    for edge in (z[0], z[-1], z[:, 0], z[:, -1]):
        assert float(edge.abs().max()) < 1e-6
    torch.testing.assert_close(z, z.flip(1))


def test_normals_have_unit_length_and_lean_outwards():
    normal = normals()
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(POINTS, POINTS))
    right = normal[POINTS // 2, round((0.6 / REACH + 1) / 2 * POINTS)]
    assert float(right[0]) > 0.3
    assert float(right[2]) > 0


@pytest.mark.parametrize("scheme", ["dlib5", "yunet5"])
@pytest.mark.parametrize("yaw", [-30, -15, 0, 15, 30])
def test_yaw_is_guessed_from_landmarks(yaw: float, scheme: str):
    # The guess leans towards the front, which is where people look.
    assert guess_yaw(turned(yaw, scheme), scheme) == pytest.approx(0.85 * yaw, abs=4)


def test_rotations_go_the_way_that_their_names_say():
    nose = np.array([0.0, 0.0, 1.0])
    assert (Pose(yaw=20).rotation @ nose)[0] > 0.3
    assert (Pose(pitch=20).rotation @ nose)[1] < -0.3
    assert (Pose(roll=20).rotation @ [1.0, 0.0, 0.0])[1] > 0.3


@pytest.mark.parametrize("pose", EXTREMES, ids=str)
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_nothing_folds_over(pose: Pose, name: str):
    table = Head.of(FACE).table(pose, EXPRESSIONS[name])
    step = 2 * REACH / (POINTS - 1)
    down, right = torch.gradient(table, dim=(0, 1), spacing=step)
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert float(area.min()) > 0.1
    assert float(area.max()) < 2.6


@pytest.mark.parametrize("pose", [*EXTREMES, Pose(40), Pose(-40)], ids=str)
def test_solving_inverts_a_table(pose: Pose):
    table = Head.of(FACE).table(pose, EXPRESSIONS["laugh"])
    line = torch.linspace(-1.4, 1.4, 60)
    targets = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    error = look_up(table, solve(table, targets)) - targets
    assert float(error.norm(dim=-1).max()) < 0.004


def test_background_stays_where_it_is():
    moved = Head.of(FACE).table(Pose(30, 10, 7)) - plane()
    rim = torch.cat([moved[:20], moved[-20:], moved[:, :20].transpose(0, 1)])
    assert float(rim.abs().max()) < 0.05


def test_the_photos_own_pose_gives_the_photo_back(collins: np.ndarray, collins_face: Face):
    window, head = open_window(collins, collins_face), Head.of(collins_face)
    table = head.table(head.pose, NEUTRAL)
    again = window.fetch(look_up(table, solve(table, window.points())))
    plain = window.fetch(window.points())
    assert float((again - plain).abs().mean()) < 0.6
    assert plain.shape == (3, *window.size)


def test_a_ramp_is_not_torn():
    photo = np.repeat(np.linspace(40, 200, 400).astype(np.uint8)[None, :, None], 400, 0)
    photo = np.repeat(photo, 3, 2)
    window, head = open_window(photo, FACE), Head.of(FACE)
    for pose in EXTREMES:
        points = solve(head.table(pose), window.points())
        picture = window.fetch(look_up(head.table(head.pose), points))
        # 0.4 grey levels a pixel: a strip that is five times as narrow is two.
        assert float(picture.diff(dim=2).abs().max()) < 4


@pytest.mark.parametrize("name", [n for n, e in EXPRESSIONS.items() if e != NEUTRAL])
def test_expressions_move_the_face_and_nothing_else(name: str):
    moves = movement(plane(), EXPRESSIONS[name]).norm(dim=-1)
    assert 0.008 < float(moves.max()) < 0.12
    x, y = plane().unbind(-1)
    assert float(moves[(x.abs() > 0.95) | (y < -0.8)].max()) < 0.005


@pytest.mark.parametrize("scheme", ORDER)
def test_mirroring_twice_is_nothing(scheme: str):
    order = np.array(ORDER[scheme])
    np.testing.assert_array_equal(order[order], np.arange(len(order)))
    points = np.random.default_rng(0).uniform(0, 90, (len(order), 2)).astype(np.float32)
    face = Face((10, 20, 40, 60), 1.0, points, scheme)
    pixels = noise(80, 90)
    back, again = mirrored(*mirrored(pixels, face))
    np.testing.assert_array_equal(back, pixels)
    np.testing.assert_allclose(again.landmarks, points, atol=1e-4)
    assert again.box == face.box


@pytest.mark.parametrize("scheme", ["dlib5", "yunet5"])
def test_the_mean_face_is_its_own_mirror_image(scheme: str):
    _, face = mirrored(noise(200, 200), face_at(99.5, 99.5, 200, scheme=scheme))
    np.testing.assert_allclose(face.landmarks, face_at(99.5, 99.5, 200, scheme=scheme).landmarks,
                               atol=3)  # fmt: skip
    assert TEMPLATES[scheme].shape == face.landmarks.shape


def test_68_mirrored_landmarks_are_those_of_the_mirrored_photo(collins: np.ndarray):
    (face,) = find_faces(collins, landmarks="dlib68")
    pixels, twin = mirrored(collins, face)
    (found,) = find_faces(pixels, landmarks="dlib68")
    away = np.linalg.norm(found.landmarks - twin.landmarks, axis=1)
    assert away.mean() < 0.03 * face.frame_side


def test_light_comes_from_where_it_stands():
    photo = np.full((400, 400, 3), 120, dtype=np.uint8)
    window, head = open_window(photo, FACE), Head.of(FACE)
    points = window.points()
    picture = window.fetch(points)
    right = relight(picture, window, points, Light(60, 0, 0.8), was=Pose(), now=Pose(), own=0.0)[0]
    middle = right.shape[1] // 2
    face_rows = slice(right.shape[0] // 3, right.shape[0] * 2 // 3)
    left_half = right[face_rows, middle - 45 : middle - 15].mean()
    right_half = right[face_rows, middle + 15 : middle + 45].mean()
    assert float(right_half - left_half) > 20
    # Around the head the light is as it was.
    assert float((right[:, :20] - 120).abs().max()) < 1
    lit = right[None].expand(3, -1, -1).permute(1, 2, 0).round().to(torch.uint8).numpy()
    slope = own_light(open_window(lit, face_at(middle, middle, 200)), head.table(Pose()), Pose())
    assert slope > 0.2


def test_highlights_do_not_clip():
    ramp = torch.linspace(0, 255, 256)
    brighter = brightened(ramp, torch.full_like(ramp, 1.7))
    assert float(brighter.max()) <= 255
    assert bool((brighter.diff() > 0).all())
    torch.testing.assert_close(brightened(ramp, torch.full_like(ramp, 0.5)), ramp / 2)


def test_cameras_do_what_they_say():
    picture = torch.from_numpy(noise(90, 90)).permute(2, 0, 1).float() * 0.6 + 50
    plain = shot(Camera(), picture)
    assert np.abs(plain - picture.permute(1, 2, 0).numpy()).max() < 1
    warm = shot(Camera(warmth=1.0), picture)
    assert warm[..., 0].mean() > plain[..., 0].mean() + 5
    assert warm[..., 2].mean() < plain[..., 2].mean() - 5
    assert shot(Camera(gamma=1.3), picture).mean() < plain.mean() - 5
    assert shot(Camera(contrast=1.3), picture).std() > plain.std() + 2
    assert np.ptp(shot(Camera(saturation=0.0), picture), axis=2).max() <= 1
    for soft in (Camera(blur=0.02), Camera(resolution=20)):
        assert shot(soft, picture).std() < plain.std() - 5
    assert np.abs(shot(Camera(noise=5.0), picture) - plain).mean() == pytest.approx(4, abs=0.5)
    assert 1 < np.abs(shot(Camera(quality=60), picture) - plain).mean() < 40


def shot(camera: Camera, picture: torch.Tensor) -> np.ndarray:
    return camera.take(picture, 60.0, np.random.default_rng(0)).astype(float)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 20])
def test_recipes_are_spread(count: int):
    set_ = recipes(count, np.random.default_rng(3))
    yaws = [recipe.pose.yaw for recipe in set_]
    assert len(set_) == count
    assert yaws == sorted(yaws)
    assert max(map(abs, yaws)) <= YAW
    assert max(abs(recipe.pose.pitch) for recipe in set_) <= PITCH
    if count > 1:
        assert yaws[0] < 0 < yaws[-1]
        assert max(np.diff(yaws)) < 1.6 * 2 * YAW / count
    for part in ("expression", "light", "camera"):
        assert len({getattr(recipe, part) for recipe in set_}) == min(count, 8)


@pytest.mark.parametrize(("count", "columns", "rows"), [(8, 3, 3), (3, 2, 2), (0, 4, 1)])
def test_a_sheet_has_a_cell_for_each(count: int, columns: int, rows: int):
    views = [
        View(noise(90, 60, n), FACE, f"yaw {n:+d}, " + "many words " * 9) for n in range(count)
    ]
    sheet = sheet_of(views, noise(50, 100), columns=columns)
    assert sheet.dtype == np.uint8
    height, width = sheet.shape[0] / rows, sheet.shape[1] / columns
    assert 240 < width < 340
    assert width < height < width + 80
    # The photo is first; below it stand dark letters.
    first = sheet[: int(height), : int(width)]
    assert first[: int(width)].std() > 20
    assert first[int(width) :].min() < 100


def test_a_sheet_has_columns():
    with pytest.raises(UsageError, match="at least one column"):
        sheet_of([], noise(20, 20), columns=0)
