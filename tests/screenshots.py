"""`make screenshots`: docs/screenshots/*.png from the running page, light and dark, desktop and phone."""

from pathlib import Path

import skimage
from playwright.sync_api import Page, sync_playwright

from tests.served import CHROMIUM, FLAGS, ROOT, served

HERE = ROOT / "docs" / "screenshots"
SAMPLES = Path(skimage.__file__).parent / "data"
DESKTOP, PHONE = {"width": 1100, "height": 850}, {"width": 390, "height": 844}
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png")
LONG = 300_000  # milliseconds, for a busy machine


def upload(page: Page) -> None:
    page.locator('input[type="file"]').first.set_input_files([SAMPLES / name for name in PHOTOS])
    page.get_by_text("All photos have captions.").wait_for(timeout=LONG)
    page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached", timeout=LONG)
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)


def main() -> None:
    """Take all screenshots."""
    HERE.mkdir(exist_ok=True)
    with served() as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            for kind, size in (("desktop", DESKTOP), ("phone", PHONE)):
                page = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1)
                page.goto(server.url)
                page.get_by_alt_text("A rocket").wait_for(timeout=LONG)
                page.locator('[data-testid="stStatusWidget"]').wait_for(state="detached", timeout=LONG)
                page.screenshot(path=HERE / f"start-{kind}-{scheme}.png")
                upload(page)
                page.screenshot(path=HERE / f"caption-{kind}-{scheme}.png")
                page.locator("button.tile").nth(1).click()
                page.get_by_role("button", name="Why this caption?").click()
                page.get_by_text("The caption depends most on").or_(page.get_by_text("No single area")).wait_for(
                    timeout=LONG
                )
                page.screenshot(path=HERE / f"detail-{kind}-{scheme}.png")
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
