"""``bauta mask``: fit a key, put its mask on files, take it off, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from bauta.audit.metrics import psnr
from bauta.cli.app import app
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.keys import sealing
from bauta.keys.mask import PersonalMask, read_mask
from bauta.masks.owner import embed_owner
from bauta.media import read_photo
from bauta.methods.personal import WITNESSES
from bauta.recognizers.zoo import get_surrogate
from bauta.views.base import engines
from tests.masks.make import noise_mask

Run = Callable[..., Result]
Parse = Callable[[Result], Any]
Pixels = NDArray[np.uint8]
#: As little work as makes a mask.
QUICK = (
    "--steps", 2, "--members", 1, "--epsilon", 8, "--warp", 2, "--surrogate", "tight-ms1m",
)  # fmt: skip
WORD = "correct horse"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_COST", 1 << 4)


@pytest.fixture(scope="module")
def views(collins: Pixels, collins_face: Face) -> list[Pixels]:
    """Three other pictures of the person on ``me.jpg``."""
    return [v.pixels for v in engines["embedded"]().make(collins, collins_face, 5, seed=0)[1:4]]


@pytest.fixture(scope="module")
def owner(views: list[Pixels]) -> dict[str, NDArray[np.float16]]:
    faces = [find_faces(view)[0] for view in views]
    return embed_owner(views, faces, [get_surrogate(name) for name in WITNESSES])


@pytest.fixture
def mask(owner: dict[str, NDArray[np.float16]]) -> PersonalMask:
    """A family of two that belongs to the person on ``me.jpg`` and took no fitting."""
    plain = noise_mask(members=2, move=0.006)
    return PersonalMask(facts=plain.facts, deltas=plain.deltas, flows=plain.flows, owner=owner)


@pytest.fixture
def key(mask: PersonalMask, folder: Path) -> Path:
    del folder
    Path("me.mask").write_bytes(mask.to_bytes())
    return Path("me.mask")


@pytest.fixture
def other_key(folder: Path, owner: dict[str, NDArray[np.float16]]) -> Path:
    """Another key of the same person."""
    del folder
    plain = noise_mask(members=2, seed=7, move=0.006)
    mask = PersonalMask(facts=plain.facts, deltas=plain.deltas, flows=plain.flows, owner=owner)
    Path("other.mask").write_bytes(mask.to_bytes())
    return Path("other.mask")


@pytest.fixture
def photos(views: list[Pixels], folder: Path) -> list[Path]:
    """``a.jpg`` and ``b.jpg``, to fit a mask on."""
    del folder
    for name, view in zip("ab", views, strict=False):
        Image.fromarray(view).save(f"{name}.jpg", quality=92)
    return [Path("a.jpg"), Path("b.jpg")]


@pytest.fixture
def pair(portrait: Path, hopper: Pixels) -> Path:
    """``party.png``: a stranger on the left, the larger face, and the owner on the right."""
    photo = np.full((300, 512, 3), 128, np.uint8)
    photo[:, :256] = np.asarray(Image.fromarray(hopper).reduce(2))
    photo[:256, 256:] = np.asarray(Image.open(portrait))
    Image.fromarray(photo).save("party.png")
    return Path("party.png")


def hashes() -> dict[str, str]:
    """What lies in the working directory, by content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path().rglob("*"))
        if path.is_file()
    }


def new_files(before: dict[str, str]) -> list[str]:
    """Names that came since; what was there is as it was."""
    after = hashes()
    assert {name: after.get(name) for name in before} == before
    return sorted(after.keys() - before.keys())


def private(path: Path, *, grey: bool = False) -> None:
    """Write a photo anew as a phone does."""
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "Kodamatic", "Jane Roe"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 13.0)})
    with Image.open(path) as image:
        (image.convert("L") if grey else image).save(path, quality=92, exif=exif)


# The whole way


