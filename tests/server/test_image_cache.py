"""Which encoded images stay when the cache is full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from finecaption.server import image_cache
from finecaption.server.image_cache import ImageCache


def encoded(pixels: int = 10) -> Any:
    return SimpleNamespace(size=(pixels, 1))


def kept(cache: ImageCache, names: str) -> str:
    """The names among these that the cache holds; asks without using them."""
    return "".join(name for name in names if name.encode() in cache._kept)


@pytest.mark.parametrize(
    ("used", "left"),
    [
        ("", "bcd"),  # nothing was asked for again: the oldest goes
        ("a", "acd"),
        ("ab", "abd"),
        ("abc", "bcd"),
        ("ba", "abd"),
        ("cba", "abd"),
    ],
)
def test_the_least_recently_used_goes_first(used: str, left: str) -> None:
    cache = ImageCache(3, 1000)
    for name in "abc":
        cache.put(name.encode(), encoded())
    for name in used:
        assert cache.get(name.encode()) is not None
    cache.put(b"d", encoded())
    assert kept(cache, "abcd") == left


@pytest.mark.parametrize(
    ("sizes", "left"),
    [
        ((40, 40, 20), "abc"),  # exactly the limit of 100 pixels
        ((40, 40, 21), "bc"),
        ((40, 40, 100), "c"),
        ((40, 40, 101), "ab"),  # too large alone: not kept, and nothing goes for it
    ],
)
def test_pixels_of_all_together(sizes: tuple[int, ...], left: str) -> None:
    cache = ImageCache(5, 100)
    for name, size in zip("abc", sizes, strict=True):
        cache.put(name.encode(), encoded(size))
    assert kept(cache, "abc") == left


def test_what_goes_gives_its_pixels_back() -> None:
    cache = ImageCache(1, 100)
    for name in "abcdef":
        cache.put(name.encode(), encoded(60))
    assert kept(cache, "abcdef") == "f"
    assert cache._pixels == 60


def test_pixels_are_width_times_height() -> None:
    cache = ImageCache(5, 100)
    for name in "abc":
        cache.put(name.encode(), SimpleNamespace(size=(10, 5)))  # type: ignore[arg-type]  # a stand-in
    assert kept(cache, "abc") == "bc" and cache._pixels == 100
    cache.put(b"d", SimpleNamespace(size=(5, 20)))  # type: ignore[arg-type]  # a stand-in
    assert kept(cache, "abcd") == "d" and cache._pixels == 100


def test_a_cache_of_none_keeps_none() -> None:
    cache = ImageCache(0, 100)
    cache.put(b"a", encoded())
    assert cache.get(b"a") is None and not cache.seen(b"a") and not cache.seen(b"a")
    some = ImageCache(1, 100)
    some.put(b"", encoded())
    assert some.get(b"") is None and not some.seen(b"") and not some.seen(b"")


def test_seen_is_of_the_last_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "_REMEMBERED", 2)
    cache = ImageCache(1, 100)
    assert [cache.seen(name) for name in (b"a", b"b", b"a", b"c")] == [False, False, True, False]
    assert cache.seen(b"a"), "it came again after b"
    assert not cache.seen(b"b")
