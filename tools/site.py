"""What MkDocs does besides for Bauta's site: pages of commands, links out of docs/, no other host.

Pages of commands are made of the command line itself at every build, so none can be out of date.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from bauta.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
_COMMANDS = "Commands"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
#: A role, and the path that a tilde leaves out.
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>(?:~(?:\w+\.)*(?=\w))?")
#: What the theme's scripts would load from elsewhere if a page had diagrams, or were a file.
_ELSEWHERE = re.compile(
    r"https://(?:(?:unpkg\.com|cdn\.jsdelivr\.net|api\.github\.com)[^\"'`$]*|\$\{\w+\}(?=/api/))"
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the commands' pages into the navigation, and at its end pages that it has forgotten."""
    nav = config.nav or []
    for entry in nav:
        if _COMMANDS in entry:
            entry[_COMMANDS] = ["commands/index.md", *_pages()]
    named = set(_leaves(nav))
    pages = sorted(page.name for page in Path(config.docs_dir).glob("*.md"))
    next(iter(nav[-1].values())).extend(page for page in pages if page not in named)
    return config


def _leaves(nav: Any) -> Iterator[str]:
    """Yield the pages that a navigation names."""
    for entry in nav.values() if isinstance(nav, dict) else nav:
        yield from [entry] if isinstance(entry, str) else _leaves(entry)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every command, and one of them all."""
    for path, text in {"commands/index.md": _overview(), **_pages()}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep the words of links to what is not on the site: folders, and files outside docs/."""
    here = Path(page.file.src_uri).parent

    def kept(match: re.Match[str]) -> str:
        words, target = match.groups()
        path, _, _ = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match.group(0)
        place = os.path.normpath(here / path)
        if files.get_file_from_path(place) is not None:
            return match.group(0)
        if (Path(config.docs_dir) / place).exists():
            return f"{words} (`{os.path.normpath(Path('docs') / place)}` in the repository)"
        return match.group(0)

    return _LINK.sub(kept, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings name things in Sphinx's way: keep the names."""
    del page, config, files
    return _ROLE.sub(r"<code>", html)


def on_post_build(config: MkDocsConfig) -> None:
    """Take the addresses out of the theme's scripts that they could load something from.

    What the search has for other languages than English is not needed, and goes.
    """
    shutil.rmtree(Path(config.site_dir, "assets/javascripts/lunr"), ignore_errors=True)
    for script in Path(config.site_dir).rglob("*.js"):
        text = script.read_text("utf-8")
        clean = _ELSEWHERE.sub("about:blank#", text)
        if clean != text:
            script.write_text(clean, "utf-8")


def _root() -> Any:
    return typer.main.get_command(app)


def _pages() -> dict[str, str]:
    """Path and text of the page of every command of the first level."""
    return {
        f"commands/{name}.md": _page(name, command) for name, command in _root().commands.items()
    }


def _overview() -> str:
    root = _root()
    lines = ["# Commands", "", root.help, ""]
    lines += ["| command | what it does |", "|---|---|"]
    for name, command in root.commands.items():
        lines.append(f"| [`bauta {name}`]({name}.md) | {_first(command.help)} |")
        lines += [
            f"| [`bauta {name} {below}`]({name}.md#bauta-{name}-{below}) | {_first(child.help)} |"
            for below, child in getattr(command, "commands", {}).items()
        ]
    lines += ["", "Every command has `--help`, and most have `--json` for programs.", ""]
    lines += [_parameters(root, "bauta"), _below(root)]
    return "\n".join(lines)


def _page(name: str, command: Any) -> str:
    children = getattr(command, "commands", {})
    text = f"# bauta {name}\n\n{_plain(command.help)}\n\n"
    if not children:
        return text + _body(f"bauta {name}", command)
    for below, child in children.items():
        path = f"bauta {name} {below}"
        text += f"## {path}\n\n{_plain(child.help)}\n\n{_body(path, child)}\n"
    return text


def _body(path: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [f"{a.metavar}{'...' if a.nargs == -1 else ''}" for a in arguments]
    words = [w if a.required else f"[{w}]" for a, w in zip(arguments, words, strict=True)]
    usage = " ".join([path, "[OPTIONS]", *words])
    return f"```text\n{usage}\n```\n\n{_parameters(command, path)}\n{_below(command)}\n"


def _parameters(command: Any, path: str) -> str:
    """Tables of arguments and options, a table a panel."""
    context = typer.Context(command, info_name=path)
    panels: dict[str, list[str]] = {}
    for param in command.get_params(context):
        argument = param.param_type_name == "argument"
        title = getattr(param, "rich_help_panel", None) or ("Arguments" if argument else "Options")
        panels.setdefault(title, []).append(_row(param, context, argument=argument))
    first = [title for title in ("Arguments", "Options") if title in panels]
    blocks = [
        "\n".join([f"| {title} | | default |", "|---|---|---|", *panels[title], ""])
        for title in [*first, *(title for title in panels if title not in first)]
    ]
    return "\n".join(blocks)


def _row(param: Any, context: Any, *, argument: bool) -> str:
    if argument:
        names = f"`{param.metavar}{'...' if param.nargs == -1 else ''}`"
    else:
        kind = f" {param.metavar}" if param.metavar else ""
        names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
        names += f" {kind.strip()}" if kind else ""
    default = "**needed**" if param.required else _default(param, context)
    return f"| {names} | {_cell(param.help)} | {default} |"


def _default(param: Any, context: Any) -> str:
    shown = getattr(param, "show_default", None)
    if isinstance(shown, str):
        return _cell(shown)
    value = param.get_default(context)
    if value is None or value == "" or (param.param_type_name == "option" and param.is_flag):
        on = param.secondary_opts if param.param_type_name == "option" else ()
        return (f"`{param.opts[0]}`" if value else f"`{on[0]}`") if on else ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _below(command: Any) -> str:
    """Examples, exit codes, files and environment, as the terminal shows them."""
    if not command.epilog:
        return ""
    return f"```text\n{command.epilog.strip()}\n```\n"


def _first(text: str) -> str:
    return _cell(text.split("\n\n")[0])


def _plain(text: str) -> str:
    return re.sub(r"\[/?bold\]", "", text or "")


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")