def test_fit_show_apply_remove(
    bauta: Run, parsed: Parse, portrait: Path, photos: list[Path], collins: Pixels
) -> None:
    private(portrait)
    before = hashes()
    fit = bauta("mask", "fit", *photos, "-o", "me.mask", *QUICK)
    assert fit.exit_code == 0
    assert fit.stderr == ""
    assert "me.mask: one mask by chameleon, fitted on 2 photos; epsilon 8" in fit.stdout
    assert "--passphrase seals it" in fit.stdout
    assert new_files(before) == ["me.mask"]

    show = bauta("mask", "show", "me.mask")
    assert show.exit_code == 0
    assert "me.mask: one mask by chameleon, fitted on 2 photos; epsilon 8" in show.stdout
    assert "fitted against tight-ms1m" in show.stdout
    assert new_files(before) == ["me.mask"]

    apply = bauta("mask", "apply", "me.mask", portrait)
    assert apply.exit_code == 0
    assert apply.stderr == ""
    assert "me-masked.jpg: face 1 of 1 masked" in apply.stdout
    assert "metadata left out: GPS position, camera make and model" in apply.stdout
    assert new_files(before) == ["me-masked.jpg", "me.mask"]

    remove = bauta("mask", "remove", "me.mask", "me-masked.jpg", "--json")
    assert remove.exit_code == 0
    (worn,) = parsed(remove)["photos"]
    assert worn["written"] == "me-unmasked.jpg"
    assert not worn["exact"]
    assert new_files(before) == ["me-masked.jpg", "me-unmasked.jpg", "me.mask"]

    original, masked, back = (
        read_photo(name).pixels for name in ("me.jpg", "me-masked.jpg", "me-unmasked.jpg")
    )
    assert 20 < psnr(original, masked) < 40
    assert psnr(original, back) > psnr(original, masked) + 4


def test_every_command_speaks_json(
    bauta: Run, parsed: Parse, portrait: Path, photos: list[Path]
) -> None:
    fit = bauta("mask", "fit", *photos, "-o", "me.mask", *QUICK, "--seed", 5, "--json")
    facts = parsed(fit)
    assert fit.stderr == ""
    assert (facts["key"], facts["method"], facts["sealed"]) == ("me.mask", "chameleon", False)
    assert (facts["photos"], facts["members"], facts["seed"], facts["moves"]) == (2, 1, 5, True)
    assert facts["surrogates"] == ["tight-ms1m"]
    assert "secret" not in fit.stdout
    shown = parsed(bauta("mask", "show", "me.mask", "--json"))
    assert shown == {name: value for name, value in facts.items() if name != "sealed"}

    apply = parsed(bauta("mask", "apply", "me.mask", portrait, "--lossless", "--json"))
    assert apply["failures"] == []
    (worn,) = apply["photos"]
    assert worn["source"] == "me.jpg"
    assert worn["written"] == "me-masked.jpg"
    assert worn["record"] == "me-masked.jpg.original"
    assert (worn["faces"], worn["chosen"], worn["exact"]) == (1, [1], False)
    assert list(worn["seconds"]) == ["read", "find", "recognise", "apply", "write"]
    assert all(0 <= seconds < 60 for seconds in worn["seconds"].values())

    (back,) = parsed(bauta("mask", "remove", "me.mask", "me-masked.jpg", "--json"))["photos"]
    assert (back["written"], back["exact"]) == ("me-unmasked.jpg", True)
    failed = bauta("mask", "remove", "me.mask", portrait, "none.jpg", "--json")
    assert failed.exit_code == 1
    assert failed.stderr == ""
    data = parsed(failed)
    assert data["photos"] == []
    assert [failure["path"] for failure in data["failures"]] == ["me.jpg", "none.jpg"]


def test_photos_of_a_folder_make_a_key(bauta: Run, portrait: Path, photos: list[Path]) -> None:
    Path("album/more").mkdir(parents=True)
    shutil.move(photos[0], "album")
    shutil.move(photos[1], "album/more")
    shutil.copy(portrait, "album/me-masked.jpg")
    before = hashes()
    assert bauta("mask", "fit", "album", "-o", "album/me.mask", *QUICK).exit_code == 0
    assert new_files(before) == ["album/me.mask"]
    assert read_mask("album/me.mask").facts.photos == 2  # what wears a mask is left out


