from __future__ import annotations

import json
from pathlib import Path

import pytest

from finecaption.data.sources import reading
from finecaption.data.sources.reading import json_items, text_lines
from finecaption.errors import InputError

VALUES = [{"a": [1, {"b": 'ü\\"]}'}]}, 12345, -1.5e3, "x" * 50, None, True, [], {}, 678]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_values_come_one_by_one_however_the_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(reading, "CHUNK", chunk)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(VALUES, indent=indent, ensure_ascii=False), "utf-8")
    items = list(json_items(file))
    assert [item.value for item in items] == VALUES
    assert items[3].place == "[3]"
    file.write_text(
        json.dumps({"info": {"n": 1}, "rows": VALUES, "none": [], "n": 5}, indent=indent), "utf-8"
    )
    items = list(json_items(file))
    assert (items[0].place, items[0].value) == ("info", {"n": 1})
    assert [item.value for item in items[1:-1]] == VALUES
    assert (items[1].place, items[-1].place, items[-1].value) == ("rows[0]", "n", 5)
    assert [item.key for item in json_items(file, "n")] == ["n"]


def test_small_files(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for text, values in (("[]", []), (" {} ", []), ("7", [7]), ("\ufeff[1]", [1])):
        file.write_text(text, "utf-8")
        assert [item.value for item in json_items(file)] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not whole JSON"),
        ("[1, 2", "found 'the end'"),
        ("[1 2]", '"," or "\\]" expected after a value'),
        ('[{"a": 1}, {"a": ]', "character 17"),
        ('{"a" 1}', '":" expected after a key'),
        ("{1: 2}", "a key in double quotes"),
        ("[1] x", "more after the end"),
        ("[" * 100_000, "not whole JSON"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.json"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message):
        list(json_items(file))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(json_items(tmp_path / "none.json"))
    with pytest.raises(InputError, match="cannot be read"):
        list(json_items(tmp_path))
    file = tmp_path / "latin.json"
    file.write_bytes('["\xe4"]'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        list(json_items(file))
    with pytest.raises(InputError, match="not UTF-8"):
        list(text_lines(file))
