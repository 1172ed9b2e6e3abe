"""Protection of clips against protection frame by frame: work, flicker, and what judges say.

PYTHONPATH=. python benchmarks/clips.py PHOTO... CLIP... --sides 90 150 --crf 15 23 28

Real clips are taken from --start on. Others are made from portraits: a camera that glides, zooms
and tilts; and a head that turns by 25 degrees, and back, and opens its mouth, by the mean head that
Bauta makes views with. Both are encoded by x264 at CRF 14 first, as a camera would. Frame by frame
is measured on every fifth pair of frames. Matches are the share of a person's other photos that
still match, estimated from the similarity to the original two frames later, as the mean over the
judges.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.media.video.make import Clip, make

from bauta.clips import carrying
from bauta.clips.carrying import Carrier, View
from bauta.clips.flicker import added, flicker_of, pair_of
from bauta.clips.judging import estimate
from bauta.clips.tracking import Tracker
from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.media import read_photo
from bauta.media.video import VideoWriter, is_video, read_video
from bauta.optimisation import carried_out
from bauta.protection import team
from bauta.recognizers.base import similarity_matrix
from bauta.recognizers.zoo import get_recognizer
from bauta.settings import Settings
from bauta.views.expression import Expression
from bauta.views.pose import Pose
from bauta.views.turning import Head, look_up, solve
from bauta.views.window import open_window

Pixels = NDArray[np.uint8]
SIZE = (480, 360)


def scaled(pixels: Pixels, face: Face, side: float) -> tuple[Pixels, Face]:
    """A photo whose face has a frame of so many pixels, and the face."""
    factor = side / face.frame_side
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return small, find(small, min_face=20)[0]


def gliding(pixels: Pixels, face: Face, count: int) -> list[Pixels]:
    """A camera that glides, zooms and tilts."""
    x, y = face.corners().mean(axis=0)
    frames = []
    for i in range(count):
        t = i - count / 2
        zoom, angle = 1 - 0.003 * t, math.radians(0.4 * t)
        a, b = zoom * math.cos(angle), zoom * math.sin(angle)
        left = x + 1.3 * t - a * SIZE[0] / 2 + b * SIZE[1] / 2
        top = y + 0.6 * t - b * SIZE[0] / 2 - a * SIZE[1] / 2
        frames.append(_taken(pixels, (a, -b, left, b, a, top)))
    return frames


def turning(pixels: Pixels, face: Face, count: int) -> list[Pixels]:
    """A head that turns and speaks; the frames show little more than the head."""
    window, head = open_window(pixels, face), Head.of(face)
    was = head.table(head.pose)
    height, width = (length // 2 * 2 for length in window.size)
    frames = []
    for i in range(count):
        yaw = head.pose.yaw + 25 * math.sin(math.pi * i / count)
        jaw = max(0.0, math.sin(2 * math.pi * i / 12))
        now = head.table(Pose(yaw), Expression(jaw=jaw))
        picture = window.fetch(look_up(was, solve(now, window.points())))
        shown = picture.round().byte().permute(1, 2, 0).numpy()
        frames.append(np.ascontiguousarray(shown[:height, :width]))
    return frames


def _taken(pixels: Pixels, affine: tuple[float, ...]) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(
        image.transform(SIZE, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
    )


@dataclass
class Result:
    """What was measured of one way to protect a clip."""

    steps: float
    seconds: float
    keys: int
    matches: float
    worst: float
    similarity: float
    flicker: float


def views_of(path: Path, start: int = 0, count: int | None = None) -> list[View]:
    """The first face of a clip, frame by frame."""
    with read_video(path) as video:
        some = islice(video, start, None if count is None else start + count)
        tracker = Tracker(get_recognizer("tight-ms1m").surrogate(), min_face=40)
        shown = [(one.frame, one.faces[1]) for one in tracker.track(some) if 1 in one.faces]
    return [
        View(index=frame.index, pixels=frame.pixels.copy(), face=face, fresh=at == 0)
        for at, (frame, face) in enumerate(shown)
    ]


def protected(
    views: Sequence[View], settings: Settings, *, alone: bool
) -> tuple[list[Pixels], list[int], int, float]:
    """Changed frames, steps of each, key frames, and seconds."""
    surrogates, _ = team(settings)
    carrier = Carrier(settings, surrogates)
    out, steps, keys = [], [], 0
    began = time.perf_counter()
    for view in views:
        if alone:
            carrier = Carrier(settings, surrogates)
        done, found = carrier.protect(view)
        steps.append(done.steps)
        keys += done.kind == "key"
        out += carried_out([view.pixels], [[view.face]], [found], settings, [False])
    return out, steps, keys, time.perf_counter() - began


def judged(
    views: Sequence[View], changed: Sequence[Pixels], pairs: Sequence[int], judges: Sequence[str]
) -> tuple[float, float, float, float]:
    """Mean and worst share of matches, mean similarity, and flicker over pairs of frames."""
    matches, similarities, flickers = [], [], []
    for at in pairs:
        view, other = views[at], views[(at + 2) % len(views)]
        rows = []
        for name in judges:
            judge = get_recognizer(name)
            after = judge.embed([changed[at]], [view.face])
            value = float(similarity_matrix(after, judge.embed([other.pixels], [other.face]))[0, 0])
            rows.append((estimate(judge, value), value))
        matches.append(np.mean([row[0] for row in rows]))
        similarities.append(np.mean([row[1] for row in rows]))
        first, second = (added(views[i].pixels, changed[i], views[i].face) for i in (at, at + 1))
        flickers.append(pair_of(first, second))
    means = float(np.mean(matches)), float(np.max(matches)), float(np.mean(similarities))
    return (*means, flicker_of(flickers))


def measured(
    views: Sequence[View], settings: Settings, judges: Sequence[str]
) -> tuple[Result, Result, list[Pixels]]:
    """Carried along, frame by frame, and the frames of the former."""
    changed, steps, keys, seconds = protected(views, settings, alone=False)
    pairs = list(range(0, len(views) - 1, 5))
    row = judged(views, changed, pairs, judges)
    carried = Result(float(np.mean(steps)), seconds / len(views), keys, *row)
    few = [views[i] for at in pairs for i in (at, at + 1)]
    alone, steps, keys, seconds = protected(few, settings, alone=True)
    whole = list(changed)
    for view_at, pixels in zip([i for at in pairs for i in (at, at + 1)], alone, strict=True):
        whole[view_at] = pixels
    row = judged(views, whole, pairs, judges)
    return carried, Result(float(np.mean(steps)), seconds / len(few), keys, *row), changed


def encoded(
    clip: Path, views: Sequence[View], changed: Sequence[Pixels], crf: int, judges: Sequence[str]
) -> tuple[float, float, int]:
    """Matches and similarity after encoding, and bytes."""
    out = clip.with_name(f"crf{crf}.mp4")
    by_index = {view.index: pixels for view, pixels in zip(views, changed, strict=True)}
    with read_video(clip) as video, VideoWriter(video, out, crf=crf, overwrite=True) as writer:
        for frame in video:
            writer.write(frame, by_index.get(frame.index, frame.pixels))
    with read_video(out) as video:
        seen = {frame.index: frame.pixels.copy() for frame in video}
    pairs = list(range(0, len(views) - 1, 5))
    row = judged(views, [seen[view.index] for view in views], pairs, judges)
    return row[0], row[2], out.stat().st_size


def main() -> None:
    """Measure and print, one line per clip, seed and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path, metavar="PHOTO or CLIP")
    parser.add_argument("--start", type=int, default=0, help="first frame of real clips")
    parser.add_argument("--method", default=Settings().method)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--sides", nargs="+", type=float, default=[90.0, 160.0])
    parser.add_argument("--frames", type=int, default=31)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--crf", nargs="*", type=int, default=[])
    parser.add_argument("--fineness", type=float, default=carrying._FINENESS)
    parser.add_argument(
        "--judge", nargs="+", default=["tight-judge", "facexzoo", "faceplugin", "mobilefacenet-tf"]
    )
    given = parser.parse_args()
    carrying._FINENESS = given.fineness
    print(
        "clip | seed | way | steps/frame | s/frame | keys | matches | worst | similarity | flicker"
    )
    for source in given.sources:
        if is_video(source):
            views = views_of(source, given.start, given.frames)
            _print(f"{source.stem} from {given.start}", source, views, given)
        else:
            _made_of(source, given)


