"""Two pictures, three regions, one global caption, as our JSONL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from finecaption.data.opening import open_data
from finecaption.data.record import to_record
from finecaption.io import masks
from finecaption.types import RegionSample
from finecaption_annotate.review import ReviewSet, read_set

SIZE = (160, 120)
BOXES = {"a": [(20, 20, 70, 90), (90, 30, 150, 100)], "b": [(40, 10, 120, 60)]}


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    """The file."""
    samples = []
    for name, boxes in BOXES.items():
        picture = Image.new("RGB", SIZE, (205, 215, 225))
        draw = ImageDraw.Draw(picture)
        path = tmp_path / f"{name}.png"
        common: dict[str, Any] = {"image": str(path), "size": SIZE, "image_id": name}
        for number, box in enumerate(boxes, 1):
            draw.ellipse(box, fill=(60 * number, 90, 160))
            mask = np.zeros((SIZE[1], SIZE[0]), bool)
            mask[box[1] : box[3], box[0] : box[2]] = True
            region = {**common, "mask": masks.encode_rle(mask), "region_id": str(number)}
            for attribute, text in {
                "Category Name": "A ball.",
                "Color": f"Ball {number} of {name} is blue.",
                "Shape": "It is round.",
            }.items():
                samples.append(RegionSample(**region, task="aarc", attribute=attribute, text=text))
            samples.append(RegionSample(**region, task="rdc", text="A blue ball lies there."))
        if name == "a":
            samples.append(RegionSample(**common, task="cgic", text="Two balls."))
        picture.save(path)
    path = tmp_path / "own.jsonl"
    lines = [json.dumps(to_record(sample, tmp_path)) for sample in samples]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def data(data_file: Path) -> ReviewSet:
    """The set."""
    return read_set(open_data(data_file), data_file.name, data_file.parent)


def key_of(data: ReviewSet, picture: int, place: int, name: str) -> tuple[str, str, str, int]:
    """The key of a field by name."""
    fields = data.pictures[picture].places[place].fields
    return next(one.key for one in fields if one.name == name)
