"""Takes the studio's pictures of docs/studio.md, with the shipped model and a real Chromium.

python docs/studio/make.py [FOLDER]
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
PATIENCE = 240_000  # milliseconds
SIZES = {"desktop": (1280, 860), "phone": (360, 740)}


def click(page: Any, x: float, y: float, **options: Any) -> None:
    """Clicks at shares of the picture's width and height."""
    page.locator("[data-el=over]").scroll_into_view_if_needed()
    box = page.locator("[data-el=over]").bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"], **options)


def told(page: Any, count: int) -> None:
    """Waits until so many regions are there and all texts are written."""
    page.wait_for_function(
        f"document.querySelectorAll('.fc-chip').length >= {count} && "
        "document.querySelector('.fc-card, .fc-block') && !document.querySelector('.fc-wait')"
    )


def save(page: Any, folder: Path, name: str) -> None:
    """A screenshot in 256 colours or fewer, so that it stays small."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(350)
    file = folder / f"{name}.png"
    page.screenshot(path=str(file))
    colours = 256
    while True:
        with Image.open(file) as taken:
            small = taken.convert("RGB").quantize(colours)
        small.save(file, optimize=True)
        if file.stat().st_size < 245_000 or colours <= 32:
            return
        colours //= 2


def walk(page: Any, folder: Path, kind: str) -> None:
    """Does each thing once, on one screen."""
    save(page, folder, f"begin-{kind}")
    page.click("[data-example=street]")
    page.wait_for_selector(".fc.fc-open")
    click(page, 0.76, 0.87)
    told(page, 1)
    save(page, folder, f"click-{kind}")
    page.locator(".fc-lead .fc-w", has_text="dog").first.click()
    page.wait_for_selector(".fc-evidence:not([hidden])")
    page.locator("[data-el=stage]").scroll_into_view_if_needed()
    save(page, folder, f"evidence-{kind}")
    page.keyboard.press("Escape")
    page.click("[data-tool=box]")
    click(page, 0.02, 0.14)
    click(page, 0.99, 0.69)
    told(page, 2)
    save(page, folder, f"box-{kind}")
    page.click("[data-tool=brush]")
    page.locator("[data-el=over]").scroll_into_view_if_needed()
    area = page.locator("[data-el=over]").bounding_box()
    x, y = area["x"] + 0.64 * area["width"], area["y"] + 0.47 * area["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 0.1 * area["height"], steps=6)
    page.mouse.up()
    told(page, 3)
    save(page, folder, f"brush-{kind}")
    page.click("[data-tab=compare]")
    page.wait_for_selector(".fc-table")
    if kind == "phone":
        page.locator(".fc-tabs").scroll_into_view_if_needed()
    save(page, folder, f"compare-{kind}")
    page.click("[data-do=everything]")
    page.wait_for_function("document.querySelector('[data-do=everything]').disabled")
    page.wait_for_function("!document.querySelector('[data-do=everything]').disabled")
    page.click("[data-tab=relations]")
    page.locator("[data-el=stage]").scroll_into_view_if_needed()
    save(page, folder, f"everything-{kind}")
    page.click("[data-tab=whole]")
    page.wait_for_function(
        "document.querySelector('.fc-block .fc-w') && !document.querySelector('.fc-wait')"
    )
    page.locator(".fc-tabs").scroll_into_view_if_needed()
    save(page, folder, f"whole-{kind}")
    page.click("[data-tab=export]")
    save(page, folder, f"export-{kind}")
    page.set_input_files(
        "[data-el=file]",
        {"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nnothing"},
    )
    page.wait_for_selector(".fc-toast:not([hidden])")
    save(page, folder, f"broken-{kind}")


def main(folder: Path) -> None:
    """Every screen, light on the desktop and dark on the phone, and one each the other way."""
    from playwright.sync_api import sync_playwright

    from finecaption.captioner import FineCaption
    from finecaption.server.running import in_background
    from finecaption.server.settings import Settings
    from finecaption.studio import create_studio

    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(port=0, log_level="warning")
    studio = create_studio(settings, FineCaption.from_pretrained())
    with in_background(studio, settings) as server, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for kind, (width, height) in SIZES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="light" if kind == "desktop" else "dark",
                device_scale_factor=1 if kind == "desktop" else 2,
            )
            page.set_default_timeout(PATIENCE)
            page.goto(f"{server.url}/studio/")
            page.wait_for_selector(".fc[data-ready]")
            page.wait_for_timeout(800)
            walk(page, folder, kind)
            page.keyboard.press("t")
            page.click("[data-tab=region]")
            save(page, folder, f"other-{kind}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
