"""Draws docs/bulk/page.jpg: the HTML page of a run over a few synthetic scenes.

    python docs/bulk/shot.py [CHROMIUM]

The regions are the three largest objects of each of the first scenes of a split; neither scenes nor
answers are chosen.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image

from finecaption.cli import main as finecaption
from finecaption.io import masks
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

SEED, SCENES, REGIONS = 17, 6, 3
SIZE = {"width": 1120, "height": 860}


def write_manifest(folder: Path) -> Path:
    """Images and a manifest with their regions."""
    lines = []
    for index in range(SCENES):
        seen = observe(sample_scene("test", SEED, index))
        name = f"{index:06d}.png"
        Image.fromarray(render_rgb(seen.svg)).save(folder / name)
        wholes = [seen.masks[r.region_id] for r in seen.truth.regions if r.part_of is None]
        largest = sorted(wholes, key=lambda mask: -int(mask.sum()))[:REGIONS]
        regions = [{"mask": masks.encode_rle(mask)} for mask in largest]
        lines.append(json.dumps({"image": name, "regions": regions}))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def main() -> None:
    """Runs the batch, opens its page and takes the image."""
    from playwright.sync_api import sync_playwright

    chromium = sys.argv[1] if len(sys.argv) > 1 else "/usr/bin/chromium"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        page_file = Path(folder) / "captions.html"
        asked = ["--attribute", "Category Name", "--attribute", "Color"]
        manifest = write_manifest(Path(folder))
        if code := finecaption(["batch", str(manifest), *asked, "--out", str(page_file)]):
            raise SystemExit(code)
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(page_file.as_uri())
        page.wait_for_timeout(800)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shot.save(Path(__file__).parent / "page.jpg", quality=88)
        browser.close()


if __name__ == "__main__":
    main()
