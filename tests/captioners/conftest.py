"""A tiny checkpoint of each family, made once; a picture with two regions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finecaption.captioners.questions import Question
from finecaption.types import Region


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Family -> folder; written when it is first asked for."""
    from tests.captioners.tiny import write_tiny

    root = tmp_path_factory.mktemp("families")
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = write_tiny(family, root / family)
        return made[family]

    return folder


@pytest.fixture(scope="session")
def scene() -> tuple[Image.Image, Region, Region]:
    """128 x 96: a red square, a blue disc, noise behind; the regions of the two."""
    pixels = np.random.default_rng(3).integers(120, 200, (96, 128, 3), dtype=np.uint8)
    square, disc = np.zeros((96, 128), bool), np.zeros((96, 128), bool)
    square[12:44, 16:48] = True
    rows, columns = np.indices(disc.shape)
    disc[np.hypot(rows - 64, columns - 92) < 20] = True
    pixels[square] = (220, 30, 20)
    pixels[disc] = (20, 40, 220)
    return Image.fromarray(pixels), Region(square), Region(disc)


@pytest.fixture(scope="session")
def questions(scene: tuple[Image.Image, Region, Region]) -> list[Question]:
    """Every task, two regions."""
    picture, square, disc = scene
    return [
        Question(picture, square, "aarc", "Color"),
        Question(picture, disc, "aarc", "Color"),
        Question(picture, square, "aarc", "One-Sentence Description"),
        Question(picture, disc, "rdc"),
        Question(picture, None, "cgic"),
    ]
