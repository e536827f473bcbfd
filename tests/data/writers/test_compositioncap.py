from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finecaption.data.record import to_record
from finecaption.data.sources import open_source
from finecaption.data.writers.compositioncap import write_compositioncap
from finecaption.errors import InputError
from finecaption.io import masks
from finecaption.io.compressed_masks import decode_base64_gzip
from finecaption.types import RegionSample


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> list[RegionSample]:
    one, two = np.zeros((2, 6, 8), bool)
    one[1:3, 1:4] = True
    two[2:6, 3:8] = True
    common: dict[str, Any] = {"size": (8, 6), "split": "val", "source": "own", "licence": "CC0"}
    a = {**common, "image": str(picture(tmp_path / "pictures" / "ä a.png")), "image_id": "a/1"}
    b = {**common, "image": str(picture(tmp_path / "out" / "b.png")), "image_id": "", "split": ""}
    first = {"mask": masks.encode_rle(one), "region_id": "r1"}
    second = {"mask": masks.encode_rle_counts(two), "region_id": "r2"}
    nameless = {"mask": two}
    return [
        RegionSample(**a, task="cgic", text="A scene."),
        RegionSample(**a, task="cgic", text="Eine Szene – ja."),
        RegionSample(**a, **first, task="aarc", attribute="Hair", text="Brown (entity_id_2)."),
        RegionSample(**a, **first, task="aarc", attribute="Hair", text="Short."),
        RegionSample(**a, **first, task="aarc", attribute="Number of Wheels", text="Four."),
        RegionSample(**a, **first, task="rdc", text="A boy."),
        RegionSample(**a, **second, task="rdc", text="A dog."),
        RegionSample(**b, **nameless, task="aarc", attribute="Color", text="Red."),
        RegionSample(**b, **first, task="aarc", attribute="Color", text="Blue."),
    ]


def plain(sample: RegionSample) -> dict[str, Any]:
    mask = None if sample.mask is None else masks.encode_rle(sample.region().mask)
    return to_record(dataclasses.replace(sample, mask=mask, image=Path(sample.image).resolve()))  # type: ignore[arg-type] # a path


def test_what_is_written_reads_back_equal(tmp_path: Path, samples: list[RegionSample]) -> None:
    file = tmp_path / "out" / "captions_train.json"
    assert write_compositioncap(samples, file) == 2
    source = open_source("compositioncap", file, deep=True)
    assert [plain(sample) for sample in source] == [plain(sample) for sample in samples]
    assert not [count for count in source.counts if "passed over" in count]
    # and what was read writes the same bytes
    again = tmp_path / "out" / "again.json"
    write_compositioncap(source, again)
    assert again.read_bytes() == file.read_bytes()


def test_the_form_on_disk(tmp_path: Path, samples: list[RegionSample]) -> None:
    file = tmp_path / "out" / "train.json"
    write_compositioncap(samples, file)
    first, second = json.loads(file.read_text("utf-8"))
    assert first["image"] == "../pictures/ä a.png"
    assert (first["height"], first["width"], second["image"]) == (6, 8, "b.png")
    assert first["global_caption"] == ["A scene.", "Eine Szene – ja."]
    boy = first["entities"][0]
    assert boy["attributes"] == {"Hair": ["Brown (entity_id_2).", "Short."],
                                 "Number of Wheels": "Four."}  # fmt: skip
    assert np.array_equal(decode_base64_gzip(boy["mask"], (8, 6)), samples[2].region().mask)
    assert [e["entity_id"] for e in second["entities"]] == [None, "r1"]


def test_every_sample_is_kept_in_any_order(tmp_path: Path, samples: list[RegionSample]) -> None:
    file = tmp_path / "out" / "train.json"
    mixed = samples[::2] + samples[1::2]
    assert write_compositioncap(mixed, file) == 4
    key = json.dumps
    back = sorted((plain(s) for s in open_source("compositioncap", file)), key=key)
    assert back == sorted((plain(s) for s in samples), key=key)


def test_nothing_to_write(tmp_path: Path) -> None:
    file = tmp_path / "new" / "empty.json"
    assert write_compositioncap([], file) == 0
    assert json.loads(file.read_text()) == []


def test_what_the_format_cannot_say(tmp_path: Path, samples: list[RegionSample]) -> None:
    file = tmp_path / "out" / "train.json"
    part = samples[2].mask
    for changes, message in (
        ({"prompt": "Why?"}, r"a/1, region None: prompt: CompositionCap has no questions"),
        ({"image": np.zeros((6, 8, 3), np.uint8)}, "image: is an array"),
        ({"mask": part}, "mask: a global caption is of the whole image"),
    ):
        with pytest.raises(InputError, match=message):
            write_compositioncap([dataclasses.replace(samples[0], **changes)], file)
        assert not file.exists()
    whole = dataclasses.replace(samples[0], mask=masks.encode_rle(np.ones((6, 8), bool)))
    assert write_compositioncap([whole], file) == 1
