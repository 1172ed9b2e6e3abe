"""``bauta recognizers evaluate`` and ``diversity`` on a handful of photos, and ``show``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import Result

from bauta.recognizers import zoo
from bauta.recognizers.embeddings import assumed_face
from bauta.recognizers.evaluate import FARS, Pair, _pair
from bauta.recognizers.thresholds import thresholds_of
from bauta.weights.records import record

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
HERE = ("--data", "faces", "--pairs", "pairs.txt")


@pytest.fixture
def data(
    folder: Path,
    collins: NDArray[np.uint8],
    hopper: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Two people with two photos each, in 2 x 1000 pairs: as many as FAR 0.1 % needs."""
    for name, pixels in (("Ann", collins), ("Bob", hopper)):
        (folder / "faces" / name).mkdir(parents=True)
        for number, shift in ((1, 0), (2, 6)):
            photo = Image.fromarray(pixels[shift : shift + 400, 60 + shift : 460 + shift])
            photo.resize((128, 128)).save(folder / f"faces/{name}/{name}_000{number}.jpg")
    half = ["Ann 1 2"] * 10 + ["Bob 1 2"] * 490 + ["Ann 1 Bob 2"] * 499 + ["Ann 2 Bob 1"]
    rows = [*half[:500], *half[500:], *half[:500], *half[500:]]
    (folder / "pairs.txt").write_text("\n".join(["2 500", *rows]))
    # Faces are in the middle; finding them is tested elsewhere. In one photo none was found.
    middle = assumed_face(np.asarray(photo.resize((128, 128))))
    monkeypatch.setattr(
        "bauta.recognizers.evaluate.index_faces",
        lambda root, names, cache, **_: {n: None if "Ann_0002" in n else middle for n in names},
    )
    return folder


def test_several_recognizers_with_a_picture(bauta: Run, parsed: Parse, data: Path) -> None:
    words = ("recognizers", "evaluate", "dlib", "dlib-native", *HERE, "--plot", "roc.png")
    rows = parsed(bauta(*words, "--json"))
    assert [row["recognizer"] for row in rows] == ["dlib", "dlib-native"]
    for row in rows:
        assert row["accuracy"] == 1
        assert (row["pairs"], row["assumed"]) == (2000, 1)
        assert set(row["thresholds"]) == {*FARS, "equal-error"}
        # Saved as the user's own, with a command that repeats this recognizer's part.
        saved = thresholds_of(row["recognizer"])["far-1%"]
        assert saved.similarity == row["thresholds"]["far-1%"]["similarity"]
        assert saved.command == (
            f"bauta recognizers evaluate {row['recognizer']} --data faces --pairs pairs.txt"
        )
    with Image.open("roc.png") as picture:
        assert picture.format == "PNG"
    text = bauta(*words)
    assert text.exit_code == 0
    assert "dlib-native: accuracy 100.00%" in text.stdout
    assert "picture written to roc.png" in text.stdout


def test_the_second_run_embeds_nothing(
    bauta: Run, parsed: Parse, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("recognizers", "evaluate", "dlib", *HERE, "--json")
    first = parsed(bauta(*words))
    judge = zoo.get_recognizer("dlib")
    monkeypatch.setattr(judge, "embed", lambda *_: pytest.fail("it embeds again"))
    assert parsed(bauta(*words)) == first


def test_diversity(bauta: Run, parsed: Parse, data: Path) -> None:
    words = ("recognizers", "diversity", "dlib", "dlib-native", *HERE)
    found = parsed(bauta(*words, "--json"))
    # All is right here, so nothing can be known about failing together.
    assert found["error_correlation"] == [[None, None], [None, None]]
    (team,) = found["teams"]
    assert team["members"] == ["dlib", "dlib-native"]
    assert (team["focal_diversity"], team["interval"], team["some_fail"]) == (None, [None] * 2, 0)
    assert [row["errors"] for row in found["recognizers"]] == [0, 0]
    assert (found["at"], found["pairs"]) == ("equal-error", 1978)
    # Those with the photo in which no face was found: 10 and 1 in each of 2 folds.
    assert found["pairs_left_out"] == 22
    text = bauta(*words, "--plot", "heat.svg")
    assert text.exit_code == 0
    assert "dlib + dlib-native" in text.stdout
    assert "<svg" in Path("heat.svg").read_text("utf-8")


def test_diversity_counts_errors_at_the_asked_threshold(
    bauta: Run, parsed: Parse, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every tenth pair that is announced as one person's shows two.
    rows = Path("pairs.txt").read_text().splitlines()
    shown = ["Ann 1 Bob 2" if i % 10 == 1 else row for i, row in enumerate(rows)]
    monkeypatch.setattr(
        "bauta.recognizers.evaluate._pair", _claimed_same(zip(rows[1:], shown[1:], strict=True))
    )
    found = parsed(bauta("recognizers", "diversity", "dlib", "dlib-native", *HERE, "--json",
                         "--at", "far-1%"))  # fmt: skip
    for row in found["recognizers"]:
        assert row["refused_genuine"] == 100
        assert row["errors"] == row["refused_genuine"] + row["accepted_impostors"]
        assert row["accepted_impostors"] <= 10
    assert found["error_correlation"][0][1] > 0.9
    assert found["teams"][0]["focal_diversity"] < 0.1


def _claimed_same(rows: Any) -> Callable[..., Any]:
    """Stand in for ``_pair``: a first row says what is claimed, a second which photos."""
    turn = iter([(_pair(claim.split(), 0), _pair(photos.split(), 0)) for claim, photos in rows])

    def pair(words: Any, fold: int) -> Pair:
        del words
        claim, photos = next(turn)
        return Pair(photos.a, photos.b, claim.same, fold)

    return pair


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("evaluate", "dlib", "dlib"), "named twice"),
        (("evaluate", "dlib", "dlibb"), "did you mean"),
        (("evaluate", "dlib", "--plot", "roc.jpg"), ".png or .svg"),
        (("diversity", "dlib", "dlib-native", "--plot", "heat.gif"), ".png or .svg"),
        (("diversity", "dlib"), "teams of 2"),
        (("diversity", "dlib", "dlib-native", "--size", "3"), "teams of 3"),
        (("diversity", "dlib", "dlib-native", "--at", "far-5%"), "no threshold is called 'far-5%'"),
    ],
)
def test_what_is_refused(bauta: Run, data: Path, words: tuple[str, ...], message: str) -> None:
    result = bauta("recognizers", *words, *HERE)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(Path().glob("*.jpg"))


