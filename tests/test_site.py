"""The documentation as `make docs` builds it: usable offline, complete, and with references that match the code."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import captioner
from captioner.cli import _parser
from train.__main__ import parser

ROOT = Path(__file__).parent.parent
LOADED = {"src", "srcset", "poster", "data"}
"""Attributes whose targets a browser loads automatically; `href` only for <link>."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; building it fails on any warning, such as a dead link or a page missing from the navigation."""
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", built]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return built


class Assets(HTMLParser):
    """The resources that a browser would load for a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in LOADED or (tag, name) == ("link", "href")):
                self.found.append(value)


def test_nothing_comes_from_another_machine(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        found = Assets(page).found
        assert any(asset.endswith(".css") for asset in found)
        assert not [asset for asset in found if re.match(r"(https?:)?//", asset)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import)\s*["']?(https?:)?//""", sheet.read_text(encoding="utf-8")), sheet


def verbs(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in command._actions:
        for verb in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from (verb, *verbs(verb))


def test_the_command_reference_has_every_option_of_every_verb(site: Path) -> None:
    text = (site / "commands.html").read_text(encoding="utf-8")
    sections = dict(re.findall(r"<h2[^>]*>(.*?)<a.*?</h2>(.*?)(?=<h2|</article>)", text, re.DOTALL))
    found = [verb for command in (_parser(), parser()) for verb in verbs(command)]
    assert set(sections) == {verb.prog for verb in found}
    for verb in found:
        terms = " ".join(re.findall(r"<dt>(.*?)</dt>", sections[verb.prog], re.DOTALL))
        wanted = {option for action in verb._actions for option in action.option_strings} - {"-h", "--help"}
        assert wanted == {option for option in wanted if re.search(rf"{option}(?![\w-])", terms)}, verb.prog


def test_the_api_page_has_every_public_name(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    named = set(re.findall(r'<h[34] id="captioner\.[\w.]*?(\w+)" class="doc', page))
    assert set(captioner.__all__) - {"__version__", "datasets"} <= named
    assert set(captioner.datasets.__all__) - {"count_and_first"} <= named


@pytest.mark.parametrize("directory", ["decisions", "study", "models"])
def test_an_index_links_to_all_its_pages(site: Path, directory: str) -> None:
    index = (site / directory / "index.html").read_text(encoding="utf-8").partition("<article")[2]
    pages = {page.name for page in (site / directory).glob("*.html")} - {"index.html"}
    assert pages
    assert pages <= set(re.findall(r'href="([\w-]+\.html)"', index))
