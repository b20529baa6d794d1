"""The page without a browser, and the page in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

import captioner
from tests.app.pages import MAIN, bring
from tests.served import CHROMIUM, FLAGS, TIMEOUT, Server, served

if TYPE_CHECKING:
    from playwright import sync_api as playwright_api


@pytest.fixture(scope="session")
def model() -> captioner.Captioner:
    return captioner.load()


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=120).run()


@pytest.fixture
def captioned(page: AppTest, photos: dict[str, Path]) -> AppTest:
    return bring(page, photos["chelsea"])


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")  # while Playwright runs, nothing else in its thread can start an event loop
def browser() -> Iterator["playwright_api.Browser"]:
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(
    server: Server, browser: "playwright_api.Browser", request: pytest.FixtureRequest
) -> Iterator["playwright_api.Page"]:
    """A page in a new context without access to other machines; `request.param` are the context's options."""
    context = browser.new_context(**getattr(request, "param", {}))
    context.set_default_timeout(TIMEOUT)
    hosts: set[str | None] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page = context.new_page()
    page.on("websocket", lambda socket: hosts.add(urlsplit(socket.url).hostname))
    page.goto(server.url)
    page.get_by_role("button", name="A rocket", exact=True).wait_for()
    yield page
    assert hosts - {None, ""} == {"127.0.0.1"}  # data: and blob: have no host
    context.close()
