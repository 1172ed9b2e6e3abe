"""``bauta serve`` with real photos: brought, hidden, masked, traced, fetched, and wiped."""

from __future__ import annotations

import os
import signal
import socket
import zipfile
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from bauta.audit.metrics import psnr
from bauta.faces.detect import find_faces
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import embed_owner
from bauta.media import describe_metadata, read_photo, read_photo_bytes
from bauta.methods.personal import WITNESSES
from bauta.recognizers.zoo import get_surrogate
from tests.masks.make import noise_mask
from tests.web.conftest import PATIENCE, Browser, Server, until

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings("default::ResourceWarning"),
    pytest.mark.timeout(900),
]
HEIC = Path(__file__).parents[1] / "media/portrait.heic"


def hidden(browser: Browser, which: str, **asked: object) -> None:
    body = {"method": "tip-im", "preset": "fast", "photos": {which: [1]}, **asked}
    browser.post("/api/protect", **body)


def test_a_photo_is_hidden_and_fetched(
    server: Server, browser: Browser, tmp_path: Path, collins_path: Path
) -> None:
    original = tmp_path / "anna at home.jpg"
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    with Image.open(collins_path) as picture:
        picture.save(original, exif=exif, quality=95)
    before = original.read_bytes()
    which = browser.bring(original)["id"]
    look = browser.photo(which)["look"]
    assert look["status"] == "done", look
    assert (look["data"]["width"], look["data"]["height"]) == (512, 512)
    assert len(look["data"]["faces"]) == 1
    assert "GPS position" in look["data"]["private"]
    hidden(browser, which)
    result = browser.photo(which)["result"]
    assert result["status"] == "done", result
    assert result["share"] > 0.8
    data = result["data"]
    assert data["verdict"] in ("protected", "weakened", "recognisable")
    assert [judge["name"] for judge in data["faces"][0]["judges"]]
    assert "GPS position" in data["left_out"]
    assert str(server.folder) not in str(result)
    fetched = browser.fetch("photo", which)
    assert "anna%20at%20home-protected.jpg" in fetched.headers["content-disposition"]
    after = read_photo_bytes(fetched.content)
    assert describe_metadata(after) == []
    assert 20 < psnr(read_photo(original).pixels, after.pixels) < 50
    # What is shown is the file itself, as the browser gets it.
    shown = browser.http.get(f"/api/photos/{which}/after-0.jpg").raise_for_status().content
    with Image.open(BytesIO(shown)) as picture:
        assert psnr(after.pixels, np.asarray(picture.convert("RGB"))) > 38
    assert original.read_bytes() == before


def test_phones_photos_are_taken(browser: Browser) -> None:
    pytest.importorskip("pi_heif", reason="the extra heif is not installed")
    which = browser.bring(HEIC)["id"]
    assert browser.photo(which)["look"]["status"] == "done"


