"""Masks as base64 of gzipped bytes."""

from __future__ import annotations

import base64
import gzip
import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finecaption.errors import InputError
from finecaption.io.compressed_masks import decode_base64_gzip, encode_base64_gzip

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda s: arrays(bool, s))


@given(masks)
def test_base64_gzip_round_trip(mask: np.ndarray) -> None:
    height, width = mask.shape
    text = encode_base64_gzip(mask)
    assert text == encode_base64_gzip(mask)
    assert np.array_equal(decode_base64_gzip(text, (width, height)), mask)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!", "base64"),
        ("ä", "base64"),
        (base64.b64encode(b"hello").decode(), "gzip"),
        (base64.b64encode(gzip.compress(b"\1" * 12)[:-9]).decode(), "gzip"),
        (base64.b64encode(gzip.compress(b"\1" * 11)).decode(), "11 bytes"),
        (base64.b64encode(gzip.compress(b"\1" * 10**6)).decode(), "more bytes"),
    ],
    ids=["text", "umlaut", "not gzip", "cut off", "too short", "too long"],
)
def test_broken_base64_gzip(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"mask: .*{message}"):
        decode_base64_gzip(text, (4, 3))


def test_a_gzip_bomb_stays_packed() -> None:
    """A megabyte of text that unpacks to a gigabyte costs no more than the mask's size."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as stream:
        for _ in range(64):
            stream.write(bytes(1 << 20))
    text = base64.b64encode(packed.getvalue())
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="more bytes where 3 x 4 = 12 belong"):
            decode_base64_gzip(text, (4, 3))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
