"""Rows that have ended leave the batch; which end an answer."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from finecaption.decoding import Decoding
from finecaption.errors import CaptionerError
from finecaption.inference.decode_loop import DecodeRow, _retire, end_ids, with_whole
from tests.answers import answer
from tests.inference.conftest import Setting


class Kept:
    """Stands for `SharedPrefix`; remembers what it is told to keep."""

    def __init__(self, queries: int) -> None:
        self.queries = queries
        self.kept: tuple[list[int], list[list[int]]] | None = None

    def keep(self, regions: Sequence[int], queries: Sequence[Sequence[int]]) -> None:
        self.kept = list(regions), [list(region) for region in queries]


def grid_of(alive: Sequence[Sequence[int]], width: int) -> list[list[DecodeRow | None]]:
    """Rows in the queries that are alive, None in the others."""
    return [
        [DecodeRow([1]) if query in region else None for query in range(width)] for region in alive
    ]


@pytest.mark.parametrize(
    ("alive", "width", "copies", "kept"),
    [
        ([[0, 1], [0, 1]], 2, 1, None),  # nothing has ended
        ([[0, 1], [0]], 2, 1, None),  # a place that is still needed by the other region
        ([[1], [0]], 2, 1, ([0, 1], [[1], [0]])),
        ([[0, 2], [1]], 3, 1, ([0, 1], [[0, 2], [1, 1]])),  # filled up with its own row
        # three quarters of the regions, or fewer: the others leave the cache
        ([[0], [], [0], [0]], 1, 1, ([0, 2, 3], [[0], [0], [0]])),
        ([[0], [0], [0], [0], []], 1, 1, None),
        ([[1], [1], [1], [0], []], 2, 1, ([0, 1, 2, 3, 4], [[1], [1], [1], [0], [0]])),
        ([[], [0]], 1, 1, ([1], [[0]])),
        # with guidance, the whole images' rows go with their regions
        ([[], [0]], 1, 2, ([1, 3], [[0], [0]])),
    ],
)
def test_rows_that_ended_leave_the_batch(
    alive: list[list[int]], width: int, copies: int, kept: Any
) -> None:
    shared = Kept(width)
    grid = grid_of(alive, width)
    ids = [[10 * region + query for query in range(width)] for region in range(len(alive))]
    made, put = _retire(shared, grid, ids, copies)  # type: ignore[arg-type]  # a stand-in
    assert shared.kept == kept
    if kept is None:
        assert made is grid and put is ids
        return
    regions = kept[0][: len(kept[0]) // copies]
    for new, region in enumerate(regions):
        assert made[new] == [grid[region][query] for query in alive[region]]
        own = [10 * region + query for query in alive[region]]
        assert put[new][: len(own)] == own
    assert len({len(row) for row in put}) == 1


@pytest.mark.parametrize(
    ("own", "text", "ends"),
    [(7, 2, {7}), ([7, 8], 2, {7, 8}), (None, 2, {2}), (None, [2, 3], {2, 3}), (None, None, set())],
)
def test_the_tokens_that_end_an_answer(own: Any, text: Any, ends: set[int]) -> None:
    model: Any = SimpleNamespace(
        generation_config=SimpleNamespace(eos_token_id=own),
        config=SimpleNamespace(text_config=SimpleNamespace(eos_token_id=text)),
    )
    assert end_ids(model) == ends


def test_whole_images_are_more_regions_with_the_same_rows() -> None:
    regions = [[DecodeRow([1, 2]), DecodeRow([3])], [DecodeRow([4])]]
    own, whole = torch.zeros(2, 3, 4), torch.ones(2, 3, 4)
    features, suffixes = with_whole(own, None, regions)
    assert features is own and suffixes == [[[1, 2], [3]], [[4]]]
    features, suffixes = with_whole(own, whole, regions)
    assert torch.equal(features, torch.cat([own, whole]))
    assert suffixes == [[[1, 2], [3]], [[4]]] * 2


@pytest.mark.parametrize("options", [{}, {"beams": 2}, {"temperature": 1.0, "seed": 1}])
def test_finite_weights_with_infinite_scores_give_no_answer(
    setting: Setting, options: dict[str, Any]
) -> None:
    with torch.no_grad():
        kept = setting.model.lm_head.weight.clone()
        setting.model.lm_head.weight.fill_(3e38)
    try:
        with pytest.raises(CaptionerError, match="NaN or infinite scores"):
            answer(
                setting.model,
                setting.processor,
                setting.inputs,
                setting.questions,
                decoding=Decoding(**options),
                max_new_tokens=4,
            )
    finally:
        with torch.no_grad():
            setting.model.lm_head.weight.copy_(kept)
