"""The three ways to say which region is meant: a mask, a box, a click.

python examples/describe.py [MODEL]
"""

from __future__ import annotations

import sys
from pathlib import Path

from finecaption import FineCaption

HERE = Path(__file__).parent


def main(model: str = "finecaption-mini") -> None:
    """Describes regions of the room with a model, given by name or folder."""
    captioner = FineCaption.from_pretrained(model)
    room = captioner.encode(HERE / "room.png")  # once, for all the questions below

    # Two objects whose boxes nearly coincide: the mask says which one is meant.
    twins = [HERE / "twins" / "rabbit.png", HERE / "twins" / "hoop.png"]
    result = captioner.caption(room, regions=twins, attributes=["One-Sentence Description"])
    for file, region in zip(twins, result.regions, strict=True):
        print(f"mask {file.stem}: {region.captions['One-Sentence Description']}")

    # A box around the table: x0, y0, x1, y1 in pixels.
    result = captioner.caption(room, box=(151, 311, 382, 452), attributes=["Color", "Shape"])
    for name, text in result.regions[0].captions.items():
        print(f"box, {name}: {text}")

    # A click on the man, and one on the table, which is not meant (False).
    clicks = [(434, 315), (225, 347, False)]
    result = captioner.caption(room, points=clicks, attributes=["Hair", "pose"], dense=True)
    for name, text in result.regions[0].captions.items():
        print(f"click, {name}: {text}")
    print(f"click, in detail: {result.regions[0].dense}")

    # The whole image.
    print(f"whole image: {captioner.caption(room).whole}")


if __name__ == "__main__":
    main(*sys.argv[1:])
