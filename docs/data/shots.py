"""Draws the images of the review page in docs/data/, with playwright and an installed Chromium.

finecaption synth render --split test --seed 7 --count 20 --out out/data/shown
finecaption data annotate out/data/shown --from synth --all --dense --global --out OWN.json
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
REGION = "3"  # the man of the first scene
DECISIONS = {
    "One-Sentence Description": "a",
    "Category Name": "a",
    "Body Pose/Gesture": "a",
    "Facial Expression": "a",
    "Skin Texture and Color": "r",
    "Hair": "a",
    "Clothing Shoes Accessories": "r",
    "Color": "a",
    "Interaction with Other Objects": "The man holds a black cup.",
    "Relative Location with Other Objects": "The man is behind the orange table.",
}
"""Field -> the key that a person would press, or the text that replaces the answer."""


def review(page: Any) -> None:
    """What a person would do with the region."""
    page.keyboard.press(REGION)
    for field, decision in DECISIONS.items():
        page.locator(".rv-row", has=page.get_by_text(field, exact=True)).click()
        if len(decision) == 1:
            page.keyboard.press(decision)
            continue
        page.keyboard.press("e")
        page.wait_for_selector("textarea")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(decision)
        page.keyboard.press("Enter")
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
                else:
                    page.keyboard.press(REGION)
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
