"""What MkDocs does not do by itself: pages from files outside docs/, patterns in `nav`, and the command reference."""

import posixpath
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from command_reference import MARKER, command_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"} | {
    f"models/{card.parent.name}.md": card.relative_to(ROOT).as_posix()
    for card in (ROOT / "captioner" / "pretrained").glob("*/README.md")
}
"""Page of the site → the file of the repository that it shows."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
"""The target of a relative Markdown link or image, without its anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, and replace the patterns in `nav`."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    pages = sorted((file.src_uri for file in files.documentation_pages()), key=lambda uri: uri.removesuffix(".md"))
    config.nav = _expanded(config.nav, pages, named=set(_paths(config.nav)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point relative links at pages of the site, and write the command reference at its marker."""
    here = page.file.src_uri
    source = ELSEWHERE.get(here, f"docs/{here}")
    shown = {name: uri for uri, name in ELSEWHERE.items()}

    def pointed(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        uri = shown.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(uri, posixpath.dirname(here) or ".")

    markdown = LINK.sub(pointed, markdown)
    return markdown.replace(MARKER, command_reference()) if MARKER in markdown else markdown


def _expanded(nav: Any, pages: list[str], *, named: set[str]) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(part, pages, named=named) for title, part in nav.items()}
    if not isinstance(nav, list):
        return nav
    found: list[Any] = []
    for part in nav:
        if isinstance(part, str) and "*" in part:
            found += [page for page in pages if fnmatch(page, part) and page not in named]
        else:
            found.append(_expanded(part, pages, named=named))
    return found


def _paths(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    return [path for part in (nav.values() if isinstance(nav, dict) else nav) for path in _paths(part)]