# Lossless


@pytest.mark.parametrize("kind", ["jpg", "png", "grey.jpg", "bmp"])
def test_lossless_gives_every_bit_back(
    bauta: Run, parsed: Parse, portrait: Path, key: Path, kind: str
) -> None:
    source = Path(f"photo.{kind}")
    with Image.open(portrait) as image:
        (image.convert("L") if kind.startswith("grey") else image).save(source)
    if kind.endswith("jpg"):
        private(source, grey=kind.startswith("grey"))
        # What no decoder looks at comes back as well.
        source.write_bytes(source.read_bytes() + b"\0 trailing bytes")
    before = hashes()
    applied = bauta("mask", "apply", key, source, "--lossless")
    assert applied.exit_code == 0
    masked = Path(f"{source.stem}-masked{source.suffix}")
    record = Path(f"{masked}.original")
    assert f"original, sealed: {record}" in applied.stdout
    assert new_files(before) == sorted([str(masked), str(record)])
    for secret in (b"Kodamatic", b"Jane Roe"):
        assert secret not in masked.read_bytes()
        assert secret not in record.read_bytes()
    with Image.open(source) as old, Image.open(masked) as new:
        assert (new.format, new.size, new.mode) == (old.format, old.size, old.mode)
        assert new.tobytes() != old.tobytes()
    # Whatever the web did to the copy, the record knows.
    with Image.open(masked) as image:
        image.resize((190, 190)).save(masked)
    removed = bauta("mask", "remove", key, masked)
    assert removed.exit_code == 0
    assert "the original, bit for bit" in removed.stdout
    back = Path(f"{source.stem}-unmasked{source.suffix}")
    assert back.read_bytes() == source.read_bytes()


def test_a_record_that_lies_elsewhere(bauta: Run, portrait: Path, key: Path) -> None:
    assert bauta("mask", "apply", key, portrait, "--lossless").exit_code == 0
    Path("vault").mkdir()
    shutil.move("me-masked.jpg.original", "vault/record")
    shutil.move("me-masked.jpg", "from-the-web.jpg")
    before = hashes()
    words = ("mask", "remove", key, "from-the-web.jpg", "-o", "back.jpg")
    assert bauta(*words, "--original", "vault/record").exit_code == 0
    assert new_files(before) == ["back.jpg"]
    assert Path("back.jpg").read_bytes() == portrait.read_bytes()


def test_records_that_do_not_fit(
    bauta: Run, portrait: Path, pair: Path, key: Path, other_key: Path
) -> None:
    for source in (portrait, pair):
        assert bauta("mask", "apply", key, source, "--lossless").exit_code == 0
    whole = Path("me-masked.jpg.original").read_bytes()
    Path("cut").write_bytes(whole[:-100])
    middle = len(whole) // 2
    Path("forged").write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    before = hashes()
    for which, record, words in (
        (other_key, "me-masked.jpg.original", "was sealed with another key"),
        (key, "party-masked.png.original", "is the record of another photo"),
        (key, "cut", "cut"),
        (key, "forged", "forged"),
        (key, "me.jpg", "me.jpg"),
        (key, "me.mask", "me.mask"),
        (key, "none", "cannot read none"),
    ):
        result = bauta("mask", "remove", which, "me-masked.jpg", "--original", record)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert words in result.stderr
        assert new_files(before) == []
    several = bauta("mask", "remove", key, "me-masked.jpg", "party-masked.png", "--original", "cut")
    assert several.exit_code == 2
    assert "--original is of one photo" in several.stderr
    assert new_files(before) == []