def test_a_card_fits_80_columns_and_keeps_what_is_copied_whole(bauta: Run) -> None:
    row = record("mobilefacenet-ms1m")
    for name in ("mobilefacenet-ms1m", "dlib-resnet", "dlib-native", "sphere20", "yunet-2023mar"):
        lines = bauta("recognizers", "show", name).stdout.splitlines()
        long = [line for line in lines if len(line) > 80]
        assert all(len(line.split()[-1]) > 64 for line in long)
    text = bauta("recognizers", "show", "mobilefacenet-ms1m").stdout
    for whole in (row.sha256, row.url, row.origin, "fetch mobilefacenet-ms1m"):
        assert whole in text
    assert "evaluate sphere20" in bauta("recognizers", "show", "sphere20").stdout


def test_a_card_for_programs(bauta: Run, parsed: Parse) -> None:
    shown = parsed(bauta("recognizers", "show", "dlib", "--json"))
    assert shown["sha256"] == record("dlib-resnet").sha256
    assert shown["installed"] is True
    (facts,) = shown["recognizers"]
    assert facts["parameters"] > 5e6
    assert facts["crop"]["size"] == 150
    assert facts["thresholds"]["far-1%"]["similarity"] == thresholds_of("dlib")["far-1%"].similarity


def test_pairs_of_a_split(
    bauta: Run, parsed: Parse, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [f"P{number:02d}" for number in range(46)]
    for who in people:
        (data / "faces" / who).mkdir()
        for number in range(8):
            (data / f"faces/{who}/{who}_{number:04d}.jpg").touch()
    (data / "mine.json").write_text(json.dumps({"people": [*people, "Cid"]}))
    # Embedding is tested elsewhere; here everybody has a direction of their own.
    rng = np.random.default_rng(0)
    centres = {who: rng.normal(size=64) for who in people}
    monkeypatch.setattr(
        "bauta.recognizers.evaluate.embed_photos",
        lambda judge, root, found, cache, **_: {
            name: row / np.linalg.norm(row)
            for name in found
            for row in [centres[name[:3]] + 0.1 * rng.normal(size=64)]
        },
    )
    words = ("recognizers", "evaluate", "dlib-native", "--data", "faces", "--split", "mine.json")
    (row,) = parsed(bauta(*words, "--json"))
    # 28 genuine pairs of each, and of every two people at most one impostor pair.
    assert (row["pairs"], row["accuracy"]) == (46 * 28 + 46 * 45 // 2, 1)
    limit = row["thresholds"]["far-1%"]
    assert limit["data"] == "faces, 2,323 pairs of 46 people of mine"
    assert limit["command"].endswith("evaluate dlib-native --data faces --split mine.json")


@pytest.mark.parametrize("words", [(), ("--pairs", "pairs.txt", "--split", "mine.json")])
def test_pairs_or_split_and_not_both(bauta: Run, data: Path, words: tuple[str, ...]) -> None:
    result = bauta("recognizers", "evaluate", "dlib", "--data", "faces", *words)
    assert result.exit_code == 2
    assert "either --pairs or --split" in result.stderr
