"""The three ways to give a region: a mask, a box, a click.

python examples/describe.py [MODEL]
"""

from __future__ import annotations

import sys
from pathlib import Path

from finecaption import FineCaption

HERE = Path(__file__).parent


def main(model: str = "finecaption-mini") -> None:
    """Describes regions of the park with a model, by name or folder."""
    captioner = FineCaption.from_pretrained(model)
    park = captioner.encode(HERE / "park.png")  # once, for all the questions below

    # Two things whose boxes nearly coincide: the mask tells them apart.
    twins = [HERE / "twins" / "rabbit.png", HERE / "twins" / "hoop.png"]
    result = captioner.caption(park, regions=twins, attributes=["One-Sentence Description"])
    for file, region in zip(twins, result.regions, strict=True):
        print(f"mask {file.stem}: {region.captions['One-Sentence Description']}")

    # A box around the object: pixels, x0, y0, x1, y1.
    result = captioner.caption(park, box=(320, 215, 450, 420), attributes=["Color", "Shape"])
    for name, text in result.regions[0].captions.items():
        print(f"box, {name}: {text}")

    # A click on the man, and one on his scarf, which does not belong to him (False).
    clicks = [(130, 290), (140, 234, False)]
    result = captioner.caption(park, points=clicks, attributes=["Hair", "pose"], dense=True)
    for name, text in result.regions[0].captions.items():
        print(f"click, {name}: {text}")
    print(f"click, in detail: {result.regions[0].dense}")

    # The whole image.
    print(f"whole image: {captioner.caption(park).whole}")


if __name__ == "__main__":
    main(*sys.argv[1:])