def _made_of(photo: Path, given: argparse.Namespace) -> None:
    """Measure clips that are made of a portrait."""
    whole = read_photo(photo).pixels
    for side in given.sides:
        pixels, face = scaled(whole, find(whole)[0], side)
        for kind in (gliding, turning):
            frames = kind(pixels, face, given.frames)
            with tempfile.TemporaryDirectory() as folder:
                clip = Path(folder) / "clip.mp4"
                size = (frames[0].shape[1], frames[0].shape[0])
                make(clip, Clip(size=size, sound=None, options={"crf": "14"}), frames)
                _print(f"{photo.stem} {side:g} px {kind.__name__}", clip, views_of(clip), given)


def _print(name: str, clip: Path, views: Sequence[View], given: argparse.Namespace) -> None:
    for seed in given.seeds:
        settings = Settings(method=given.method, preset=given.preset, seed=seed)
        carried, alone, changed = measured(views, settings, given.judge)
        for way, row in (("carried", carried), ("frame by frame", alone)):
            print(
                f"{name} ({len(views)}) | {seed} | {way} | {row.steps:.1f} | {row.seconds:.2f} | "
                f"{row.keys} | {row.matches:.1%} | {row.worst:.1%} | {row.similarity:.3f} | "
                f"{row.flicker:.2f}",
                flush=True,
            )
        for crf in given.crf:
            matches, similarity, size = encoded(clip, views, changed, crf, given.judge)
            print(f"    CRF {crf}: {size} bytes, matches {matches:.1%}, {similarity:.3f}")


if __name__ == "__main__":
    main()
