from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finecaption.data.store.order import Order
from finecaption.errors import InputError

COUNTS = st.lists(st.integers(0, 7), max_size=12)


@given(COUNTS, st.one_of(st.none(), st.integers(0, 9)), st.integers(0, 3), st.integers(1, 20))
def test_an_order_has_every_unit_once(
    counts: list[int], seed: int | None, epoch: int, buffer: int
) -> None:
    order = Order(counts, seed, epoch, buffer)
    seen = [order.locate(place) for place in range(len(order))]
    assert sorted(seen) == [(b, u) for b, count in enumerate(counts) for u in range(count)]
    if seed is None:
        assert seen == sorted(seen)


def test_an_order_is_a_function_of_seed_epoch_and_place() -> None:
    def run(**kw: int) -> list[tuple[int, int]]:
        order = Order([8] * 20, **kw)
        return [order.locate(place) for place in range(160)]

    base = run(seed=1, buffer=16)
    assert base == run(seed=1, buffer=16)
    assert base != run(seed=2, buffer=16)
    assert base != run(seed=1, epoch=1, buffer=16)
    # from any place, backwards too
    order = Order([8] * 20, 1, 0, 16)
    assert [order.locate(place) for place in reversed(range(160))] == base[::-1]
    # a run of the buffer mixes the units of its blocks, and no others
    first = base[:16]
    assert len({block for block, _ in first}) == 2 and first != sorted(first)


def test_blocks_of_the_whole_set_are_mixed() -> None:
    order = Order([10] * 100, seed=0, buffer=50)
    first = {order.locate(place)[0] for place in range(100)}
    assert len(first) == 10 and max(first) - min(first) > 30


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="buffer: is 0"):
        Order([1], 0, 0, 0)
    with pytest.raises(InputError, match="must not be negative"):
        Order([1], -1)
    with pytest.raises(IndexError, match="place 3 of an order of 3"):
        Order([1, 2]).locate(3)
