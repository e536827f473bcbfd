"""Texts of exactly Pillow's limits stay, longer ones go. Whole files: test_images.py."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import PngImagePlugin

from finecaption.io.images import PNG_SIGNATURE, without_long_texts

LIMIT, ALL = 100, 250  # bytes of one text, and of all texts together


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", LIMIT)
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", ALL)


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def text(kind: str, size: int) -> bytes:
    """A chunk whose text has so many bytes."""
    said = b"x" * size
    packed = zlib.compress(said)
    return {
        "tEXt": chunk(b"tEXt", b"name\0" + said),
        "zTXt": chunk(b"zTXt", b"name\0\0" + packed),
        "iCCP": chunk(b"iCCP", b"name\0\0" + packed),
        "iTXt": chunk(b"iTXt", b"name\0\0\0en\0Name\0" + said),
        "iTXt packed": chunk(b"iTXt", b"name\0\1\0en\0Name\0" + packed),
    }[kind]


KINDS = ["tEXt", "zTXt", "iCCP", "iTXt", "iTXt packed"]
HEAD, DATA, END = chunk(b"IHDR", bytes(13)), chunk(b"IDAT", bytes(300)), chunk(b"IEND", b"")


def png(*texts: bytes) -> bytes:
    return PNG_SIGNATURE + HEAD + b"".join(texts) + DATA + END


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "stays"), [(0, True), (LIMIT, True), (LIMIT + 1, False)])
def test_a_text_of_exactly_the_limit_stays(kind: str, size: int, stays: bool) -> None:
    data = png(text(kind, size))
    assert without_long_texts(data) == (data if stays else png())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("last", "stays"), [(50, True), (51, False)])
def test_texts_of_exactly_the_limit_of_all_stay(kind: str, last: int, stays: bool) -> None:
    before = [text(kind, 100), text(kind, 100)]
    data = png(*before, text(kind, last))
    assert without_long_texts(data) == (data if stays else png(*before))


def test_a_text_that_goes_does_not_count_and_what_is_between_stays() -> None:
    long, short = text("tEXt", 101), text("zTXt", 100)
    data = png(long, short, long, short, text("tEXt", 50), long)
    assert without_long_texts(data) == png(short, short, text("tEXt", 50))


def test_other_chunks_may_be_long() -> None:
    data = png(chunk(b"eXIf", bytes(500)))
    assert without_long_texts(data) is data


def test_a_text_that_cannot_be_unpacked_is_left_to_pillow() -> None:
    data = png(chunk(b"zTXt", b"name\0\0no zlib" + bytes(500)))
    assert without_long_texts(data) is data


@pytest.mark.parametrize("cut", [1, 5, 12, 13, 400])
def test_what_stands_behind_the_last_whole_chunk_is_kept(cut: int) -> None:
    data = png(text("tEXt", 101))
    if cut < len(DATA + END):
        assert without_long_texts(data[:-cut]) == png()[:-cut]
    else:
        assert without_long_texts(data[:-cut]) == data[:-cut], "the text itself is cut off"
