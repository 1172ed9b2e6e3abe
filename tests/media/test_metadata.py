"""What is removed, what stays, and that no second picture of the face survives."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from bauta.media import describe_metadata, encode_photo, png_chunks, read_photo
from bauta.media import exif as exif_module
from bauta.media.jpeg_segments import split
from bauta.media.metadata import kept_xmp, photoshop_blocks
from tests.media import make

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>XMP-SECRET</dc:creator></x:xmpmeta>'
EXPECTED = {
    "GPS position", "preview picture (thumbnail)", "camera make and model", "date and time",
    "name of the author or owner", "camera serial number", "lens serial number",
    "unique image number", "maker notes (hidden data of the camera)", "camera settings",
}  # fmt: skip


def irb(code: int, payload: bytes) -> bytes:
    padded = payload + b"\0" * (len(payload) % 2)
    return b"8BIM" + struct.pack(">H", code) + b"\0\0" + struct.pack(">I", len(payload)) + padded


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg_with_everything(rgb: np.ndarray, *, order: str = "<", orientation: int = 6) -> bytes:
    block = b"Exif\0\0" + make.exif_block(orientation=orientation, order=order)
    plain = make.saved(Image.fromarray(rgb), "JPEG", quality=90, icc_profile=make.icc_profile())
    blocks = irb(0x0404, b"IPTC-SECRET") + irb(0x040C, make.thumbnail())
    extra = [
        segment(0xE1, block),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"EXTENDED-SECRET"),
        segment(0xE2, b"MPF\0" + b"MPF-INDEX"),
        segment(0xE4, b"APP4-SECRET"),
        segment(0xEB, b"JP\0\1JUMBF-SECRET"),
        segment(0xED, b"Photoshop 3.0\0" + blocks),
        segment(0xFE, b"COMMENT-SECRET"),
    ]
    trailer = make.saved(Image.fromarray(rgb[::2, ::2]), "JPEG") + b"MOTION-PHOTO-VIDEO"
    return plain[:2] + b"".join(extra) + plain[2:] + trailer


def files(rgb: np.ndarray) -> dict[str, tuple[str, bytes]]:
    block = make.exif_block()
    image = Image.fromarray(rgb)
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "TEXT-SECRET")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    info.add_text("Raw profile type exif", "PROFILE-SECRET", zip=True)
    out = {
        "jpeg": (".jpg", jpeg_with_everything(rgb)),
        "jpeg-big-endian": (".jpg", jpeg_with_everything(rgb, order=">")),
        "png": (".png", make.saved(image, "PNG", exif=b"Exif\0\0" + block, pnginfo=info)),
        "webp": (".webp", make.saved(image, "WEBP", exif=block, xmp=XMP)),
        "webp-marked": (".webp", make.saved(image, "WEBP", exif=b"Exif\0\0" + block)),
    }
    for kind in ("tiff", "tiff16", "tiff-big-endian"):
        out[kind] = (".tif", make.tiff_with_exif(rgb, block, XMP, kind))
    return out


KINDS = list(files(make.face(16, 16)))


@pytest.fixture(scope="module")
def tagged(rgb):
    return files(rgb)


def texts(data: bytes) -> bytes:
    """All bytes of the file, with the compressed text of PNG laid open."""
    if not data.startswith(b"\x89PNG"):
        return data
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return data + repr(image.text).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("touched", [False, True])
def test_private_removes_everything_personal(kind, touched, tagged, put):
    suffix, data = tagged[kind]
    assert b"BODY-SERIAL" in data
    photo = read_photo(put("in" + suffix, data))
    new = photo.pixels.copy()
    new[:8, :8] ^= 4 * touched
    out = texts(encode_photo(photo, new))
    for secret in (*make.SECRETS, b"SECRET", b"MPF", b"VIDEO", make.thumbnail()):
        assert secret not in out, secret
    with Image.open(io.BytesIO(out)) as image:
        exif = image.getexif()
        assert exif.get_ifd(0x8825) == {}
        assert set(exif.get_ifd(0x8769)) <= {0xA001}
    again = read_photo(put("out" + suffix, out))
    assert describe_metadata(again) == []
    assert again._source.orientation == photo._source.orientation


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("touched", [False, True])
def test_keep_keeps_all_but_pictures(kind, touched, tagged, put):
    suffix, data = tagged[kind]
    photo = read_photo(put("in" + suffix, data))
    new = photo.pixels.copy()
    new[:8, :8] ^= 4 * touched
    out = encode_photo(photo, new, metadata="keep")
    for secret in make.SECRETS:
        assert secret in out, secret
    assert make.thumbnail() not in out
    assert b"PROFILE-SECRET" not in texts(out)  # ImageMagick's copy of EXIF, thumbnail and all
    starts = out.count(b"\xff\xd8\xff")
    assert starts == (1 if suffix == ".jpg" else 0)
    if kind != "webp-marked":
        assert b"XMP-SECRET" in texts(out)
    with Image.open(io.BytesIO(out)) as image:
        exif = image.getexif()
        assert exif[0x0110] == "Model X"
        assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.0)
        assert exif.get_ifd(0x8769)[0xA431] == "BODY-SERIAL"
        assert exif.get_ifd(0x8769)[0x829A] == pytest.approx(0.01)
        assert exif.get_ifd(1) == {}
    found = set(describe_metadata(read_photo(put("out" + suffix, out))))
    assert EXPECTED - {"preview picture (thumbnail)"} <= found
    assert "preview picture (thumbnail)" not in found


@pytest.mark.parametrize("kind", KINDS)
def test_describe_names_what_is_there(kind, tagged, put):
    suffix, data = tagged[kind]
    found = describe_metadata(read_photo(put("in" + suffix, data)))
    wanted = EXPECTED if suffix != ".tif" else EXPECTED - {"preview picture (thumbnail)"}
    assert wanted <= set(found)
    assert len(found) == len(set(found))
    assert ("XMP data" in found) == (kind != "webp-marked")


def test_describe_names_what_only_jpeg_and_png_have(tagged, put):
    jpeg = describe_metadata(read_photo(put("a.jpg", tagged["jpeg"][1])))
    assert "IPTC or Photoshop data" in jpeg
    assert "title, description or comment" in jpeg
    assert "content credentials (C2PA)" in jpeg
    assert "further pictures or a video after the photo" in jpeg
    assert "application data (APP4)" in jpeg
    assert "text: Author" in describe_metadata(read_photo(put("a.png", tagged["png"][1])))


def test_clean_files_have_nothing_to_tell(every, put):
    for name, (suffix, data) in every.items():
        assert describe_metadata(read_photo(put(name + suffix, data))) == [], name


def test_keep_leaves_maker_notes_in_their_place(tagged, put):
    """They hold offsets from the start of the block, which moving would break."""
    photo = read_photo(put("a.jpg", tagged["jpeg"][1]))
    before = make.exif_block(orientation=6)
    segments = split(encode_photo(photo, photo.pixels, metadata="keep"))
    after = segments.first(0xE1, b"Exif\0\0")
    assert after.index(b"MAKERNOTE-SECRET") == before.index(b"MAKERNOTE-SECRET")
    assert len(after) < len(before)


def test_keep_of_jpeg_keeps_comment_and_iptc_without_thumbnail(tagged, put):
    photo = read_photo(put("a.jpg", tagged["jpeg"][1]))
    out = encode_photo(photo, photo.pixels, metadata="keep")
    assert b"IPTC-SECRET" in out
    assert b"COMMENT-SECRET" in out
    for gone in (b"EXTENDED-SECRET", b"MPF", b"APP4-SECRET", b"JUMBF", b"VIDEO"):
        assert gone not in out


def test_private_keeps_what_displays_the_picture(tagged, put):
    photo = read_photo(put("a.jpg", tagged["jpeg"][1]))
    with Image.open(io.BytesIO(encode_photo(photo, photo.pixels))) as image:
        exif = image.getexif()
        assert dict(exif) | {0x8769: 0} == {
            0x0112: 6, 0x011A: 300.0, 0x011B: 300.0, 0x0128: 2, 0x0213: 1, 0x8769: 0,
        }  # fmt: skip
        assert exif.get_ifd(0x8769) == {0xA001: 1}
        assert image.info["icc_profile"] == make.icc_profile()


def test_adobe_rgb_mark_of_cameras_stays():
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03", 2: b"0100"}}
    tree = exif_module.parse(exif_module.private_block(exif.tobytes()[6:]))
    assert tree.interop[1].raw == b"R03\0"
    assert set(tree.interop) == {1}


def test_allowed_tags_cannot_smuggle_text():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0213] = 1
    block = bytearray(exif.tobytes()[6:])
    at = block.index(struct.pack(">H", 0x0213))
    assert len(exif_module.parse(bytes(block)).main) == 2
    block[at + 2 : at + 12] = struct.pack(">HI4s", 2, 4, b"JOE\0")  # now a text
    kept = exif_module.parse(exif_module.private_block(bytes(block)))
    assert set(kept.main) == {0x0112}


def test_uncompressed_thumbnails_are_blanked_in_the_middle_of_the_block():
    pixels = b"UNCOMPRESSED-FACE" * 3
    first, second = 8, 8 + 2 + 2 * 12 + 4
    strip = second + 2 + 2 * 12 + 4
    block = b"II*\0" + struct.pack("<IH", first, 2)
    block += struct.pack("<HHII", 0x010F, 2, 6, strip + len(pixels))
    block += struct.pack("<HHIHH", 0x0112, 3, 1, 8, 0) + struct.pack("<I", second)
    block += struct.pack("<H", 2) + struct.pack("<HHII", 0x0111, 4, 1, strip)
    block += struct.pack("<HHII", 0x0117, 4, 1, len(pixels)) + bytes(4) + pixels + b"Maker\0"
    assert exif_module.parse(block).thumbnail
    kept = exif_module.kept_block(block)
    assert b"FACE" not in kept
    tree = exif_module.parse(kept)
    assert tree.main[0x010F].raw == b"Maker\0"
    assert exif_module.orientation(tree) == 8
    assert not tree.thumbnail


def test_a_directory_of_short_values_at_the_very_end_is_kept():
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 3: "E"}
    block = exif.tobytes()[6:]
    assert exif_module.parse(exif_module.kept_block(block)).gps.keys() == {1, 3}


def test_jfif_thumbnail_is_dropped(put, rgb):
    data = make.saved(Image.fromarray(rgb), "JPEG", quality=90)
    jfif = b"JFIF\0\1\1\1\0\x60\0\x60\3\3" + bytes([9] * 27)
    with_thumbnail = data[:2] + segment(0xE0, jfif) + data[2 + 18 :]
    photo = read_photo(put("a.jpg", with_thumbnail))
    assert "preview picture (thumbnail)" in describe_metadata(photo)
    out = encode_photo(photo, photo.pixels, metadata="keep")
    assert bytes([9] * 27) not in out
    with Image.open(io.BytesIO(out)) as image:
        assert image.info["dpi"] == (96, 96)


def test_multi_picture_jpeg_is_its_first_photo(put, rgb):
    out = io.BytesIO()
    second = Image.fromarray(255 - rgb)
    Image.fromarray(rgb).save(out, "MPO", save_all=True, append_images=[second], quality=92)
    photo = read_photo(put("phone.jpg", out.getvalue()))
    assert photo.format == "JPEG"
    assert np.abs(photo.pixels - rgb.astype(int)).mean() < 4
    assert "further pictures or a video after the photo" in describe_metadata(photo)
    for policy in ("private", "keep"):
        written = encode_photo(photo, photo.pixels, metadata=policy)
        assert written.count(b"\xff\xd8\xff") == 1
        assert b"MPF\0" not in written


def test_gif_comment_follows_the_policy(put, every, rgb):
    image = Image.fromarray(rgb).quantize(64)
    photo = read_photo(put("a.gif", make.saved(image, "GIF", comment=b"COMMENT-SECRET")))
    assert describe_metadata(photo) == ["title, description or comment"]
    assert b"COMMENT-SECRET" not in encode_photo(photo, photo.pixels)
    assert b"COMMENT-SECRET" in encode_photo(photo, photo.pixels, metadata="keep")


def test_pictures_inside_xmp_are_cut_out():
    picture = b"<xmp:Thumbnails><rdf:Alt>/9j/4AAQSkZJRg==</rdf:Alt></xmp:Thumbnails>"
    assert kept_xmp(b"<a>" + picture + b"<b/></a>") == b"<a><b/></a>"
    assert kept_xmp(b"<a><GImage:Data>/9j/4AAQSkZJRg==</GImage:Data></a>") == b""
    assert kept_xmp(XMP) == XMP


def test_photoshop_blocks_are_filtered():
    resolution = irb(0x03ED, b"\0\x48\0\0\0\1\0\1\0\x48\0\0\0\1\0\1")
    data = irb(0x0404, b"caption") + resolution + irb(0x040C, b"thumb!") + irb(0x0422, b"exif")
    assert photoshop_blocks(data, keep=True) == irb(0x0404, b"caption") + resolution
    assert photoshop_blocks(data, keep=False) == resolution
    assert photoshop_blocks(data[:-3], keep=True) == irb(0x0404, b"caption") + resolution
    assert photoshop_blocks(b"junk", keep=True) == b""


def test_unknown_png_chunks_never_stay(put, every):
    chunks = png_chunks.split(every["png-RGB"][1])
    chunks.insert(1, (b"prVW", b"PREVIEW-SECRET"))
    photo = read_photo(put("a.png", png_chunks.join(chunks)))
    assert describe_metadata(photo) == ["application data (prVW)"]
    for policy in ("private", "keep"):
        assert b"PREVIEW-SECRET" not in encode_photo(photo, photo.pixels, metadata=policy)
