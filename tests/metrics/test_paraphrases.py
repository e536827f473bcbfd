"""The part of METEOR's table that texts can need."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.metrics import paraphrases
from finecaption.metrics.paraphrases import LONGEST_KEY, MOST_WORDS, keys, needed, write_needed

ENTRIES = [
    (b"0.5", b"big car", b"large automobile"),
    (b"0.1", b"car", b"automobile"),
    (b"0.2", b"us", b"united states"),
    (b"0.3", b"??", b"!"),
    (b"0.4", b"car", b"ship"),
    (b"0.6", b"the red - brown", b"brown"),
]


def packed(path: Path, entries: list[tuple[bytes, ...]], last: bytes = b"\n") -> Path:
    path.write_bytes(gzip.compress(b"\n".join(b"\n".join(e) for e in entries) + last))
    return path


def test_keys_have_neither_spaces_nor_signs() -> None:
    assert keys([["A", "red"], ["a", "red"]]) == {b"", b"a", b"ared", b"red"}
    assert keys([["u.s."]]) == {b"", b"u", b"us", b"s"}
    assert keys([["café"]]) == {b"", b"caf"}
    assert keys([[], ["..."]]) == {b""}


def test_keys_are_no_longer_than_the_table_can_use() -> None:
    clean = keys([list("abcdefghij")])
    assert max(map(len, clean)) == MOST_WORDS
    cut = keys([[*"abcdefghij", "-"]])  # signs: pieces may be parts of one word
    assert max(map(len, cut)) == 10
    long = keys([["word"] * 40 + ["."]])
    assert LONGEST_KEY - 4 < max(map(len, long)) <= LONGEST_KEY


@pytest.mark.parametrize("chunk", [1, 5, 1 << 18])
@pytest.mark.parametrize("last", [b"\n", b""])
def test_entries_come_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, last: bytes
) -> None:
    monkeypatch.setattr(paraphrases, "_CHUNK", chunk)
    table = packed(tmp_path / "table.gz", ENTRIES, last)
    texts = [["a", "big", "car", "in", "the", "u.s."], ["automobile"], ["the", "red-brown"]]
    found = list(needed(table, keys(texts)))
    assert found == [b"0.1\ncar\nautomobile\n", b"0.3\n??\n!\n", b"0.6\nthe red - brown\nbrown\n"]
    out = tmp_path / "part.gz"
    assert write_needed(table, texts, out) == 3
    assert gzip.decompress(out.read_bytes()) == b"".join(found)


def test_a_broken_table_is_an_error(tmp_path: Path) -> None:
    table = packed(tmp_path / "table.gz", ENTRIES * 50)
    table.write_bytes(table.read_bytes()[:-20])
    with pytest.raises(OSError, match="cut short"):
        list(needed(table, {b""}))
    for last in (b"\n0.7\n", b"\n0.7\ncar"):
        with pytest.raises(OSError, match="cut short"):
            list(needed(packed(table, ENTRIES, last), keys([["car"]])))
    table.write_bytes(b"no gzip")
    with pytest.raises(zlib.error):
        list(needed(table, {b""}))


WORDS = st.lists(st.sampled_from(["a", "big", "red", "car", "dog"]), min_size=1, max_size=9)


@given(st.lists(WORDS, max_size=4), st.lists(st.tuples(WORDS, WORDS), max_size=8))
def test_nothing_that_stands_in_the_texts_is_left_out(
    texts: list[list[str]], pairs: list[tuple[list[str], list[str]]]
) -> None:
    wanted = keys(texts)

    def stands(phrase: list[str]) -> bool:
        size = len(phrase)
        return size <= MOST_WORDS and any(
            text[i : i + size] == phrase for text in texts for i in range(len(text))
        )

    for pair in pairs:
        if all(map(stands, pair)):
            assert all("".join(p).encode() in wanted for p in pair)
