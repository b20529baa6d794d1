"""`python -m tests.interactions`: how long the page takes to react with 1, 10, and 50 photos.

Prints median times in milliseconds from the click until the browser shows its effect. Needs Chromium, Playwright and an
otherwise idle machine. Numbers after the command replace 1, 10, and 50.
"""

import io
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import skimage
from PIL import Image
from playwright.sync_api import FilePayload, Page, sync_playwright

from tests.served import CHROMIUM, FLAGS, served

COUNTS = (1, 10, 50)
REPEATS = 5
LONG = 900_000  # milliseconds; captioning all photos on a busy machine takes long


def photos(count: int) -> list[FilePayload]:
    """Copies of one photo under different names."""
    data = io.BytesIO()
    with Image.open(Path(skimage.__file__).parent / "data" / "rocket.jpg") as image:
        image.save(data, "JPEG")
    return [{"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": data.getvalue()} for number in range(count)]


class Stopwatch:
    """Collects times by action."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.times[what].append(time.perf_counter() - start)


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def interact(page: Page, watch: Stopwatch, count: int, turn: int) -> None:
    """Perform every action once."""
    dialog, tile = page.locator("dialog[open]"), page.locator("button.tile").first
    with watch.of("open a photo"):
        tile.click()
        dialog.wait_for()
    if count > 1:
        with watch.of("next photo"):
            press(page, "Next photo")
            page.locator("dialog .place", has_text="2 of").wait_for()
    with watch.of("edit and save"):
        if not page.locator("dialog textarea").count():
            press(page, "Edit")
        page.get_by_role("textbox").fill(f"Sentence {turn}.")
        press(page, "Save")
        page.locator("dialog .caption", has_text=f"Sentence {turn}.").wait_for()
    with watch.of("close"):
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    if count > 1:
        with watch.of("filter"):
            page.locator('[data-id="filter-edited"]').click()
            page.locator('[data-id="filter-edited"][aria-pressed="true"]').wait_for()
        page.locator('[data-id="filter-all"]').click()
    tile.click()
    with watch.of("delete a photo"):
        press(page, "Delete photo")
        page.get_by_text("1 photo deleted.").wait_for()
    if count > 1:
        page.keyboard.press("Escape")
    with watch.of("undo"):
        press(page, "Undo")
        page.locator(".head h2", has_text=f"{count} photo").wait_for()


def measure(page: Page, count: int) -> dict[str, float]:
    """Median seconds by action."""
    page.locator('input[type="file"]').first.set_input_files(photos(count))
    page.get_by_text("All photos have captions.").wait_for(timeout=LONG)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    watch = Stopwatch()
    for turn in range(REPEATS):
        interact(page, watch, count, turn)
    return {what: statistics.median(times) for what, times in watch.times.items()}


def main() -> None:
    """Measure and print a table."""
    counts = [int(word) for word in sys.argv[1:]] or list(COUNTS)
    found: dict[int, dict[str, float]] = {}
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for count in counts:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(120_000)
            page.goto(server.url)
            page.get_by_role("button", name="A rocket", exact=True).wait_for()
            found[count] = measure(page, count)
            page.close()
        browser.close()
    print("median, ms".ljust(16) + "".join(f"{count:>6} photos" for count in counts))
    for what in dict.fromkeys(what for count in reversed(counts) for what in found[count]):
        cells = (f"{1000 * found[count][what]:.0f}" if what in found[count] else "–" for count in counts)
        print(what.ljust(16) + "".join(cell.rjust(13) for cell in cells))


if __name__ == "__main__":
    main()
