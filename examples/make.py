"""Renders the images of this folder and the two masks in twins/.

    python examples/make.py [FOLDER]

The scenes are from the test split of the synthetic world: no model was trained on them. They are of
the version of that world that the shipped model was trained on (WORLD). Code that renders another
version refuses to replace them: the model would be asked about images unlike those it knows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from finecaption.eval.interior import interior_point
from finecaption_synth import WORLD_VERSION
from finecaption_synth.compose import render_rgb
from finecaption_synth.observe import observe
from finecaption_synth.scene import sample_scene

WORLD = 2
SCENES = {"park": (13, 272), "room": (2, 342), "street": (2, 25)}  # name -> seed, index
# Two objects of the room whose boxes nearly coincide.
TWINS = (("orange", "rabbit"), ("black", "hoop"))


def make(folder: Path) -> None:
    """Writes park.png, room.png, street.png and twins/*.png; prints what can be clicked where."""
    if WORLD != WORLD_VERSION:
        raise SystemExit(
            f"the examples are of version {WORLD} of the synthetic world, as the shipped model is; "
            f"this code renders version {WORLD_VERSION}: choose new scenes when a new model ships"
        )
    (folder / "twins").mkdir(parents=True, exist_ok=True)
    for name, (seed, index) in SCENES.items():
        seen = observe(sample_scene("test", seed, index))
        image = Image.fromarray(render_rgb(seen.svg))
        # 256 colors are enough for flat artwork, and a third of the bytes
        image.quantize(256, dither=Image.Dither.NONE).save(folder / f"{name}.png", optimize=True)
        for region in seen.truth.regions:
            mask = seen.masks[region.region_id]
            x, y, _ = interior_point(mask)
            print(f"{name}.png  {x:.0f},{y:.0f}  {region.colour} {region.category}")
            if name == "room" and (region.colour, region.category) in TWINS:
                file = folder / "twins" / f"{region.category}.png"
                Image.fromarray(mask).save(file, optimize=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
