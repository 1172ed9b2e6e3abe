"""The site: whole, about the command line as it is, and asking no other host for anything."""

from __future__ import annotations

import functools
import html
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.cli.commands import COMMANDS, parameters
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
#: Tags and attributes that a browser follows by itself.
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src",
         "audio": "src", "embed": "src", "object": "data", "input": "src"}  # fmt: skip
#: Addresses in scripts that nothing is loaded from: who wrote them, and words of a warning.
NAMES = {
    "http://lunrjs.com",
    "http://tartarus.org/~martin/PorterStemmer/js.txt",
    "https://bit.ly/2s3ChXG",
    "https://clipboardjs.com/",
}


class Parsed(HTMLParser):
    """What a page loads, links to, and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.anchors |= {known[name] for name in ("id", "name") if name in known}
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        elif tag == "link" and known.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(known.get("href", ""))
        elif tag in LOADS and LOADS[tag] in known:
            self.loads.append(known[LOADS[tag]])
        if known.get("srcset"):
            self.loads += [part.split()[0] for part in known["srcset"].split(",")]
        if "style" in known:
            self.loads += re.findall(r"url\(([^)]*)\)", known["style"])
        if known.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = known["content"]


def words_of(page: str) -> str:
    """The text of a page, as it is read."""
    return html.unescape(re.sub(r"<[^>]*>", "", page))


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Parsed]:
    return {path: Parsed(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def test_pages_load_nothing_from_elsewhere(pages: dict[Path, Parsed]):
    assert len(pages) > 50
    for path, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address.strip("'\""))
            assert parts.scheme in ("", "data"), (path.name, address)
            assert not parts.netloc, (path.name, address)
        # Whatever a script tried, the browser would refuse.
        assert "default-src 'none'" in page.policy
        assert not re.search(r"https?:|\*", page.policy)


def test_styles_and_scripts_name_nobody_else(site: Path):
    for path in site.rglob("*.css"):
        text = path.read_text("utf-8")
        assert "@import" not in text
        for address in re.findall(r"url\(\s*['\"]?([^)'\"]*)", text):
            assert not re.match(r"(https?:)?//", address), (path.name, address)
    scripts = [path.read_text("utf-8") for path in site.rglob("*.js")]
    found = {address for text in scripts for address in re.findall(r"https?://[^\s\"'`)<>]*", text)}
    assert found <= NAMES


def test_no_link_leads_nowhere(site: Path, pages: dict[Path, Parsed]):
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are from the root of wherever it is served
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("http", "https", "mailto"), link
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), (path.relative_to(site), link)
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in pages[target].anchors, (path.name, link)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_option_has_its_place(site: Path, words: tuple[str, ...]):
    text = (site / "commands" / f"{words[0]}.html").read_text("utf-8")
    part = text
    if len(words) > 1:
        title = f'id="bauta-{"-".join(words)}"'
        assert title in text
        part = text.partition(title)[2].partition("<h2")[0]
    for param in parameters(COMMANDS[words]):
        names = [param.metavar] if param.param_type_name == "argument" else param.opts
        for name in (*names, *param.secondary_opts):
            assert f"<code>{name}" in part, name
    assert f"bauta {' '.join(words)} [OPTIONS]" in part
    for line in COMMANDS[words].epilog.splitlines():
        assert line.rstrip() in words_of(part), line


def test_examples_are_the_files_that_tests_run(site: Path):
    shown = words_of((site / "extending.html").read_text("utf-8"))
    for name in ("my_method.py", "my_recognizer.py"):
        assert (ROOT / "examples" / name).read_text("utf-8").strip() in shown


def test_search_knows_the_pages(site: Path):
    index = json.loads((site / "search/search_index.json").read_text("utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert {"index.html", "threat-model.html", "commands/protect.html"} <= places
    assert any("api/" in place for place in places)


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_asks_this_machine_alone(served: str, width: int):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no chromium here")
    elsewhere, complaints = [], []
    with api.sync_playwright() as machine:
        browser = machine.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda one: elsewhere.append(one.url))
        page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else 0)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for name in ("index.html", "commands/protect.html", "api/engine.html", "threat-model.html"):
            page.goto(served + name)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not page.evaluate(wide), name
        page.goto(served + "index.html")
        if width < 900:
            page.click("label[for=__search]")
        page.locator("input.md-search__input").press_sequentially("chameleon")
        page.wait_for_selector(".md-search-result__item", timeout=60_000)
        browser.close()
    assert complaints == []
    assert [url for url in elsewhere if not url.startswith((served, "data:", "blob:"))] == []