def test_what_is_no_photo_says_so_by_its_own_name(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no photo")
    which = browser.bring(file)["id"]
    look = browser.photo(which)["look"]
    assert look["status"] == "failed"
    assert look["error"].startswith("notes.txt is not an image that Bauta reads")
    answer = browser.http.post("/api/protect", json={"method": "tip-im", "photos": {which: [1]}})
    assert answer.status_code == 400
    assert answer.json()["error"] == "notes.txt was not looked at yet"


def test_small_faces_are_looked_for_when_asked(browser: Browser, tmp_path: Path, collins) -> None:
    wide = np.full((900, 1600, 3), 90, np.uint8)
    wide[300:390, 600:690] = np.asarray(Image.fromarray(collins).resize((90, 90)))
    file = tmp_path / "far.png"
    Image.fromarray(wide).save(file)
    which = browser.bring(file)["id"]
    assert browser.photo(which)["look"]["data"]["faces"] == []
    browser.post(f"/api/photos/{which}/look")
    assert len(browser.photo(which)["look"]["data"]["faces"]) == 1


def test_browsers_see_nothing_of_each_other(
    server: Server, browser: Browser, collins_path: Path
) -> None:
    other = Browser(server.link())
    which = browser.bring(collins_path)["id"]
    browser.over()
    assert other.state()["photos"] == []
    for path in (f"/api/photos/{which}/before-0.jpg",):
        assert browser.http.get(path).status_code == 200
        assert other.http.get(path).status_code == 400
    assert other.http.post("/api/tickets", json={"what": "photo", "id": which}).status_code == 400
    other.http.delete(f"/api/photos/{which}")
    assert len(browser.state()["photos"]) == 1
    other.http.delete("/api/session")
    assert other.http.get("/api/state").status_code == 401
    assert browser.http.get("/api/state").status_code == 200
    other.http.close()


def test_all_are_fetched_at_once_under_names_of_their_own(
    browser: Browser, collins_path: Path, hopper_path: Path
) -> None:
    ids = [browser.bring(path, "me.jpg")["id"] for path in (collins_path, hopper_path)]
    browser.over()
    for which in ids:
        hidden(browser, which)
    browser.over()
    with zipfile.ZipFile(BytesIO(browser.fetch("all").content)) as archive:
        assert archive.namelist() == ["me-protected.jpg", "me-protected (2).jpg"]
        assert archive.testzip() is None
    key = browser.post("/api/keys/make", name="bauta.zip")
    assert browser.fetch("key", key["id"]).content == browser.fetch("key", key["id"]).content
    with zipfile.ZipFile(BytesIO(browser.fetch("all").content)) as archive:
        sizes = [read_photo_bytes(archive.read(name)).pixels.shape for name in archive.namelist()]
    assert sizes == [(512, 512, 3), (600, 512, 3)]


def test_a_mark_is_traced(browser: Browser, tmp_path: Path, collins_path: Path) -> None:
    key = browser.post("/api/keys/make", name="../my.key", passphrase="correct horse")
    assert (key["name"], key["kind"], key["sealed"]) == ("my.key", "watermark", True)
    which = browser.bring(collins_path)["id"]
    browser.over()
    asked = {"method": "dpg", "key": key["id"], "identifier": "given to Anna"}
    refused = browser.http.post(
        "/api/protect", json={**asked, "preset": "fast", "photos": {which: [1]}}
    )
    assert "is sealed" in refused.json()["error"]
    hidden(browser, which, **asked, passphrase="correct horse")
    result = browser.photo(which)["result"]
    assert result["status"] == "done", result
    assert "read back" in result["data"]["more"][0]
    files = {}
    for what, path in (("photo", which), ("key", key["id"]), ("register", key["id"])):
        files[what] = tmp_path / what
        files[what].write_bytes(browser.fetch(what, path).content)
    # The same files, brought to another page, as it may be a year later.
    found = browser.bring(files["photo"], "from-the-web.jpg")["id"]
    again = browser.bring(files["key"], "my.key", to="/api/keys")
    browser.over()
    trace = {"key": again["id"], "passphrase": "correct horse", "photos": {found: [1]}}
    assert "register" in browser.http.post("/api/trace", json=trace).json()["error"]
    browser.bring(files["register"], to=f"/api/keys/{again['id']}/register")
    browser.post("/api/trace", **trace)
    data = browser.photo(found)["result"]["data"]
    assert data["answer"] == "yours"
    assert data["faces"][0]["identifier"] == "given to Anna"
    browser.post("/api/trace", **{**trace, "passphrase": "wrong"})
    failed = browser.photo(found)["result"]
    assert failed["status"] == "failed"
    assert failed["why"] == "PassphraseError"


def test_a_mask_is_put_on_and_taken_off(
    browser: Browser, tmp_path: Path, collins_path: Path, collins
) -> None:
    face = find_faces(collins)[0]
    owner = embed_owner([collins], [face], [get_surrogate(name) for name in WITNESSES])
    plain = noise_mask(members=1, move=0.0)
    mask = PersonalMask(facts=plain.facts, deltas=plain.deltas, flows=plain.flows, owner=owner)
    file = tmp_path / "me.mask"
    file.write_bytes(mask.to_bytes())
    key = browser.bring(file, to="/api/keys")
    assert (key["kind"], key["sealed"], key["there"]) == ("mask", False, True)
    which = browser.bring(collins_path)["id"]
    browser.over()
    browser.post("/api/masks/wear", key=key["id"], photos={which: [1]})
    result = browser.photo(which)["result"]
    assert result["status"] == "done", result
    assert result["kind"] == "mask"
    assert result["data"]["faces"][0]["judges"]
    worn = tmp_path / "worn.jpg"
    worn.write_bytes(browser.fetch("photo", which).content)
    assert psnr(collins, read_photo(worn).pixels) < 50
    back = browser.bring(worn)["id"]
    browser.over()
    browser.post("/api/masks/wear", key=key["id"], off=True, photos={back: [1]})
    result = browser.photo(back)["result"]
    assert result["data"]["title"] == "Mask taken off", result
    bare = read_photo_bytes(browser.fetch("photo", back).content).pixels
    assert psnr(collins, bare) > psnr(collins, read_photo(worn).pixels) + 3


def test_a_file_that_is_no_key_is_refused(browser: Browser, collins_path: Path) -> None:
    answer = browser.http.post(
        "/api/keys", content=collins_path.read_bytes(), headers={"X-Name": "me.jpg"}
    )
    assert answer.status_code == 400
    assert "me.jpg" in answer.json()["error"]
    assert browser.state()["keys"] == []


def test_a_mask_that_cannot_be_fitted_says_why(
    browser: Browser, collins_path: Path, hopper_path: Path
) -> None:
    ids = [browser.bring(path)["id"] for path in (collins_path, hopper_path)]
    browser.over()
    photos = {which: [1] for which in ids}
    browser.post("/api/masks/fit", method="chameleon", name="us.mask", photos=photos)
    (key,) = browser.over()["keys"]
    assert key["job"]["status"] == "failed"
    assert key["job"]["why"] == "UsageError"
    assert not key["there"]
    answer = browser.http.post("/api/tickets", json={"what": "key", "id": key["id"]})
    assert answer.status_code == 400


def test_what_runs_can_be_stopped_and_the_next_goes_on(
    browser: Browser, collins_path: Path, hopper_path: Path
) -> None:
    long, short = (browser.bring(path)["id"] for path in (collins_path, hopper_path))
    browser.over()
    hidden(browser, long, preset="strong", full=True)
    hidden(browser, short)
    until(lambda: browser.state()["photos"][0]["result"]["status"] == "running", PATIENCE)
    browser.post(f"/api/photos/{long}/stop")
    first, second = browser.over()["photos"]
    assert first["result"]["status"] == "stopped"
    assert second["result"]["status"] == "done"


def children_of(process: int) -> list[int]:
    """Warm workers of a server."""
    stats = [path.read_text().rsplit(")", 1) for path in Path("/proc").glob("[0-9]*/stat")]
    own = [int(head.split(" ")[0]) for head, tail in stats if int(tail.split()[1]) == process]
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in own}
    return [pid for pid, line in lines.items() if b"spawn_main" in line]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_everything_is_wiped_whatever_happens(tmp_path: Path, collins_path: Path) -> None:
    """One server after the other in one folder: workers killed, the server ended, then killed."""
    folder = tmp_path / "tmp"
    server = Server(folder)
    browser = Browser(server.link())
    which = browser.bring(collins_path, "anna-at-the-demo.jpg")["id"]
    browser.over()
    hidden(browser, which, preset="strong", full=True)
    until(lambda: browser.state()["photos"][0]["result"]["share"] > 0.1, PATIENCE)
    for worker in children_of(server.process.pid):
        os.kill(worker, signal.SIGKILL)
    result = browser.photo(which)["result"]
    assert result["status"] == "failed"
    assert "not enough memory" in result["error"]
    hidden(browser, which)
    assert browser.photo(which)["result"]["status"] == "done"
    assert len(server.rooms) > 3
    assert all("anna" not in str(path) for path in server.rooms)
    said = server.stop()
    assert "anna" not in said
    assert "its photos are wiped" in said
    assert "Traceback" not in said
    assert [*folder.iterdir()] == []
    assert server.process.returncode == 0

    browser.http.close()

    second = Server(folder)
    browser = Browser(second.link())
    browser.bring(collins_path)
    browser.http.close()
    second.process.kill()
    second.stop()
    assert second.rooms
    third = Server(folder, "--minutes", "0.05")
    assert second.rooms == []
    browser = Browser(third.link())
    browser.bring(collins_path)
    browser.over()
    assert third.rooms
    # Nobody asks any more.
    until(lambda: not third.rooms, 30)
    assert browser.http.get("/api/state").status_code == 401
    browser.http.close()
    third.stop()
    assert [*folder.iterdir()] == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1 port {port}"):
            Server(tmp_path / "tmp", "--port", str(port))


def test_it_listens_to_this_machine_alone(server: Server) -> None:
    port = int(server.address.rsplit(":", 1)[1])
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in addresses - {"127.0.0.1", "::1"}:
        if not str(address).startswith("127."):
            with pytest.raises(httpx2.TransportError):
                httpx2.get(f"http://{address}:{port}/", timeout=2)
