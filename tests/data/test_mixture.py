from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from finecaption.data import store
from finecaption.data.mixture import MOST_CYCLE, Mixture, load_mixture, save_mixture
from finecaption.errors import InputError
from finecaption.types import RegionSample


def part(name: str, count: int) -> store.SampleList:
    return store.SampleList(
        [
            RegionSample(image=f"{name}{k}.png", size=(4, 4), task="cgic", text=f"{name} {k}")
            for k in range(count)
        ],
        block=3,
    )


def said(items: object) -> list[str]:
    return [i.questions[0].text for i in items]  # type: ignore[attr-defined]


@pytest.fixture
def mixture() -> Callable[..., Mixture]:
    def make(**kw: object) -> Mixture:
        parts = {"a": (part("a", 10), "0.5"), "b": (part("b", 7), 0.3), "c": (part("c", 3), "1/5")}
        return Mixture(parts, **{"buffer": 4, **kw})  # type: ignore[arg-type]

    return make


def test_shares_are_exact_in_every_cycle(mixture: Callable[..., Mixture]) -> None:
    mixed = mixture(draws=200)
    assert mixed.cycle == 10
    origins = [item.origin for item in mixed.items()]
    for first in range(0, 200, 10):
        assert Counter(origins[first : first + 10]) == {"a": 5, "b": 3, "c": 2}
    assert len({tuple(origins[i : i + 10]) for i in range(0, 200, 10)}) > 10


def test_it_draws_what_it_prints(mixture: Callable[..., Mixture]) -> None:
    mixed = mixture(draws=47)
    drawn = Counter(item.origin for item in mixed.items())
    assert {plan.name: plan.draws for plan in mixed.plan()} == drawn
    table = mixed.describe().splitlines()
    assert table[0].split() == ["part", "weight", "share", "samples", "draws", "epochs"]
    assert table[1].split()[:4] == ["a", "0.5", "50.00", "%"]
    assert table[3].split()[-2:] == [str(drawn["c"]), f"{drawn['c'] / 3:.2f}"]
    assert table[-1] == "47 draws, seed 0, in cycles of 10"


def test_a_part_is_drawn_through_before_it_begins_anew(mixture: Callable[..., Mixture]) -> None:
    of_c = [t for t in said(mixture(draws=90).items()) if t.startswith("c")]
    passes = [of_c[i : i + 3] for i in range(0, len(of_c), 3)]
    assert all(sorted(p) == ["c 0", "c 1", "c 2"] for p in passes)
    assert len({tuple(p) for p in passes}) > 1  # each epoch its own order


def test_weights_equal_to_the_sizes_draw_everything_once() -> None:
    mixed = Mixture({"a": (part("a", 10), 10), "b": (part("b", 7), 7)}, seed=2)
    texts = said(mixed.items())
    assert len(texts) == len(set(texts)) == 17


def test_readers_share_the_draws_and_go_on(mixture: Callable[..., Mixture]) -> None:
    whole = said(mixture(draws=61, seed=9).items())
    parts = [
        said(mixture(draws=61, seed=9).items(rank, 2, worker, 3))
        for rank in range(2)
        for worker in range(3)
    ]
    assert [t for p in parts for t in p] == whole
    for start in (1, 5, 9):
        assert said(mixture(draws=61, seed=9).items(1, 2, 2, 3, start)) == parts[5][start:]
    assert [i.position for i in mixture(draws=61, seed=9).items()] == list(range(61))
    assert said(mixture(draws=61, seed=8).items()) != whole


def test_weights_that_need_too_long_a_cycle_are_rounded() -> None:
    mixed = Mixture({"a": (part("a", 4), "0.9999999"), "b": (part("b", 4), "0.0000001")}, draws=9)
    assert mixed.cycle == MOST_CYCLE + 1
    assert mixed.plan()[1].share == 1 / (MOST_CYCLE + 1)


@pytest.mark.parametrize(
    ("parts", "more", "message"),
    [
        ({}, {}, "has no part"),
        ({"a": (part("a", 0), 1)}, {}, "a has no samples"),
        ({"a": (part("a", 1), 0)}, {}, "weight of a: is 0; it must be positive"),
        ({"a": (part("a", 1), "much")}, {}, "weight of a: must be a number"),
        ({"a": (part("a", 1), "nan")}, {}, "weight of a: must be a number"),
        ({"a": (part("a", 1), 1)}, {"draws": 0}, "draws: is 0"),
    ],
)
def test_wrong_input_is_refused(parts: dict, more: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        Mixture(parts, **more)


def test_a_file_keeps_a_mixture(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.write(part(name, 6).samples(), tmp_path / name)
    settings = {"draws": 20, "seed": 4, "buffer": 8, "by": "sample"}
    save_mixture(
        tmp_path / "mix/ture.json",
        {"a": (str(tmp_path / "a"), "2"), "b": (str(tmp_path / "b"), "1")},
        settings,
    )
    texts = said(load_mixture(tmp_path / "mix/ture.json").items())
    parts = {name: (store.open(tmp_path / name), w) for name, w in (("a", 2), ("b", 1))}
    assert texts == said(Mixture(parts, draws=20, seed=4, buffer=8).items())
    with pytest.raises(InputError, match="no such file"):
        load_mixture(tmp_path / "none.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(InputError, match="is not a mixture"):
        load_mixture(tmp_path / "x.json")
