"""The report: one page that asks for nothing, hides nothing it should show, and leaks nothing."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage.data import astronaut

from bauta.audit import page, pictures
from bauta.audit.report import write_report
from bauta.audit.scores import FaceReport, PhotoReport, Score
from bauta.audit.verify import verify
from bauta.errors import MediaError, OutputExistsError, UsageError
from bauta.faces.face import Face
from bauta.recognizers.base import Judge
from bauta.recognizers.thresholds import Threshold
from tests.pages import Page

WIDTH, HEIGHT = 260, 300
PORTRAIT: NDArray[np.uint8] = astronaut()  # type: ignore[no-untyped-call]  # theirs
BOX = (80.0, 60.0, 180.0, 170.0)
HOSTILE = [
    "<script>alert(1)<script>.png",
    "\"'><img src=x onerror=alert(1)>.png",
    "${script} $name %s {0}.png",
    "фото 写真 📷.png",
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd.png",
    "a&amp;b&lt;c.png",
]


class FakeJudge(Judge):
    """Sees mean colours; its threshold is set, so that verify needs no measurement."""

    name = "fake"

    @property
    def thresholds(self) -> Mapping[str, Threshold]:
        return {"far-1%": Threshold(0.8, 0.01, 0.9, "none", "none")}

    def embed(
        self, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]
    ) -> NDArray[np.float32]:
        means = np.array([photo.mean((0, 1)) for photo in photos], dtype=np.float32)
        unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


def score(*, independent: bool = True, after: float = 0.2) -> Score:
    return Score("judge", independent, 1.0, after, 0.8, 0.01, float(after >= 0.8))


def face(*scores: Score, number: int = 1, chosen: bool = True) -> FaceReport:
    return FaceReport(number, BOX, chosen, True, 34.5, 0.91, scores)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., PhotoReport]:
    """Build the report of two files on disk: the original with GPS, the protected one changed."""

    def build(*faces: FaceReport, name: str = "anna.png", scale: int = 1) -> PhotoReport:
        folder = tmp_path / "home" / "secret-folder"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(PORTRAIT[:HEIGHT, 90 : 90 + WIDTH], np.ones((scale, scale, 1), np.uint8))
        left, top, right, bottom = (round(edge) for edge in BOX)
        changed = pixels.copy()
        changed[top:bottom, left:right] = np.clip(
            changed[top:bottom, left:right].astype(int) + 5, 0, 255
        )
        exif = Image.Exif()
        exif[0x010F] = "SECRETMAKER"
        exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
        paths = folder / name, folder / f"out-{name}"
        for path, array in zip(paths, (pixels, changed), strict=True):
            Image.fromarray(array).save(path, "PNG", exif=exif)
        sizes = (paths[0].stat().st_size, paths[1].stat().st_size)
        rows = faces or (face(score()),)
        return PhotoReport(*paths, "the original photo", rows, 44.0, 0.99, 5, sizes)

    return build


def html_of(reports: Sequence[PhotoReport], folder: Path) -> str:
    (path,) = write_report(reports, folder / "report.html")
    return path.read_text("utf-8")


def pictures_of(page: Page) -> list[tuple[bytes, Image.Image, dict[str, str | None]]]:
    found: list[tuple[bytes, Image.Image, dict[str, str | None]]] = []
    for attrs in page.all("img"):
        head, _, body = str(attrs["src"]).partition(",")
        assert head == "data:image/jpeg;base64"
        blob = base64.b64decode(body, validate=True)
        image = Image.open(io.BytesIO(blob))
        image.load()
        found.append((blob, image, attrs))
    return found


def test_report_of_a_real_verification(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    eyes = np.array([[110, 100], [150, 100], [130, 120], [115, 140], [145, 140]], np.float32)
    known = [Face(BOX, 1.0, eyes, "yunet5")]
    result = verify(made.original, made.protected, judges=[FakeJudge()], faces=known)
    page = Page(html_of([result], tmp_path))
    assert "Still recognisable" in page.words
    assert "1.000" in page.words
    assert f"PSNR {result.psnr:.1f} dB" in page.words


def test_page_is_well_formed_and_accessible(
    make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    made = make(face(score(), score(independent=False)), face(score(after=0.9), number=2))
    page = Page(html_of([made, made], tmp_path))
    ids = [str(attrs["id"]) for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = [str(attrs["href"]) for attrs in page.all("a")]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    named = [attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs]
    assert set(named) <= set(ids)
    assert page.all("html") == [{"lang": "en"}]
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert all(attrs["scope"] in ("col", "row") for attrs in page.all("th"))
    sliders = page.all("input")
    assert len(sliders) == 2
    assert all(attrs["type"] == "range" and attrs["aria-label"] for attrs in sliders)
    # Without scripts there is no slider, but both pictures.
    assert all("hidden" in attrs for attrs in sliders)
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.all("svg"))


def test_page_asks_the_network_for_nothing(
    make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    text = html_of([make()], tmp_path)
    page = Page(text)
    without_pictures = re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert "//" not in without_pictures
    assert "url(" not in without_pictures
    assert "@import" not in without_pictures
    for tag, attrs in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert str(attrs.get(name, "data:")).startswith(("data:", "#")), (tag, attrs)
        assert not any(name.startswith("on") for name in attrs)
    by_name = {attrs.get("http-equiv"): attrs for attrs in page.all("meta")}
    policy = str(by_name["Content-Security-Policy"]["content"])
    digest = base64.b64encode(hashlib.sha256(page.inside["script"].encode()).digest()).decode()
    assert len(page.all("script")) == 1
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(
    name: str, make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    made = make(name=name)
    notes = (f"note about {name} </script></style><script>1</script>", "run `bauta <b>x</b>` now")
    made = replace(made, notes=notes, reference=name, settings={name: [name, {"a": name}]})
    page = Page(html_of([made, made], tmp_path))
    plain = Page(html_of([make(), make()], tmp_path))
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert len(page.all("img")) == len(plain.all("img"))
    assert not page.all("b")
    assert page.inside["script"] == plain.inside["script"]
    assert name in "".join(page.text)
    assert {str(a["alt"]) for a in page.all("img")} >= {f"Original photo {name}"}
    assert page.inside["code"] == "bauta <b>x</b>" * 2
    # A name written from right to left cannot turn the words around it.
    assert page.inside["bdi"].count(name) >= 2 * 3


def test_names_that_are_no_unicode(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    odd = made.original.with_name("caf\udce9.png")
    try:
        made.original.rename(odd)
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    page, document = write_report([replace(made, original=odd)], tmp_path / "r")[::-1]
    assert "caf?.png" in page.read_text("utf-8")
    assert json.loads(document.read_bytes())["photos"][0]["original"].endswith("caf\udce9.png")


def test_pictures_have_the_expected_sizes_and_no_metadata(
    make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    made = make(scale=6)
    found = pictures_of(Page(html_of([made], tmp_path)))
    factor = page._SIDE / (6 * HEIGHT)
    photo = (round(6 * WIDTH * factor), page._SIDE)
    crop = round(110 * 1.5)
    assert [image.size for _, image, _ in found] == [photo] * 2 + [(crop, crop)] * 3
    for blob, image, attrs in found:
        assert (attrs["width"], attrs["height"]) == tuple(map(str, image.size))
        assert not image.getexif()
        assert not image.info.get("icc_profile")
        assert b"Exif" not in blob
        assert b"SECRET" not in blob


def test_difference_is_ten_times_as_large_around_grey(
    make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    *_, (_, image, _) = pictures_of(Page(html_of([make()], tmp_path)))
    values = np.asarray(image).astype(int)
    assert abs(np.median(values[60:100, 60:100]) - 178) <= 2
    assert abs(np.median(values[:10]) - 128) <= 2


def test_page_names_no_folder(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    folder = made.original.parent
    made = replace(
        made,
        notes=(f"read {made.original}, wrote {made.protected}", f"see {folder}/other/x.txt"),
        settings={
            "key": folder / "mask.key",
            "files": [str(folder / "y.txt"), r"C:\Users\secret-folder\z.txt"],
            "ratio": "8/255 and/or 1/2",
        },
    )
    page = Page(html_of([made], tmp_path))
    assert "secret-folder" not in "".join(map(str, page.tags)) + page.words
    for kept in ("read anna.png, wrote out-anna.png", "mask.key", "y.txt", "z.txt", "x.txt"):
        assert kept in page.words
    assert "8/255 and/or 1/2" in page.words


@pytest.mark.parametrize(
    ("faces", "headline", "cell"),
    [
        ((face(score()),), "✓ Protected", "✓ No longer recognised"),
        ((face(score(after=0.9)),), "✕ Still recognisable", "✕ Still recognised"),
        (
            (face(replace(score(after=0.9), matches=0.3, estimated=True)),),
            "~ Partly hidden",
            "~ Some photos still match",
        ),
        ((face(score(independent=False)),), "? No independent judge could tell", "took part"),
        ((face(),), "? No independent judge could tell", "No judge looked at this face."),
        ((face(score(), chosen=False),), "– No face was chosen", "Not chosen for protection"),
        (
            (face(replace(score(), before=0.4)),),
            "? No independent judge could tell",
            "– Not recognised, nor was the original",
        ),
    ],
)
def test_verdicts_in_words(
    faces: tuple[FaceReport, ...],
    headline: str,
    cell: str,
    make: Callable[..., PhotoReport],
    tmp_path: Path,
) -> None:
    page = Page(html_of([make(*faces)], tmp_path))
    assert headline in page.words
    assert cell in page.words
    assert "What this does not prove" in page.words


def test_numbers_that_are_none(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    made = make(replace(face(Score("j", True, nan, nan, 0.8, nan, nan)), psnr=inf, ssim=nan))
    made = replace(
        made,
        psnr=inf,
        ssim=nan,
        settings={"rate": nan, "step": np.float32(0.5), "where": PurePosixPath("a/b")},
    )
    page, document = write_report([made], tmp_path / "r")[::-1]
    words = Page(page.read_text("utf-8")).words
    assert "PSNR unchanged" in words
    assert not re.search(r"\b(nan|inf)\b", words.replace("rate nan", ""))
    read = json.loads(document.read_bytes(), parse_constant=lambda name: pytest.fail(name))
    assert read["photos"][0]["settings"] == {"rate": None, "step": 0.5, "where": "a/b"}


def test_summary_of_many_photos(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    reports = [make(name="a.png"), make(face(score(after=0.9)), name="b.png")]
    page = Page(html_of(reports, tmp_path))
    assert "2 photos: 1 protected, 1 still recognisable" in page.words
    assert [a["href"] for a in page.all("a")][:2] == ["#photo-1", "#photo-2"]
    assert "photos:" not in Page(html_of(reports[:1], tmp_path)).words
    assert "0 photos: none" in Page(html_of([], tmp_path)).words


def test_json_round_trip(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    assert write_report([made], tmp_path / "r.json") == [tmp_path / "r.json"]
    document = json.loads((tmp_path / "r.json").read_bytes())
    assert document["photos"] == [json.loads(json.dumps(made.to_json()))]
    assert document["bauta"]
    assert document["created"].endswith("+00:00")


def test_both_files_without_a_suffix(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    written = write_report([make()], tmp_path / "album")
    assert written == [tmp_path / "album.json", tmp_path / "album.html"]
    assert all(path.is_file() for path in written)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album.html", "album.json", "home"]


@pytest.mark.parametrize("name", ["report.pdf", "report.htm", "v1.2", "home", ""])
def test_other_names_are_refused(
    name: str, make: Callable[..., PhotoReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"\.json or \.html"):
        write_report([made], Path(name))


def test_nothing_is_written_when_one_file_exists(
    make: Callable[..., PhotoReport], tmp_path: Path
) -> None:
    (tmp_path / "r.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_report([make()], tmp_path / "r", overwrite=False)
    assert (tmp_path / "r.html").read_text() == "mine"
    assert not (tmp_path / "r.json").exists()
    write_report([make()], tmp_path / "r")
    assert "<!doctype html>" in (tmp_path / "r.html").read_text("utf-8")


def test_a_failure_leaves_the_old_report(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    write_report([made], tmp_path / "r")
    before = {path: path.read_bytes() for path in tmp_path.glob("r.*")}
    made.protected.unlink()
    with pytest.raises(MediaError, match="no such file"):
        write_report([made], tmp_path / "r")
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_photo_is_never_replaced(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make(name="photo.html")
    content = made.original.read_bytes()
    with pytest.raises(OutputExistsError):
        write_report([made], made.original)
    assert made.original.read_bytes() == content


def test_photos_that_changed_their_size(make: Callable[..., PhotoReport], tmp_path: Path) -> None:
    made = make()
    Image.new("RGB", (10, 10)).save(made.protected)
    with pytest.raises(UsageError, match="verify them again"):
        write_report([made], tmp_path / "r.html")


def test_a_shrunk_difference_keeps_its_strength() -> None:
    before = np.full((400, 400, 3), 100, np.uint8)
    after = (100 + np.random.default_rng(0).choice([-8, 8], before.shape)).astype(np.uint8)
    panel = pictures.side_by_side(before, after, side=90, gap=1)[:, -90:]
    assert set(np.unique(panel)) == {48, 208}


@pytest.mark.parametrize("box", [BOX, (-40.0, -30.0, 60.0, 50.0), (250.0, 290.0, 900.0, 900.0)])
def test_crops_are_squares_inside_the_picture(box: tuple[float, float, float, float]) -> None:
    pixels = PORTRAIT[:HEIGHT, :WIDTH]
    part = pictures.cropped(pixels, box)
    assert part.shape[0] == part.shape[1] <= WIDTH
    assert part.size


def test_side_by_side() -> None:
    before = np.asarray(PORTRAIT[:HEIGHT, :WIDTH])
    row = pictures.side_by_side(before, before, side=150, gap=10)
    assert row.shape == (150, 3 * 130 + 2 * 10, 3)
    assert (row[:, -130:] == 128).all()
    assert (row[:, 130:140] == 255).all()
    two = pictures.side_by_side(before, before, BOX, gap=4, difference=False)
    assert two.shape == (165, 2 * 165 + 4, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_encoded_pictures(kind: pictures.Kind) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    image = Image.open(io.BytesIO(pictures.encoded(noise, kind)))
    assert image.format == kind
    assert image.size == (320, 240)
    if kind != "JPEG":
        assert np.array_equal(np.asarray(image.convert("RGB")), noise)