def test_a_record_of_another_format_is_written_as_what_it_is(
    bauta: Run, key: Path, portrait: Path
) -> None:
    with Image.open(portrait) as image:
        image.save("me.png")
    assert bauta("mask", "apply", key, "me.png", "--lossless").exit_code == 0
    # As with a HEIC photo, whose mask is worn by a JPEG: the name asked for says another format.
    result = bauta("mask", "remove", key, "me-masked.png", "-o", "back.jpg")
    assert result.exit_code == 0
    assert Path("back.png").read_bytes() == Path("me.png").read_bytes()
    assert not Path("back.jpg").exists()


# Keys


def test_another_key_changes_nothing(
    bauta: Run, portrait: Path, key: Path, other_key: Path
) -> None:
    assert bauta("mask", "apply", key, portrait).exit_code == 0
    before = hashes()
    result = bauta("mask", "remove", other_key, "me-masked.jpg")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "me-masked.jpg: no face in it wears this mask" in result.stderr
    assert "Use the key that it was masked with" in result.stderr
    assert new_files(before) == []
    assert bauta("mask", "apply", key, portrait, "-o", "a.jpg", "--lossless").exit_code == 0
    before = hashes()
    result = bauta("mask", "remove", other_key, "a.jpg")
    assert result.exit_code == 1
    assert "another key" in result.stderr
    assert new_files(before) == []
    assert bauta("mask", "remove", key, "me-masked.jpg").exit_code == 0


def test_bare_photo_has_nothing_to_remove(bauta: Run, portrait: Path, key: Path) -> None:
    before = hashes()
    result = bauta("mask", "remove", key, portrait)
    assert result.exit_code == 1
    assert "no face in it wears this mask" in result.stderr
    assert new_files(before) == []


@pytest.mark.parametrize("command", ["apply", "remove", "show"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("me.jpg", "me.jpg"),
        ("none.mask", "cannot read the key none.mask"),
        ("empty.mask", "empty.mask"),
        ("cut.mask", "cut.mask"),
        ("album", "cannot read the key album"),
    ],
)
def test_what_is_no_key(
    bauta: Run, portrait: Path, key: Path, command: str, name: str, words: str
) -> None:
    Path("empty.mask").touch()
    Path("cut.mask").write_bytes(key.read_bytes()[:-1])
    Path("album").mkdir()
    before = hashes()
    result = bauta("mask", command, name, *([portrait] if command != "show" else []))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert new_files(before) == []


# Passphrases


@pytest.fixture
def sealed(mask: PersonalMask, folder: Path) -> Path:
    del folder
    Path("me.mask").write_bytes(mask.to_bytes(WORD))
    return Path("me.mask")


