"""Draws docs/visual-prompts.jpg: every way of showing one region, side by side.

python docs/visual_prompts.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from finecaption.captioners import VISUAL_PROMPTS, show
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

TILE, GAP, LINE = 300, 16, 22
PAPER, INK, FAINT = "#fbfaf7", "#20242c", "#6a727d"


def chequered(picture: Image.Image) -> Image.Image:
    """Transparency as a light chequered ground."""
    if picture.mode != "RGBA":
        return picture
    rows, columns = np.indices((picture.height, picture.width)) // 12
    ground = np.where((rows + columns) % 2, 255, 222).astype(np.uint8)
    shown = Image.fromarray(ground).convert("RGB")
    shown.paste(picture, mask=picture.getchannel("A"))
    return shown


def fitted(picture: Image.Image) -> Image.Image:
    """In the middle of a tile."""
    scale = TILE / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    small = picture.resize(size, Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE, TILE), "#ecebe5")
    tile.paste(small, ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return tile


def sheet(picture: Image.Image, mask: np.ndarray, columns: int = 3) -> Image.Image:
    """All of VISUAL_PROMPTS in a grid, each with its name and the words for the region."""
    rows = -(-len(VISUAL_PROMPTS) // columns)
    step = TILE + 2 * LINE + GAP + 6
    page = Image.new("RGB", (columns * (TILE + GAP) + GAP, rows * step + GAP), PAPER)
    pen = ImageDraw.Draw(page)
    for number, how in enumerate(VISUAL_PROMPTS):
        shown = show(picture, mask, how)
        x = GAP + number % columns * (TILE + GAP)
        y = GAP + number // columns * step
        page.paste(fitted(chequered(shown.picture)), (x, y))
        name, words = ImageFont.load_default(17), ImageFont.load_default(14)
        pen.text((x, y + TILE + 4), how, INK, name, stroke_width=0.3)
        pen.text((x, y + TILE + 4 + LINE), shown.words, FAINT, words)
    return page


def main() -> None:
    """Draws the sheet: the man of examples/room.png."""
    seen = observe(sample_scene("test", 2, 342))
    (man,) = (region for region in seen.truth.regions if region.category == "man")
    picture = Image.fromarray(render_rgb(seen.svg))
    out = Path(__file__).parent / "visual-prompts.jpg"
    sheet(picture, seen.masks[man.region_id]).save(out, quality=88)
    print(f"wrote {out.name}")


if __name__ == "__main__":
    main()
