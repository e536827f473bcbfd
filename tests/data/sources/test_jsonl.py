from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.record import to_record
from finecaption.data.sources import open_source
from finecaption.io import masks

from .conftest import MakePicture


def line(region: np.ndarray, **changes: Any) -> dict[str, Any]:
    base = {
        "image": "ünter/ä b.png", "width": 8, "height": 6, "task": "rdc", "text": "A thing.",
        "mask": masks.encode_rle(region), "source": "own", "licence": "CC0",
    }  # fmt: skip
    return {**base, **changes}


def save(path: Path, *lines: object) -> Path:
    text = (x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines)
    path.write_text("\n".join(text) + "\n", "utf-8")
    return path


def test_lines_are_read_as_they_were_written(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("ünter/ä b.png")
    records = [line(mask), line(mask, split="val", text="Two."), line(mask, task="cgic", mask=None)]
    file = save(tmp_path / "own.jsonl", *records[:2], "", records[2])
    source = open_source("jsonl", file, deep=True)
    back = [to_record(sample, tmp_path) for sample in source]
    del records[2]["mask"]
    assert back == records
    assert source.counts == {"samples of rdc": 2, "samples of cgic": 1}
    assert [sample.text for sample in open_source("jsonl", file, split="val")] == [
        "A thing.", "Two.", "A thing.",
    ]  # fmt: skip


def test_a_folder_of_files_in_natural_order(
    tmp_path: Path, picture: MakePicture, mask: np.ndarray
) -> None:
    picture("ünter/ä b.png")
    for number in (10, 9):
        save(tmp_path / f"part-{number}.jsonl", line(mask, text=f"{number}"))
    assert [sample.text for sample in open_source("jsonl", tmp_path)] == ["9", "10"]


def test_every_bad_line_is_named(tmp_path: Path, picture: MakePicture, mask: np.ndarray) -> None:
    picture("ünter/ä b.png")
    broken = {"size": [6, 8], "counts": "!!"}
    file = save(
        tmp_path / "own.jsonl",
        line(mask),
        "{not json",
        line(mask, image="none.png"),
        line(mask, mask=broken),
        line(mask, mask=masks.encode_rle(mask & False)),
        line(mask, width=9, mask=masks.encode_rle(np.ones((6, 9), bool))),
        line(mask, text=""),
        line(mask),
    )
    with pytest.raises(ProblemError, match=r"own\.jsonl: line 2: is not JSON"):
        list(open_source("jsonl", file))
    source = open_source("jsonl", file, problems="skip", deep=True)
    for _ in range(2):  # afresh each time
        assert len(list(source)) == 2
        assert [(p.record, p.field) for p in source.problems] == [
            ("line 2", ""), ("line 3", "image"), ("line 4", "mask"), ("line 5", "mask"),
            ("line 6", "size"), ("line 7", "text"),
        ]  # fmt: skip
    assert {p.file for p in source.problems} == {str(file)}
    # what only decoding shows is not seen without it
    source = open_source("jsonl", file, problems="skip")
    assert len(list(source)) == 4


def test_pictures_elsewhere(tmp_path: Path, picture: MakePicture, mask: np.ndarray) -> None:
    path = picture("far/away/ä b.png")
    picture("data/images/ünter/ä b.png")
    inside = picture("data/ünter/ä b.png")
    (tmp_path / "data").mkdir(exist_ok=True)
    file = save(tmp_path / "data" / "own.jsonl", line(mask))
    (found,) = open_source("jsonl", file, images=path.parent)  # by its bare name
    assert found.image == str(path)
    (found,) = open_source("jsonl", file)
    assert found.image == str(inside)  # relative to the file first
    inside.unlink()
    (tmp_path / "data" / "images" / "ünter" / "ä b.png").unlink()
    picture("data/ä b.png")  # another picture for all that is known
    with pytest.raises(ProblemError, match="image: .*: no such image"):
        list(open_source("jsonl", file))
