from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from finecaption.data.problems import ProblemError
from finecaption.data.sources import open_source
from finecaption.errors import InputError
from finecaption_synth.dataset import render_split


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    assert list(render_split("train", 2, 3, folder, workers=1)) == [0, 1]
    return folder


def test_the_drawn_world_as_it_is_rendered(world: Path) -> None:
    records = [json.loads(line) for line in (world / "annotations.jsonl").read_text().splitlines()]
    source = open_source("synth", world, deep=True)
    found = list(source)
    aarc = sum(len(r["captions"].get("aarc", {})) for r in records)
    assert source.counts == {
        "samples of aarc": aarc,
        "samples of rdc": sum(r["region_id"] != 0 for r in records),
        "samples of cgic": 2,
    }
    assert {(s.image_id, s.split, s.source) for s in found} == {
        ("train-3-000000", "train", "synth"),
        ("train-3-000001", "train", "synth"),
    }
    first = found[0]
    assert (first.region_id, first.region().box) == ("1", tuple(records[0]["box"]))
    assert first.text == records[0]["captions"]["aarc"][first.attribute][0]
    assert np.array_equal(first.region().mask, found[1].region().mask)
    every = list(open_source("synth", world, sentences=None))
    assert len(every) > 2 * len(found)
    assert list(open_source("synth", world, split="val")) == []


def test_what_is_wrong_is_named(world: Path, tmp_path: Path) -> None:
    lines = (world / "annotations.jsonl").read_text().splitlines()
    less = json.loads(lines[0])
    del less["captions"]
    file = tmp_path / "annotations.jsonl"
    file.write_text("\n".join([json.dumps(less), lines[1], "7"]))
    source = open_source("synth", tmp_path, images=world / "images", problems="skip")
    assert len({sample.region_id for sample in source}) == 1
    assert [(p.record, p.field) for p in source.problems] == [
        ("line 1", "captions"), ("line 3", "image"),
    ]  # fmt: skip
    with pytest.raises(ProblemError, match=r"annotations\.jsonl: no such file"):
        list(open_source("synth", world / "images"))
    with pytest.raises(InputError, match="sentences is 0"):
        open_source("synth", world, sentences=0)


def test_another_version_of_the_world_is_refused(world: Path, tmp_path: Path) -> None:
    (tmp_path / "annotations.jsonl").write_bytes((world / "annotations.jsonl").read_bytes())
    (tmp_path / "index.json").write_text('{"world": 1, "settings": {}}')
    with pytest.raises(InputError, match="of version 1 of the drawn world.*render the folder"):
        list(open_source("synth", tmp_path, images=world / "images", problems="skip"))
