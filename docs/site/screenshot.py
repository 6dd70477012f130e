"""The pictures of the studio in the docs.

    .venv/bin/python docs/site/screenshot.py

Starts the studio in a folder of its own, forecasts the example of monthly sales, trains the preset
of the tutorial (two minutes), and takes the pictures with Chromium.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Error, Page, expect, sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"

ADDRESS = "127.0.0.1:8799"

PATIENCE = 300_000
"""Milliseconds that a process may take."""


def _opened(page: Page) -> bool:
    """Whether the page is there already."""
    try:
        page.goto(f"http://{ADDRESS}")
    except Error:
        return False
    return True


def _forecast(page: Page) -> None:
    """Forecast the example of monthly sales."""
    page.get_by_role("button", name="Monthly sales").click()
    button = page.get_by_role("button", name="Forecast", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    button.click()
    expect(page.get_by_role("button", name="Report")).to_be_visible(timeout=PATIENCE)
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)
    page.screenshot(path=PICTURES / "studio-forecast.png")


def _train(page: Page) -> None:
    """Train the preset of the tutorial."""
    page.goto(f"http://{ADDRESS}/learn")
    page.get_by_label("Preset", exact=True).click()
    page.get_by_role("option", name="the tutorial", exact=True).click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("done after", timeout=PATIENCE)
    page.wait_for_timeout(2000)
    page.screenshot(path=PICTURES / "studio.png")


def main() -> None:
    """Forecast, train, and stop the studio."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        options = ("--folder", folder, "--port", ADDRESS.rsplit(":", maxsplit=1)[-1], "--no-show", "--quiet")
        studio = subprocess.Popen([sys.executable, "-m", "freerun", "studio", *options], stderr=subprocess.DEVNULL)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            while not _opened(page):
                page.wait_for_timeout(200)
            _forecast(page)
            _train(page)
        finally:
            browser.close()
            studio.send_signal(signal.SIGINT)
            studio.wait(30)


if __name__ == "__main__":
    main()