def test_passphrase_from_the_environment(
    bauta: Run,
    parsed: Parse,
    portrait: Path,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BAUTA_PASSPHRASE", WORD)
    fit = bauta("mask", "fit", *photos, "-o", "me.mask", *QUICK, "--passphrase", "--json")
    assert parsed(fit)["sealed"] is True
    assert b"chameleon" not in Path("me.mask").read_bytes()
    for words in (("show",), ("apply", portrait), ("remove", "me-masked.jpg")):
        command, *rest = words
        result = bauta("mask", command, "me.mask", *rest, "--passphrase")
        assert result.exit_code == 0
        assert WORD not in result.output
    assert Path("me-unmasked.jpg").is_file()


def test_a_sealed_key_takes_the_passphrase_from_the_environment_unasked(
    bauta: Run, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_PASSPHRASE", WORD)
    assert bauta("mask", "show", sealed).exit_code == 0


@pytest.mark.parametrize("command", ["apply", "remove", "show"])
def test_passphrases_that_open_nothing(
    bauta: Run,
    portrait: Path,
    sealed: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("mask", command, sealed, *([portrait] if command != "show" else []))
    before = hashes()
    for given, more, said in (
        (None, (), "me.mask is sealed: give its passphrase"),
        (None, ("--passphrase",), "passphrase"),  # asked for, and there is nobody to answer
        ("", ("--passphrase",), "this is not its passphrase"),
        ("wrong", ("--passphrase",), "this is not its passphrase"),
        (WORD + " ", ("--passphrase",), "this is not its passphrase"),
    ):
        monkeypatch.delenv("BAUTA_PASSPHRASE", raising=False)
        if given is not None:
            monkeypatch.setenv("BAUTA_PASSPHRASE", given)
        result = bauta(*words, *more)
        assert result.exit_code == 1
        assert result.stdout.strip() == ""  # the runner has an empty line for a hidden answer
        assert said in result.stderr
        assert new_files(before) == []


def test_open_keys_need_no_passphrase(
    bauta: Run, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_PASSPHRASE", WORD)
    assert bauta("mask", "show", key).exit_code == 0
    refused = bauta("mask", "show", key, "--passphrase")
    assert refused.exit_code == 1
    assert "me.mask is not sealed: leave the passphrase out" in refused.stderr


def test_passphrase_from_the_keyboard(
    sealed: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BAUTA_PASSPHRASE", raising=False)

    def typed(keys: str, *words: object) -> Result:
        return CliRunner().invoke(app, ["mask", *map(str, words)], input=keys)

    right = typed(f"{WORD}\n", "show", sealed, "--passphrase", "--json")
    assert right.exit_code == 0
    assert right.stdout.lstrip().startswith("{")  # the question does not get between
    assert WORD not in right.output
    assert typed("wrong\n", "show", sealed, "--passphrase").exit_code == 1
    fit = ("fit", *photos, "-o", "new.mask", *QUICK, "--passphrase")
    assert typed(f"{WORD}\nother\n", *fit).exit_code == 1  # mistyped, then nothing more
    assert not Path("new.mask").exists()
    assert typed(f"{WORD}\n{WORD}\n", *fit).exit_code == 0
    assert read_mask("new.mask", WORD).facts.photos == 2


def test_empty_passphrase_seals_nothing(
    bauta: Run, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_PASSPHRASE", "")
    before = hashes()
    result = bauta("mask", "fit", *photos, "-o", "me.mask", *QUICK, "--passphrase")
    assert result.exit_code == 1
    assert "the passphrase is empty" in result.stderr
    assert new_files(before) == []


# Which photos and faces


def test_folders(bauta: Run, parsed: Parse, portrait: Path, key: Path, hopper_path: Path) -> None:
    Path("album/summer").mkdir(parents=True)
    shutil.copy(portrait, "album/a.jpg")
    shutil.copy(portrait, "album/summer/ünïcödé.JPG")
    shutil.copy(hopper_path, "album/stranger.jpg")
    Path("album/broken.jpg").write_bytes(portrait.read_bytes()[:3000])
    Path("album/notes.txt").write_text("no photo")
    before = hashes()
    result = bauta("mask", "apply", key, "album", "-o", "out", "--lossless", "--json")
    assert result.exit_code == 1
    data = parsed(result)
    failed = {failure["path"]: failure["error"] for failure in data["failures"]}
    assert sorted(failed) == ["album/broken.jpg", "album/stranger.jpg"]
    assert "no face in it (1 found) looks like the owner" in failed["album/stranger.jpg"]
    masked = ["out/a.jpg", "out/summer/ünïcödé.JPG"]
    assert new_files(before) == sorted([*masked, *(f"{name}.original" for name in masked)])
    before = hashes()
    result = bauta("mask", "remove", key, "out", "-o", "back", "--json")
    assert result.exit_code == 0
    assert [photo["exact"] for photo in parsed(result)["photos"]] == [True, True]
    assert new_files(before) == ["back/a.jpg", "back/summer/ünïcödé.JPG"]
    assert Path("back/a.jpg").read_bytes() == portrait.read_bytes()


def test_folder_is_not_masked_twice(bauta: Run, portrait: Path, key: Path) -> None:
    Path("album").mkdir()
    shutil.move(portrait, "album")
    assert bauta("mask", "apply", key, "album").exit_code == 0
    again = bauta("mask", "apply", key, "album", "--overwrite")
    assert again.exit_code == 0
    assert sorted(p.name for p in Path("album").iterdir()) == ["me-masked.jpg", "me.jpg"]


def test_only_the_owner_wears_the_mask(bauta: Run, parsed: Parse, pair: Path, key: Path) -> None:
    before = read_photo(pair).pixels

    def halves(*words: str) -> tuple[list[int], bool, bool]:
        result = bauta("mask", "apply", key, pair, "-o", "out.png", "--overwrite", "--json", *words)
        (worn,) = parsed(result)["photos"]
        assert worn["faces"] == 2
        changed = (read_photo(Path("out.png")).pixels != before).any(axis=2)
        return worn["chosen"], bool(changed[:, :256].any()), bool(changed[:, 256:].any())

    assert halves() == ([2], False, True)
    assert halves("--faces", "mine") == ([2], False, True)
    assert halves("--faces", "largest") == ([1], True, False)
    assert halves("--faces", "1") == ([1], True, False)
    assert halves("--faces", "all") == ([1, 2], True, True)
    assert bauta("mask", "remove", key, "out.png").exit_code == 0
    back = read_photo(Path("out-unmasked.png")).pixels
    assert psnr(before, back) > psnr(before, read_photo(Path("out.png")).pixels) + 6


def test_stranger_can_be_insisted_on(
    bauta: Run, parsed: Parse, key: Path, hopper_path: Path
) -> None:
    with Image.open(hopper_path) as image:
        image.reduce(2).save("her.png")
    before = hashes()
    refused = bauta("mask", "apply", key, "her.png")
    assert refused.exit_code == 1
    assert "her.png: no face in it (1 found) looks like the owner of this key" in refused.stderr
    assert "--faces all" in refused.stderr
    assert new_files(before) == []
    assert bauta("mask", "apply", key, "her.png", "--faces", "all").exit_code == 0


def test_same_photo_gets_the_same_member(
    bauta: Run, portrait: Path, key: Path, mask: PersonalMask
) -> None:
    assert len(mask.deltas) == 2
    shutil.copy(portrait, "copy.jpg")
    for name in ("me.jpg", "copy.jpg"):
        assert bauta("mask", "apply", key, name).exit_code == 0
    assert Path("me-masked.jpg").read_bytes() == Path("copy-masked.jpg").read_bytes()


# Metadata and formats


def test_metadata_is_left_out_unless_wanted(bauta: Run, portrait: Path, key: Path) -> None:
    private(portrait)
    assert bauta("mask", "apply", key, portrait).exit_code == 0
    kept = bauta("mask", "apply", key, portrait, "-o", "kept.jpg", "--keep-metadata")
    assert kept.exit_code == 0
    assert "left out" not in kept.output
    for name, there in (("me-masked.jpg", False), ("kept.jpg", True)):
        assert (b"Kodamatic" in Path(name).read_bytes()) == there
        with Image.open(name) as image:
            assert bool(image.getexif().get_ifd(0x8825)) == there
    assert bauta("mask", "remove", key, "kept.jpg", "-o", "bare.jpg").exit_code == 0
    words = ("mask", "remove", key, "kept.jpg", "-o", "full.jpg", "--keep-metadata")
    assert bauta(*words).exit_code == 0
    assert b"Kodamatic" not in Path("bare.jpg").read_bytes()
    assert b"Kodamatic" in Path("full.jpg").read_bytes()


@pytest.mark.parametrize("name", ["grey.png", "grey-rgb.png", "rgba.png", "lossless.webp"])
def test_files_keep_their_kind(bauta: Run, portrait: Path, key: Path, name: str) -> None:
    with Image.open(portrait) as image:
        if name.startswith("grey"):
            image = image.convert("L")
        if name == "grey-rgb.png":
            image = image.convert("RGB")
        if name == "rgba.png":
            image.putalpha(Image.linear_gradient("L"))
        image.save(name, **({"lossless": True} if name.endswith("webp") else {}))
    assert bauta("mask", "apply", key, name, "-o", f"masked-{name}").exit_code == 0
    assert bauta("mask", "remove", key, f"masked-{name}", "-o", f"back-{name}").exit_code == 0
    before = read_photo(name).pixels
    masked, back = (read_photo(f"{kind}-{name}").pixels for kind in ("masked", "back"))
    assert psnr(before, back) > psnr(before, masked) + 8
    for kind in ("masked", "back"):
        with Image.open(name) as old, Image.open(f"{kind}-{name}") as new:
            assert (new.format, new.size, new.mode) == (old.format, old.size, old.mode)
            if "A" in old.mode:
                assert new.getchannel("A").tobytes() == old.getchannel("A").tobytes()
    if name.startswith("grey"):
        assert np.ptp(masked, axis=2).max() == np.ptp(back, axis=2).max() == 0


# What is written where


@pytest.mark.parametrize("command", ["apply", "remove"])
def test_existing_output_needs_overwrite(
    bauta: Run, portrait: Path, key: Path, command: str
) -> None:
    assert bauta("mask", "apply", key, portrait, "-o", "worn.jpg").exit_code == 0
    source = portrait if command == "apply" else Path("worn.jpg")
    Path("out.jpg").write_text("precious")
    before = hashes()
    words = ("mask", command, key, source, "-o", "out.jpg")
    refused = bauta(*words)
    assert refused.exit_code == 1
    assert "out.jpg exists" in refused.stderr
    assert new_files(before) == []
    assert bauta(*words, "--overwrite").exit_code == 0
    with Image.open("out.jpg") as image:
        assert image.format == "JPEG"


def test_existing_record_is_not_replaced(bauta: Run, portrait: Path, key: Path) -> None:
    Path("me-masked.jpg.original").write_text("precious")
    before = hashes()
    result = bauta("mask", "apply", key, portrait, "--lossless")
    assert result.exit_code == 1
    assert "me-masked.jpg.original exists" in result.stderr
    assert new_files(before) == []


@pytest.mark.parametrize("command", ["apply", "remove"])
@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
def test_original_is_never_the_output(
    bauta: Run, portrait: Path, key: Path, command: str, extra: tuple[str, ...]
) -> None:
    source = portrait
    if command == "remove":
        assert bauta("mask", "apply", key, portrait, "--lossless").exit_code == 0
        source = Path("me-masked.jpg")
    before = hashes()
    Path("link.jpg").symlink_to(source)
    for target in (source, f"./../work/{source}", "link.jpg"):
        assert bauta("mask", command, key, source, "-o", target, *extra).exit_code == 1
    assert Path("link.jpg").is_symlink()
    Path("link.jpg").unlink()
    assert new_files(before) == []


def test_key_is_written_once(bauta: Run, portrait: Path, photos: list[Path], key: Path) -> None:
    before = hashes()
    for target, extra, words in (
        (key, (), "me.mask exists"),
        (photos[0], ("--overwrite",), "a.jpg is the original"),
        (Path("no/me.mask"), (), "no folder no"),
    ):
        # Said before the work: such an effort would take hours.
        result = bauta(
            "mask", "fit", *photos, "-o", target, "--steps", 1_000_000, *extra,
        )  # fmt: skip
        assert result.exit_code == 1
        assert words in result.stderr
        assert new_files(before) == []
    words = ("mask", "fit", *photos, "-o", key, *QUICK, "--overwrite")
    assert bauta(*words).exit_code == 0
    assert read_mask(key).facts.method == "chameleon"


def test_picture(bauta: Run, key: Path) -> None:
    before = hashes()
    result = bauta("mask", "show", key, "--picture", "mask.png")
    assert result.exit_code == 0
    assert "picture: mask.png" in result.stdout
    assert "a family of 2 masks by noise" in result.stdout
    assert "features shifted" in result.stdout
    assert new_files(before) == ["mask.png"]
    with Image.open("mask.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 500
    refused = bauta("mask", "show", key, "--picture", "mask.png")
    assert refused.exit_code == 1
    assert "mask.png exists" in refused.stderr
    assert bauta("mask", "show", key, "--picture", "mask.png", "--overwrite").exit_code == 0


# Bad usage


@pytest.mark.parametrize(
    ("words", "help_words"),
    [
        (["--method", "chamaeleon"], ["chamaeleon", "chameleon"]),
        (["--surrogate", "tight"], ["tight", "tight-ms1m"]),
        (["--surrogate", "dlib-native"], ["dlib-native", "gradients"]),
        (["--epsilon", "0"], ["epsilon"]),
        (["--epsilon", "65"], ["epsilon", "64"]),
        (["--epsilon", "nan"], ["epsilon"]),
        (["--members", "0"], ["members"]),
        (["--members", "65"], ["64"]),
        (["--steps", "0"], ["steps"]),
        (["--warp", "90"], ["warp", "90"]),
        (["--views", "3"], ["unknown parameter 'views'"]),
        (["--epsilon", "much"], ["Invalid value"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
    ids=" ".join,
)
def test_bad_usage_of_fit(
    bauta: Run, photos: list[Path], words: list[str], help_words: list[str]
) -> None:
    before = hashes()
    result = bauta("mask", "fit", *photos, "-o", "me.mask", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    for word in help_words:
        assert word in result.stderr
    assert new_files(before) == []


def test_photos_that_make_no_key(bauta: Run, photos: list[Path], hopper_path: Path) -> None:
    with Image.open(hopper_path) as image:
        image.reduce(2).save("her.jpg")
    Image.new("RGB", (200, 200), "tan").save("wall.png")
    Path("empty").mkdir()
    before = hashes()
    for names, code, words in (
        (["her.jpg", "a.jpg", "b.jpg"], 2, "her.jpg: this does not look like the person"),
        (["a.jpg", "wall.png"], 1, "wall.png: no face was found"),
        (["a.jpg", "none.jpg"], 1, "no such file: none.jpg"),
        (["empty"], 2, "empty holds no photo"),
    ):
        result = bauta("mask", "fit", *names, "-o", "me.mask", *QUICK)
        assert result.exit_code == code
        assert result.stdout == ""
        assert words in result.stderr
        assert new_files(before) == []


@pytest.mark.parametrize("command", ["apply", "remove"])
@pytest.mark.parametrize("as_json", [False, True])
def test_photos_that_cannot_be_done(
    bauta: Run, parsed: Parse, portrait: Path, key: Path, command: str, as_json: bool
) -> None:
    Image.new("RGB", (200, 200), "tan").save("wall.png")
    Path("cut.jpg").write_bytes(portrait.read_bytes()[:5000])
    Path("notes.jpg").write_text("Dear diary")
    before = hashes()
    for name, words in (
        ("wall.png", "no face"),
        ("cut.jpg", "truncated"),
        ("notes.jpg", "image"),
        ("none.jpg", "no such file"),
        (key, "image"),
    ):
        result = bauta("mask", command, key, name, *(["--json"] if as_json else []))
        assert result.exit_code == 1
        if as_json:
            (failure,) = parsed(result)["failures"]
            assert failure["path"] == str(name)
            assert words in failure["error"]
            assert result.stderr == ""
        else:
            assert words in result.stderr
            assert result.stdout == ""
        assert new_files(before) == []


@pytest.mark.parametrize(
    ("words", "help_words"),
    [
        (["--faces", "2"], ["no face number 2", "has 1"]),
        (["--faces", "left"], ["left", "largest"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
    ids=" ".join,
)
def test_bad_usage_of_apply(
    bauta: Run, portrait: Path, key: Path, words: list[str], help_words: list[str]
) -> None:
    before = hashes()
    result = bauta("mask", "apply", key, portrait, *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    for word in help_words:
        assert word in result.stderr
    assert new_files(before) == []


def test_mask_alone_says_what_there_is(bauta: Run) -> None:
    result = bauta("mask")
    for command in ("fit", "apply", "remove", "show"):
        assert command in result.output
