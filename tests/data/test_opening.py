from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from finecaption.data import store
from finecaption.data.convert import convert
from finecaption.data.opening import FORMATS, guess_format, open_data
from finecaption.data.sources import SOURCE_NAMES
from finecaption.errors import InputError

from .store.conftest import make_samples


def test_formats_are_told_by_their_look(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 3)
    convert(given, tmp_path / "s", "parquet")
    convert(given, tmp_path / "j/x.jsonl", "jsonl")
    assert guess_format(tmp_path / "s") == "store"
    assert guess_format(tmp_path / "j") == guess_format(tmp_path / "j/x.jsonl") == "jsonl"
    with pytest.raises(InputError, match="cannot be told by its look; give --from"):
        guess_format(tmp_path / "bilder")
    with pytest.raises(InputError, match="no such file or folder"):
        guess_format(tmp_path / "none")
    assert set(FORMATS) == {*SOURCE_NAMES, "store"}
    with pytest.raises(InputError, match="unknown dataset format 'xml'"):
        open_data(tmp_path / "s", "xml")
    with pytest.raises(InputError, match="store: no option 'a'"):
        open_data(tmp_path / "s", options={"a": 1})


@pytest.mark.parametrize("embed", [True, False])
def test_a_store_is_read_by_split(embed: bool, tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 8)
    store.write(given, tmp_path / "s", embed=embed)
    found = open_data(tmp_path / "s", split="val", deep=True)
    assert {s.image_id for s in found} == {"i0", "i4"}
    assert found.counts["rows of other splits passed over"] == 6


def test_a_broken_block_is_left_out_and_the_others_read(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 300, files=False)
    info = store.write(given, tmp_path / "s", embed=True)
    (shard,) = info.shards
    assert len(shard.blocks) > 3
    file = tmp_path / "s" / shard.name
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    file.write_bytes(data)
    source = open_data(tmp_path / "s", problems="skip", deep=True)
    found = {s.image_id for s in source}
    assert 0 < len(found) < 300 and source.problems
    for problem in source.problems:
        assert problem.file.endswith(shard.name) and problem.record.startswith("block ")
    with pytest.raises(InputError, match=r"data-00000.*: block \d"):
        list(open_data(tmp_path / "s", deep=True))


def test_pictures_that_changed_are_named(tmp_path: Path) -> None:
    given = make_samples(tmp_path / "bilder", 4)
    store.write(given, tmp_path / "s", images=tmp_path / "bilder")
    Image.new("RGB", (3, 3)).save(str(given[0].image))
    (tmp_path / "bilder/bild-ü2.png").write_bytes(b"no picture")
    source = open_data(tmp_path / "s", problems="skip", deep=True)
    assert {s.image_id for s in source} == {"i1", "i3"}
    texts = [str(p) for p in source.problems]
    assert len(texts) == 2
    assert "block 0, row 0" in texts[0] and "3 x 3 pixels" in texts[0]
    assert "row 2" in texts[1] and "not an image" in texts[1]
