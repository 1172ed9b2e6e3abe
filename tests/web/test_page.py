"""The page in a real browser: everything by keyboard, and no request to anywhere else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bauta.media import read_photo
from tests.web.conftest import PATIENCE, Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("BAUTA_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here (set BAUTA_CHROMIUM)"),
]


class Tab:
    """A tab, and all that it asked for and complained of."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page = page
        self.link = server.link()
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.type in ("error", "warning") and self.complaints.append(said.text),
        )
        page.goto(self.link)
        page.wait_for_selector("#panel h2")

    def until(self, script: str) -> None:
        """Wait for a script to be true; wait_for_function needs eval, which the page forbids."""
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(script):
            assert time.monotonic() < end, self.page.inner_text("body")
            time.sleep(0.2)

    def strangers(self) -> list[str]:
        own = self.link.split("/#")[0]
        return [url for url in self.asked if not url.startswith((f"{own}/", f"blob:{own}/"))]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any, server: Server) -> Iterator[Tab]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(60_000)
    tab = Tab(context.new_page(), server)
    yield tab
    if tab.page.locator("#wipe").is_visible():
        tab.page.click("#wipe")
        tab.page.wait_for_selector("text=Everything was wiped")
    context.close()


def test_a_photo_is_hidden_by_keyboard(tab: Tab, tmp_path: Path, collins_path: Path) -> None:
    page = tab.page
    assert "#" + tab.link.split("#")[1] not in page.url
    page.set_input_files("#files", collins_path)
    page.wait_for_selector(".face")
    face = page.locator(".face")
    assert face.get_attribute("aria-pressed") == "true"
    face.focus()
    page.keyboard.press("Space")
    assert face.get_attribute("aria-pressed") == "false"
    page.keyboard.press("Enter")
    assert face.get_attribute("aria-pressed") == "true"
    page.get_by_role("radio", name="Balanced").focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("radio", name="Quick").is_checked()
    page.get_by_role("button", name="Hide faces").focus()
    page.keyboard.press("Enter")
    tab.until("document.querySelector('.photo .verdict') !== null")
    assert page.locator(".verdict b").inner_text().strip(". ") in (
        "Hidden", "Partly hidden", "Still recognisable",
    )  # fmt: skip
    assert page.locator("#said").text_content().startswith("sample.jpg: ")
    # What was done already is done again only if that is what the button says.
    go = page.locator("#panel button.main")
    tab.until("document.querySelector('#panel button.main').textContent === 'Hide faces again'")
    page.get_by_role("radio", name="Quick").press("ArrowRight")
    assert go.inner_text() == "Hide faces"
    slider = page.get_by_role("slider", name="Whole photo")
    before = page.locator(".picture .top").evaluate("e => e.style.clipPath")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".picture .top").evaluate("e => e.style.clipPath") != before
    page.get_by_role("button", name="Face 1").press("Enter")
    page.get_by_role("slider", name="Face 1").wait_for()
    page.locator("summary").press("Enter")
    assert page.get_by_text("tight-judge").first.is_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").press("Enter")
    assert waiting.value.suggested_filename == "sample-protected.jpg"
    file = tmp_path / "got.jpg"
    waiting.value.save_as(file)
    assert read_photo(file).pixels.shape == (512, 512, 3)
    # A reload keeps everything; a link that was used opens nothing elsewhere.
    page.reload()
    page.wait_for_selector(".photo .verdict")
    assert tab.strangers() == []
    assert tab.complaints == []


def test_a_used_link_opens_nothing(tab: Tab, chromium: Any) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(tab.link)
    page.wait_for_selector("#problem:visible")
    assert "used already" in page.inner_text("#problem")
    assert not page.locator("#main").is_visible()
    page.goto(tab.link.split("#")[0])
    page.reload()
    page.wait_for_selector("#problem:visible")
    assert "Open the link that the terminal shows" in page.inner_text("#problem")
    context.close()


def test_bad_files_are_told_in_their_place(tab: Tab, tmp_path: Path) -> None:
    bad = tmp_path / "<b>notes.jpg"
    bad.write_bytes(b"\xff\xd8\xff no photo")
    tab.page.set_input_files("#files", bad)
    tab.until("document.querySelector('.photo .verdict.bad') !== null")
    assert "Cannot be opened: bnotes.jpg is a damaged" in tab.page.inner_text(".photo")
    assert tab.page.get_by_role("button", name="Hide faces").is_disabled()
    assert tab.strangers() == []


def test_videos_are_not_sent_in_vain(tab: Tab) -> None:
    clip = {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": b"minutes of it"}
    tab.page.set_input_files("#files", [clip])
    tab.page.wait_for_selector("text=Not taken: this page takes photos")
    assert not [url for url in tab.asked if url.endswith("/api/photos")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_every_panel_fits(tab: Tab, scheme: Any, width: int) -> None:
    page = tab.page
    # Colours on their way to others are nobody's to judge.
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 800})
    for name in ("Hide faces", "Personal mask", "Trace a copy", "What this does not stop"):
        link = page.get_by_role("link", name=name)
        link.click()
        # The address changes first; the panel follows in a task of its own.
        sync_api.expect(link).to_have_attribute("aria-current", "page", timeout=60_000)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, name
        assert page.evaluate(_NAMELESS) == []
        assert page.evaluate(_PALE) == []
    assert tab.strangers() == []


#: Controls without a name for a screen reader.
_NAMELESS = """
Array.from(document.querySelectorAll("button, input, select, textarea, a, img, progress"))
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()
                   || e.hasAttribute("alt")))
  .map((e) => e.outerHTML)
"""
#: Text whose contrast with what is behind it is below 4.5 (WCAG 2.2, 1.4.3).
_PALE = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > .99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest(":disabled, .picture, .unseen, .skip")) continue;
    const [a, b] = [light(numbers(getComputedStyle(e).color).slice(0, 3)), light(behind(e))].sort();
    if ((b + .05) / (a + .05) < 4.5) pale.push(e.outerHTML.slice(0, 120));
  }
  return pale;
})()
"""
