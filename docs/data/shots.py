"""Draws the pictures of the review page in docs/data/, with playwright and an installed Chromium.

python docs/data/shots.py OWN.json [CHROMIUM]
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

HERE = Path(__file__).parent
EDITS = {
    "One-Sentence Description": "A girl in grey drinks from a cup.",
    "Category Name": "A girl.",
    "Body Pose/Gesture": "The girl is standing.",
}


def review(page: Any) -> None:
    """What a person would do with the first region."""
    for text in EDITS.values():
        page.keyboard.press("e")
        page.wait_for_selector("textarea")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
    for key in "aarraaa":
        page.keyboard.press(key)
    page.wait_for_selector(".rv[data-saved=all]")
    page.wait_for_timeout(300)


def main() -> None:
    """Serves the data set, and takes the pictures."""
    from playwright.sync_api import sync_playwright

    data = Path(sys.argv[1])
    chromium = sys.argv[2] if len(sys.argv) > 2 else "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "finecaption", "data", "review", str(data)]
        with (
            subprocess.Popen(
                [*command, "--reviews", folder, "--reviewer", "ann"],
                stdout=subprocess.PIPE,
                text=True,
            ) as served,
            sync_playwright() as play,
        ):
            assert served.stdout is not None
            address = served.stdout.readline().strip()
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name, size, scheme in (
                ("review", (1360, 900), "light"),
                ("review-dark", (1360, 900), "dark"),
                ("review-phone", (400, 860), "light"),
            ):
                page = browser.new_page(
                    viewport=dict(zip(("width", "height"), size, strict=True)), color_scheme=scheme
                )
                page.goto(address)
                page.wait_for_selector(".rv-row.on")
                if name == "review":
                    review(page)
                if name == "review-phone":
                    page.keyboard.press("ArrowDown")
                page.wait_for_timeout(400)
                shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                shot.quantize(256, Image.Quantize.FASTOCTREE).save(
                    HERE / f"{name}.png", optimize=True
                )
                page.close()
            browser.close()
            served.kill()


if __name__ == "__main__":
    main()
