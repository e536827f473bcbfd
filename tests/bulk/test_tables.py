"""Rows and annotations, column by column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from finecaption.bulk.tables import write_coco, write_csv
from finecaption.io.masks import encode_rle

MASK = np.zeros((16, 24), bool)
MASK[2:5, 3:9] = True


def region(name: str, dense: str | None = None, **said: str) -> dict[str, Any]:
    return {
        "id": name,
        "mask": encode_rle(MASK),
        "box": [3, 2, 9, 5],
        "captions": said,
        "dense": dense,
    }


RECORDS: list[dict[str, Any]] = [
    {"id": "a", "image": "a.png", "width": 24, "height": 16, "global": "All.",
     "regions": [region("1", Color="red"), region("2", "Long.", Shape="round")]},
    {"id": "b", "image": None, "width": 24, "height": 16, "global": None, "image_id": 70,
     "meta": {"k": 1}, "regions": [region("1", "Only.")]},
    {"id": "c", "image": "c.png", "width": 24, "height": 16, "global": None, "image_id": 0,
     "regions": []},
]  # fmt: skip


def test_a_row_per_region_and_one_for_the_whole_image(tmp_path: Path) -> None:
    write_csv(tmp_path / "c.csv", lambda: RECORDS)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["id", "image", "width", "height", "region", "x0", "y0", "x1", "y1", "Color", "Shape",
         "dense", "global"],
        ["a", "a.png", "24", "16", "1", "3", "2", "9", "5", "red", "", "", ""],
        ["a", "a.png", "24", "16", "2", "3", "2", "9", "5", "", "round", "Long.", ""],
        ["a", "a.png", "24", "16", "", "", "", "", "", "", "", "", "All."],
        ["b", "", "24", "16", "1", "3", "2", "9", "5", "", "", "Only.", ""],
    ]  # fmt: skip


def test_cells_that_a_spreadsheet_would_run_are_texts(tmp_path: Path) -> None:
    names = ["=cmd|calc.png", "+1.png", "-x.png", "@x.png", "\t=1.png", "a\rb.png", "a=b.png"]
    records = [
        {**RECORDS[1], "id": name, "image": name, "regions": [region("=1", "@x", Color="-red")]}
        for name in names
    ]
    write_csv(tmp_path / "c.csv", lambda: records)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    shown = ["'=cmd|calc.png", "'+1.png", "'-x.png", "'@x.png", "'\t=1.png", "a\\rb.png", "a=b.png"]
    assert [row[0] for row in rows] == [row[1] for row in rows] == shown
    assert all(row[4] == "'=1" and row[9:11] == ["'-red", "'@x"] for row in rows)


def test_coco_has_ids_of_its_own_or_of_the_source(tmp_path: Path) -> None:
    write_coco(tmp_path / "c.json", lambda: RECORDS)
    found = json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert found["images"] == [
        {"id": 1, "file_name": "a", "width": 24, "height": 16, "caption": "All."},
        {"id": 70, "file_name": "b", "width": 24, "height": 16, "meta": {"k": 1}},
        {"id": 0, "file_name": "c", "width": 24, "height": 16},
    ]
    assert [(one["id"], one["image_id"], one["region"], one["caption"], one["dense"])
            for one in found["annotations"]] == [
        (1, 1, "1", "red", None), (2, 1, "2", "round", "Long."), (3, 70, "1", "Only.", "Only."),
    ]  # fmt: skip
    for one in found["annotations"]:
        assert (one["category_id"], one["iscrowd"]) == (1, 0)
        assert one["bbox"] == [3, 2, 6, 3] and one["area"] == 18
        assert one["segmentation"] == encode_rle(MASK)
    assert found["categories"] == [{"id": 1, "name": "region"}]
