"""A chat server of our own on this machine, with moods, and a captioner without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption_annotate.annotate.captioners import Ask, CaptionerError, Said

from ...chat import ChatServer, chatting


def _say(asked: str) -> str:
    return "Not applicable." if ": Hair." in asked else f"Said of {asked.split(':')[-1][:12]}"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chatting(_say) as made:
        yield made


class Parrot:
    """Answers at once; gives up after `fails_after` questions."""

    def __init__(self, fails_after: int | None = None, name: str = "parrot") -> None:
        self.left, self.name, self.asked = fails_after, name, 0

    @property
    def identity(self) -> dict[str, Any]:
        return {"kind": "parrot", "name": self.name}

    def answer(self, picture: Image.Image, asks: Sequence[Ask]) -> Iterator[tuple[int, Said]]:
        for number, ask in enumerate(asks):
            if self.left is not None and self.asked >= self.left:
                raise CaptionerError("the parrot is tired")
            self.asked += 1
            area = "all" if ask.mask is None else int(ask.mask.sum())
            said = None if ask.attribute == "Hair" else f"{ask.name} of {area}"
            yield number, Said(said)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder: one mask, two masks, transparency, nothing."""
    folder = tmp_path / "bilder"
    (folder / "tief").mkdir(parents=True)

    def mask(path: Path, *boxes: tuple[int, int, int, int]) -> None:
        values = np.zeros((30, 40), np.uint8)
        for x0, y0, x1, y1 in boxes:
            values[y0:y1, x0:x1] = 255
        Image.fromarray(values).save(path)

    # of different colours: equal pictures share their answers
    for red, name in enumerate(("ä.png", "tief/b.jpg", "d.png"), 1):
        Image.new("RGB", (40, 30), (50 * red, 100, 50)).save(folder / name)
    mask(folder / "ä.mask.png", (5, 5, 15, 15))
    mask(folder / "tief/b.1.mask.png", (0, 0, 10, 10))
    mask(folder / "tief/b.2.mask.png", (20, 20, 25, 30))
    cut = Image.new("RGBA", (40, 30), (0, 0, 255, 0))
    cut.paste((0, 0, 255, 255), (10, 10, 20, 20))
    cut.save(folder / "c.png")
    return folder
