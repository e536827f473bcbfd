from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from finecaption.data.choosing import choose, parse_ratios, part_of, split_of
from finecaption.errors import InputError
from finecaption.types import RegionSample


def sample(image_id: str, text: str = "x", **kw: object) -> RegionSample:
    return RegionSample(
        **{"image": f"{image_id}.png", "size": (4, 4), "task": "cgic", "text": text,
           "image_id": image_id, **kw}  # type: ignore[arg-type]
    )  # fmt: skip


def test_choose_takes_any_with_equal_chance_in_order() -> None:
    counts: Counter[int] = Counter()
    for seed in range(400):
        got = choose(range(20), 5, seed)
        assert len(got) == 5 == len(set(got)) and got == sorted(got)
        counts.update(got)
    assert min(counts.values()) > 60 and max(counts.values()) < 140  # 100 each
    assert choose(range(20), 5, 3) == choose(iter(range(20)), 5, 3)
    assert choose("ab", 5, 0) == ["a", "b"]
    with pytest.raises(InputError, match="count: is 0"):
        choose("ab", 0, 0)


def test_ratios() -> None:
    assert parse_ratios(["train=8", "val=1", "test=1"]) == {
        "train": Fraction(4, 5), "val": Fraction(1, 10), "test": Fraction(1, 10),
    }  # fmt: skip
    for wrong in (["a"], ["a=1", "a=2"], ["a=0", "b=1"], ["a=-1", "b=1"], ["a=x", "b=1"],
                  ["=1", "b=1"], ["../a=1", "b=1"]):  # fmt: skip
        with pytest.raises(InputError, match="NAME=SHARE|at least two"):
            parse_ratios(wrong)


def test_splits_are_by_picture_and_near_their_shares() -> None:
    ratios = parse_ratios(["train=8", "val=2"])
    samples = [sample(f"p{k // 3}", str(k)) for k in range(6000)]
    parts = {name: list(part_of(samples, ratios, 1, name)) for name in ratios}
    assert sum(map(len, parts.values())) == 6000
    ids = {name: {s.image_id for s in part} for name, part in parts.items()}
    assert not ids["train"] & ids["val"]
    assert 0.77 < len(ids["train"]) / 2000 < 0.83
    assert all(s.split == name for name, part in parts.items() for s in part)


def test_more_data_leaves_the_old_where_it_was() -> None:
    ratios = parse_ratios(["a=1", "b=1"])
    where = {k: split_of(sample(f"p{k}"), ratios, 5) for k in range(50)}
    assert where == {k: split_of(sample(f"p{k}"), ratios, 5) for k in reversed(range(50))}
    assert where != {k: split_of(sample(f"p{k}"), ratios, 6) for k in range(50)}


def test_pictures_without_ids_go_by_path_or_pixels() -> None:
    ratios = parse_ratios(["a=1", "b=1"])
    by_path = {split_of(sample("", image=f"{k}.png"), ratios, 0) for k in range(20)}
    arrays = [np.full((4, 4, 3), k, np.uint8) for k in range(20)]
    by_pixels = {split_of(sample("", image=a), ratios, 0) for a in arrays}
    assert by_path == by_pixels == {"a", "b"}
