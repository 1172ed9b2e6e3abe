"""``bauta protect``: exit codes, what it writes where, and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from bauta.faces import finders
from bauta.recognizers import zoo

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
FAST = ("--preset", "fast")


def test_photo_is_written_beside_the_original(bauta: Run, portrait: Path) -> None:
    before = portrait.read_bytes()
    result = bauta("protect", portrait, *FAST)
    assert result.exit_code == 0
    assert sorted(p.name for p in Path().iterdir()) == ["me-protected.jpg", "me.jpg"]
    assert portrait.read_bytes() == before
    assert result.stderr == ""
    assert "me-protected.jpg: " in result.stdout
    assert "(surrogate)" in result.stdout  # dlib's own library
    assert "tight-judge" in result.stdout  # the independent one
    assert "--other PHOTO measures it" in result.stdout


def test_json_is_one_document_and_nothing_else(
    bauta: Run, parsed: Parse, portrait: Path, tmp_path: Path
) -> None:
    report = tmp_path / "new" / ".." / "proof"
    (tmp_path / "new").mkdir()
    result = bauta("protect", portrait, *FAST, "--json", "--report", report)
    assert result.exit_code == 0
    assert result.stderr == ""
    data = parsed(result)
    assert data["failures"] == []
    (photo,) = data["photos"]
    assert photo["verdict"] in ("weakened", "recognisable")
    assert photo["settings"]["preset"] == "fast"
    assert photo["settings"]["surrogates"] == ["loose-dlib", "tight-dlib"]
    (face,) = photo["faces"]
    score, stranger = face["scores"]
    assert (score["judge"], score["independent"]) == ("dlib-native", False)
    assert score["after"] < score["threshold"] < score["before"]
    assert score["estimated"]
    assert 0 <= score["matches"] < 0.3
    assert (stranger["judge"], stranger["independent"]) == ("tight-judge", True)
    assert photo["protected"] == "me-protected.jpg"
    assert photo["bytes"]["protected"] == Path("me-protected.jpg").stat().st_size
    written = json.loads((tmp_path / "proof.json").read_text())["photos"]
    assert written == data["photos"]
    assert (tmp_path / "proof.html").is_file()


def test_page_has_no_folder_and_no_personal_data(bauta: Run, portrait: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "Kodamatic", "Jane Roe"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.0)})
    with Image.open(portrait) as image:
        image.save(portrait, exif=exif, quality=92)
    result = bauta("protect", portrait.absolute(), *FAST, "--report", "page.html")
    assert result.exit_code == 0
    assert "report: page.html" in result.stderr
    page = Path("page.html").read_text()
    assert "me-protected.jpg" in page
    for secret in (str(Path.cwd()), Path.cwd().name + "/", "Kodamatic", "Jane Roe", "Exif"):
        assert secret not in page
    assert b"Kodamatic" in portrait.read_bytes()
    assert b"Kodamatic" not in Path("me-protected.jpg").read_bytes()
    assert "metadata left out: GPS position, camera make and model" in result.stdout


def test_keep_metadata_keeps_it_and_does_not_claim_otherwise(bauta: Run, portrait: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Kodamatic"
    with Image.open(portrait) as image:
        image.save(portrait, exif=exif)
    result = bauta("protect", portrait, *FAST, "--keep-metadata")
    assert result.exit_code == 0
    assert b"Kodamatic" in Path("me-protected.jpg").read_bytes()
    assert "left out" not in result.output


@pytest.mark.parametrize(
    ("words", "help_words"),
    [
        (["--preset", "quick"], ["quick", "fast", "balanced", "strong"]),
        (["--method", "tipim"], ["tipim", "tip-im"]),
        (["--surrogate", "dlibb"], ["dlibb", "dlib"]),
        (["--surrogate", "dlib-native"], ["dlib-native", "gradients"]),
        (["--judge", "arcface"], ["arcface", "dlib-native"]),
        (["--goal", "hide"], ["hide", "dodge", "impersonate"]),
        (["--goal", "dodge", "--target", "me.jpg"], ["targets", "impersonate"]),
        (["--epsilon", "0"], ["epsilon", "between 1 and 64"]),
        (["--epsilon", "nan"], ["epsilon", "between 1 and 64"]),
        (["--gamma", "-1"], ["gamma"]),
        (["--detector", "mtcnn"], ["mtcnn", "hog", "yunet"]),
        (["--faces", "2"], ["no face number 2", "has 1"]),
        (["--faces", "0"], ["no face number 0"]),
        (["--faces", "left"], ["left", "largest", "1,3"]),
        (["--goal", "impersonate", "--gain", "most"], ["most", "max, sum, min or centre"]),
        (["--goal", "impersonate", "--target-search", "best"], ["best", "embedding or exact"]),
        (["--epsilon", "much"], ["Invalid value"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
    ids=" ".join,
)
def test_bad_usage_is_exit_code_2_with_a_remedy(
    bauta: Run, portrait: Path, words: list[str], help_words: list[str]
) -> None:
    result = bauta("protect", portrait, *FAST, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    for word in help_words:
        assert word in result.stderr
    assert [p.name for p in Path().iterdir()] == ["me.jpg"]


@pytest.mark.parametrize("option", ["--gain", "--target-search"])
def test_unknown_word_is_noticed_though_unused(bauta: Run, portrait: Path, option: str) -> None:
    assert bauta("protect", portrait, *FAST, option, "nonsense").exit_code == 2


@pytest.mark.parametrize("device", ["cuda:77", "abacus"])
def test_device_that_is_not_there(bauta: Run, portrait: Path, device: str) -> None:
    result = bauta("protect", portrait, *FAST, "--device", device)
    assert result.exit_code == 2
    assert device in result.stderr


@pytest.mark.parametrize(
    ("cache", "words", "remedy"),
    [
        (zoo._build, ["--surrogate", "mobilefacenet-ms1m"], "mobilefacenet-ms1m"),
        (finders._yunet, ["--detector", "yunet"], "yunet-2023mar"),
    ],
)
def test_missing_weights_name_the_command(
    bauta: Run, portrait: Path, cache: Any, words: list[str], remedy: str
) -> None:
    cache.cache_clear()  # another test may have loaded them
    result = bauta("protect", portrait, *FAST, *words)
    assert result.exit_code == 1
    assert f"bauta recognizers fetch {remedy}" in result.stderr
    assert not Path("me-protected.jpg").exists()


def animation(path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("none.jpg", lambda path: None, "no such file"),
    "corrupt": (
        "cut.jpg",
        lambda path: path.write_bytes(Path("me.jpg").read_bytes()[:5000]),
        "truncated",
    ),
    "empty": ("empty.jpg", lambda path: path.touch(), "empty"),
    "text": ("notes.jpg", lambda path: path.write_text("Dear diary"), "image"),
    "animated": ("fun.gif", animation, "animated GIF"),
    "no face": (
        "wall.png",
        lambda path: Image.new("RGB", (300, 300), "tan").save(path),
        "no face was found",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("as_json", [False, True])
def test_photo_that_cannot_be_done_is_exit_code_1(
    bauta: Run, parsed: Parse, portrait: Path, kind: str, as_json: bool
) -> None:
    name, make, words = BAD[kind]
    make(Path(name))
    before = {p.name for p in Path().iterdir()}
    result = bauta("protect", name, *FAST, *(["--json"] if as_json else []))
    assert result.exit_code == 1
    if as_json:
        assert result.stderr == ""
        data = parsed(result)
        assert data["photos"] == []
        ((path, error),) = [(f["path"], f["error"]) for f in data["failures"]]
        assert path == name
    else:
        assert result.stdout == ""
        error = result.stderr
    assert name in error
    assert words in error
    assert {p.name for p in Path().iterdir()} == before


def test_folder_with_one_broken_photo_among_good_ones(
    bauta: Run, parsed: Parse, portrait: Path
) -> None:
    album = Path("my album/summer")
    album.mkdir(parents=True)
    shutil.copy(portrait, album / "a.jpg")
    (album / "broken.jpg").write_bytes(portrait.read_bytes()[:3000])
    shutil.copy(portrait, album.parent / "ünïcödé 写真.JPG")
    shutil.copy(portrait, album / "old-protected.jpg")
    (album / "notes.txt").write_text("not a photo")
    result = bauta("protect", "my album", "-o", "out", *FAST, "--json", "--report", "all")
    assert result.exit_code == 1
    data = parsed(result)
    assert [f["path"] for f in data["failures"]] == [str(album / "broken.jpg")]
    assert len(data["photos"]) == 2
    originals = {photo["original"] for photo in data["photos"]}
    assert originals == {"my album/summer/a.jpg", "my album/ünïcödé 写真.JPG"}
    files = (p.relative_to("out") for p in Path("out").rglob("*") if p.is_file())
    written = sorted(str(p) for p in files if p.parts[0] != ".bauta")
    assert written == ["summer/a.jpg", "ünïcödé 写真.JPG"]
    assert len(json.loads(Path("all.json").read_text())["photos"]) == 2


def test_an_album_is_gone_on_with(bauta: Run, parsed: Parse, portrait: Path) -> None:
    Path("album").mkdir()
    shutil.copy(portrait, "album/a.jpg")
    Image.new("RGB", (64, 64), "green").save("album/field.png")
    words = ["protect", "album", "-o", "out", *FAST]
    assert {one["plan"] for one in parsed(bauta(*words, "--dry-run", "--json"))} == {"do"}
    assert not Path("out").exists()
    result = bauta(*words, "--report", "page.html", "--jobs", 1)
    assert result.exit_code == 0, result.output
    assert "no face was found" in result.stdout
    page = Path("page.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert "field.png" in page
    assert str(Path("album").resolve()) not in page
    before = Path("out/a.jpg").stat().st_mtime_ns
    again = bauta(*words)
    assert again.exit_code == 0
    assert "as they were" in again.stdout
    assert Path("out/a.jpg").stat().st_mtime_ns == before
    plans = bauta(*words, "--dry-run", "--epsilon", 9).stdout
    assert "a.jpg: to do again" in plans
    refused = bauta("protect", "album/a.jpg", *FAST, "--dry-run")
    assert refused.exit_code == 2
    assert "for one folder" in refused.stderr


def test_one_photo_with_too_few_faces_does_not_stop_the_rest(
    bauta: Run, parsed: Parse, portrait: Path
) -> None:
    with Image.open(portrait) as image:
        double = np.concatenate([np.array(image)] * 2, axis=1)
    Path("album").mkdir()
    shutil.copy(portrait, "album/a.jpg")
    Image.fromarray(double).save("album/b.jpg")
    result = bauta("protect", "album", *FAST, "--faces", "2", "--json")
    assert result.exit_code == 1
    data = parsed(result)
    assert [f["path"] for f in data["failures"]] == ["album/a.jpg"]
    assert [p["original"] for p in data["photos"]] == ["album/b.jpg"]


def test_folder_without_photos(bauta: Run, portrait: Path) -> None:
    Path("empty").mkdir()
    Path("empty/read me.txt").touch()
    Path("done").mkdir()
    shutil.copy(portrait, "done/a-protected.jpg")
    for folder in ("empty", "done"):
        result = bauta("protect", folder)
        assert result.exit_code == 2
        assert f"{folder} holds no photo" in result.stderr


def test_several_photos_need_a_folder(bauta: Run, portrait: Path) -> None:
    Path("out.jpg").touch()
    result = bauta("protect", portrait, portrait, "-o", "out.jpg")
    assert result.exit_code == 2
    assert "out.jpg is a file" in result.stderr


def test_outputs_of_one_name_are_refused_before_any_work(bauta: Run, portrait: Path) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        shutil.copy(portrait, folder)
    result = bauta("protect", "a", "b", "-o", "out", "--overwrite")
    assert result.exit_code == 2
    assert "a/me.jpg and b/me.jpg" in result.stderr
    assert not Path("out").exists()


def test_output_folder_that_cannot_be_made(bauta: Run, portrait: Path) -> None:
    result = bauta("protect", portrait, *FAST, "-o", "me.jpg/out/x.jpg")
    assert result.exit_code == 1
    assert "me.jpg/out" in result.stderr


@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
def test_original_is_never_the_output(bauta: Run, portrait: Path, extra: tuple[str, ...]) -> None:
    before = portrait.read_bytes()
    Path("link.jpg").symlink_to(portrait)
    for target in ("me.jpg", "./../work/me.jpg", "link.jpg"):
        assert bauta("protect", portrait, *FAST, "-o", target, *extra).exit_code == 1
    assert portrait.read_bytes() == before
    assert Path("link.jpg").is_symlink()


def test_existing_output_needs_overwrite(bauta: Run, portrait: Path) -> None:
    target = Path("out.jpg")
    target.write_text("precious")
    refused = bauta("protect", portrait, *FAST, "-o", target)
    assert refused.exit_code == 1
    assert "out.jpg" in refused.stderr
    assert target.read_text() == "precious"
    assert bauta("protect", portrait, *FAST, "-o", target, "--overwrite").exit_code == 0
    with Image.open(target) as image:
        assert image.format == "JPEG"


def test_report_does_not_replace_a_photo(bauta: Run, portrait: Path) -> None:
    before = portrait.read_bytes()
    result = bauta("protect", portrait, *FAST, "--report", portrait)
    assert result.exit_code == 2
    assert portrait.read_bytes() == before


def test_heic_in_a_folder_becomes_jpeg(bauta: Run, parsed: Parse) -> None:
    Path("phone").mkdir()
    source = Path(__file__).parents[1] / "media/portrait.heic"
    shutil.copy(source, "phone/IMG_1.HEIC")
    result = bauta("protect", "phone", "-o", "out", *FAST, "--json")
    data = parsed(result)
    # Its face may be too small to be found; its name must not be what fails.
    assert not any("end in" in failure["error"] for failure in data["failures"])
    written = [p.name for p in Path("out").iterdir() if p.name != ".bauta"]
    assert written == ["IMG_1.jpg"] * len(data["photos"])


@pytest.mark.parametrize("name", ["[bold]x[", "[/red] me", "naïve 写真 📷", "a b", "-me", "--json"])
def test_names_are_only_names(bauta: Run, portrait: Path, name: str) -> None:
    source = Path(f"{name}.jpg")
    source.parent.mkdir(exist_ok=True)  # "[" is one
    shutil.copy(portrait, source)
    result = bauta("protect", *FAST, "--report", f"{name}.html", "--", source)
    assert result.exit_code == 0
    assert f"{source.stem}-protected.jpg: " in result.stdout
    assert f"report: {name}.html" in result.stderr
    assert Path(f"{name}-protected.jpg").is_file()
    missing = bauta("protect", *FAST, "--", f"{name}-2.jpg")
    assert f"{name}-2.jpg" in missing.stderr


def test_recognisable_photo_is_said_to_be(
    bauta: Run, portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = zoo.get_recognizer("dlib-native")
    monkeypatch.setattr(type(judge), "network_id", "somebody else's")
    monkeypatch.setattr(type(judge), "threshold", -3.0)
    result = bauta("protect", portrait, *FAST, "--epsilon", "2")
    assert result.exit_code == 0  # the photo was written; `bauta verify` ends with 1
    assert "me-protected.jpg: STILL RECOGNISABLE" in result.stdout
    assert "--preset strong" in result.stdout


def test_targets_make_it_impersonate(bauta: Run, parsed: Parse, portrait: Path) -> None:
    hopper = Path(__file__).parents[1] / "data/hopper.jpg"
    result = bauta("protect", portrait, *FAST, "--target", hopper, "--json")
    assert result.exit_code == 0
    (photo,) = parsed(result)["photos"]
    assert photo["settings"]["goal"] == "impersonate"
    assert photo["settings"]["targets"] == 1
    assert "hopper" not in result.stdout


def test_makeup_by_style_and_by_reference(bauta: Run, parsed: Parse, portrait: Path) -> None:
    dfpp = ("--method", "dfpp", *FAST, "--surrogate", "tight-ms1m", "--json")
    styled = parsed(bauta("protect", portrait, *dfpp, "--style", "tan", "-o", "tan.jpg"))
    (photo,) = styled["photos"]
    assert (photo["settings"]["style"], photo["settings"]["reference"]) == ("tan", False)
    shutil.copy(portrait, "idol.jpg")
    taken = parsed(bauta("protect", portrait, *dfpp, "--reference", "idol.jpg", "-o", "ref.jpg"))
    # Names of other people's photos may be personal.
    assert "idol" not in json.dumps(taken)
    one, other = (np.asarray(Image.open(name)).astype(int) for name in ("tan.jpg", "ref.jpg"))
    assert np.abs(one - other).max() > 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--style", "clown"), "no style clown: use bare, berry"),
        (("--strength", "3"), "strength must be between 0 and 2"),
        (("--reference", "nothing.jpg"), "nothing.jpg"),
    ],
)
def test_makeup_that_is_none(bauta: Run, portrait: Path, options: tuple, said: str) -> None:
    result = bauta("protect", portrait, "--method", "dfpp", *FAST, *options)
    assert result.exit_code == (1 if "--reference" in options else 2)
    assert said in " ".join(result.stderr.split())
    assert sorted(path.name for path in Path().iterdir()) == ["me.jpg"]
