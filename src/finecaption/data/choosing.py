"""Parts of a stream: a random sample of it, or splits that keep each image in one of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import numpy as np

from finecaption.errors import InputError
from finecaption.types import RegionSample

T = TypeVar("T")


def choose(things: Iterable[T], count: int, seed: int) -> list[T]:
    """So many of a stream at random, in the stream's order; all of them if there are fewer.

    A reservoir: one pass, memory for `count` things.

    Raises:
        InputError: count below 1.
    """
    if count < 1:
        raise InputError(f"count: is {count}; it must be at least 1")
    rng = random.Random(seed)
    kept: list[tuple[int, T]] = []
    for number, thing in enumerate(things):
        if len(kept) < count:
            kept.append((number, thing))
        else:
            place = rng.randrange(number + 1)
            if place < count:
                kept[place] = number, thing
    return [thing for _, thing in sorted(kept, key=lambda pair: pair[0])]


def parse_ratios(texts: Sequence[str]) -> dict[str, Fraction]:
    """`["train=8", "val=1"]` -> shares that sum to 1.

    Raises:
        InputError: a text of another form, a name given twice, a share that is not positive.
    """
    ratios: dict[str, Fraction] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = Fraction(number)
        except (ValueError, ZeroDivisionError):
            value = Fraction(0)
        if not equals or not name or value <= 0 or name in ratios or set(name) & set("/\\"):
            raise InputError(
                f"part {text!r}: must be NAME=SHARE with a positive number and a new name, such as "
                "train=8 val=1 test=1"
            )
        ratios[name] = value
    if len(ratios) < 2:
        raise InputError("parts: give at least two, such as train=9 val=1")
    total = sum(ratios.values())
    return {name: value / total for name, value in ratios.items()}


def split_of(sample: RegionSample, ratios: Mapping[str, Fraction], seed: int) -> str:
    """The part that a sample's image falls in: a function of the image's id, or else its path
    or pixels, and of the seed alone, so that more data leaves the old where it was."""
    if sample.image_id:
        key = f"{sample.source}/{sample.image_id}"
    elif isinstance(sample.image, np.ndarray):
        key = hashlib.sha256(sample.image.tobytes()).hexdigest()
    else:
        key = str(sample.image)
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    place = Fraction(int.from_bytes(digest[:8], "big"), 1 << 64)
    edge = Fraction(0)
    for name, share in ratios.items():
        edge += share
        if place < edge:
            return name
    return name


def part_of(
    samples: Iterable[RegionSample], ratios: Mapping[str, Fraction], seed: int, wanted: str
) -> Iterator[RegionSample]:
    """The samples of one part, their `split` set to its name."""
    for sample in samples:
        if split_of(sample, ratios, seed) == wanted:
            yield replace(sample, split=wanted)
