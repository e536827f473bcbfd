"""How many rows are taken at once: bytes of keys and values, counted by hand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from finecaption.decoding import Decoding
from finecaption.inference import memory_budget
from finecaption.inference.memory_budget import Budget

PREFIX, LIMIT = 10, 5
TOKEN = 2 * 3 * 2 * 8 * 4  # keys and values, layers, heads, width, bytes of a float32


@dataclass
class Waits:
    region: int
    suffix: list[int] = field(default_factory=lambda: [1, 2])


def model(device: str = "cpu", dtype: torch.dtype = torch.float32, **text: Any) -> Any:
    sizes = {
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "num_attention_heads": 4,
        "head_dim": 8,
        "hidden_size": 32,
        **text,
    }
    config = SimpleNamespace(text_config=SimpleNamespace(**sizes))
    return SimpleNamespace(config=config, dtype=dtype, device=torch.device(device))


def taken(
    room: int,
    regions: list[int],
    monkeypatch: pytest.MonkeyPatch,
    decoding: Decoding | None = None,
    of: Any = None,
    rows: int | None = None,
) -> int:
    """How many of the waiting rows are taken, where `room` bytes are there."""
    monkeypatch.setattr(memory_budget, "_CACHE_BYTES", room)
    budget = Budget(of or model(), decoding or Decoding(), PREFIX, LIMIT, rows)
    waiting = deque(map(Waits, regions))
    found = budget.take(waiting)
    assert len(found) + len(waiting) == len(regions)
    return len(found)


@pytest.mark.parametrize(
    ("tokens", "regions", "count"),
    [
        # a region's prefix of 10, and 2 + 5 a row
        (0, [0], 1),  # one at least
        (23, [0, 0], 1),
        (24, [0, 0], 2),
        (30, [0, 0, 0], 2),
        (31, [0, 0, 0], 3),
        (33, [0, 1], 1),
        (34, [0, 1], 2),
        (40, [0, 1, 1], 2),
        (41, [0, 1, 1], 3),
    ],
)
def test_a_prefix_counts_once_per_region_and_each_row_its_most(
    tokens: int, regions: list[int], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(tokens * TOKEN, regions, monkeypatch) == count


@pytest.mark.parametrize(
    ("of", "decoding", "token", "row"),
    [
        (model(), Decoding(), TOKEN, 7),
        (model(dtype=torch.bfloat16), Decoding(), TOKEN // 2, 7),
        (model(num_key_value_heads=None), Decoding(), TOKEN * 2, 7),  # all heads
        (model(head_dim=None), Decoding(), TOKEN, 7),  # 32 / 4
        (model(num_key_value_heads=None, head_dim=None), Decoding(), TOKEN * 2, 7),
        (model(), Decoding(guidance=1.0), TOKEN * 2, 7),  # region and whole image
        (model(), Decoding(beams=3), TOKEN, 2 + 3 * 5),
    ],
)
def test_what_a_token_and_a_row_take(
    of: Any, decoding: Decoding, token: int, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = (PREFIX + 2 * row) * token
    assert taken(need, [0, 0, 0], monkeypatch, decoding, of) == 2
    assert taken(need - 1, [0, 0, 0], monkeypatch, decoding, of) == 1


@pytest.mark.parametrize(
    ("rows", "beams", "count"), [(3, 1, 3), (None, 1, 512), (None, 2, 256), (None, 32, 16)]
)
def test_rows_at_once_have_a_limit(
    rows: int | None, beams: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(1 << 60, [0] * 600, monkeypatch, Decoding(beams=beams), rows=rows) == count


def test_a_gpu_gives_a_part_of_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    need = (PREFIX + 2 * 7) * TOKEN
    for free, count in ((need / 0.6 + 2, 2), (need / 0.6 - 2, 1)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 1 << 60))
        assert taken(0, [0, 0, 0], monkeypatch, of=model("cuda")) == count


@pytest.mark.parametrize(("rows", "count"), [(9, 4), (8, 4), (2, 1), (1, 1)])
def test_half_of_what_did_not_fit_is_tried_next(rows: int, count: int) -> None:
    budget = Budget(model(), Decoding(), PREFIX, LIMIT, None)
    budget.halve(rows)
    assert len(budget.take(deque(map(Waits, [0] * 20)))) == count
