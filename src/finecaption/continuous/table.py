"""The table of regions' image tokens, and the ids by which the engine knows its rows.

transformers' engine takes token ids and nothing else. Here a region's image tokens are written into
a table, and its placeholders in the prompt become ids from the vocabulary's size on, which the
embedding layer looks up in that table. An id stands for one row of one region and for no other
later on, because the engine recognises prefixes that it has already computed by their ids: two
questions on one region share its prefix, and two regions never do.

    id = V + (turn * S + slot) * T + row

A region has a slot of the table; once nobody uses it, the slot is lent again, with the next turn.
So the table does not grow, and `(id - V) mod (S * T)` finds the row. Ids are 32-bit: when they run
out (33 million regions of 64 tokens), the engine empties itself and begins anew.

Legend: V words of the vocabulary, S slots, T image tokens a region, D the language model's width.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import torch
from torch import nn

from finecaption.errors import InputError
from finecaption.model import FineCaptionForConditionalGeneration


class TableRegion:
    """A region in the table."""

    def __init__(self, slot: int, first_id: int) -> None:
        self.slot = slot
        self.first_id = first_id
        self.users = 0
        self.primed = False  # whether its prefix is in the engine's cache
        self.waiting: list[Any] | None = None  # for the first to prime it


class Exhausted(Exception):
    """No id is left."""


class Slots:
    """Which region has which slot; the longest unused is lent again."""

    def __init__(self, count: int, tokens: int, vocabulary: int, last_id: int) -> None:
        self._span = tokens
        self._vocabulary = vocabulary
        self._count = count
        self._turns = (last_id + 1 - vocabulary) // (count * tokens)
        if self._turns < 1:
            raise InputError(f"regions: {count} of {tokens} tokens have no room in 32-bit ids")
        self.begin_anew()

    def begin_anew(self) -> None:
        self._turn = [0] * self._count
        # least recently used first
        self._regions: OrderedDict[Hashable, TableRegion] = OrderedDict()
        self._free = list(range(self._count))

    def take(self, key: Hashable) -> tuple[TableRegion, bool] | None:
        """The region of a key, and whether it is new; None if every slot is in use."""
        region = self._regions.get(key)
        if region is not None:
            self._regions.move_to_end(key)
            return region, False
        if not self._free:
            idle = next((k for k, r in self._regions.items() if not r.users), None)
            if idle is None:
                return None
            self._free.append(self._regions.pop(idle).slot)
        slot = self._free[-1]
        if self._turn[slot] >= self._turns:
            raise Exhausted
        number = self._turn[slot] * self._count + slot
        region = TableRegion(self._free.pop(), self._vocabulary + number * self._span)
        self._turn[slot] += 1
        self._regions[key] = region
        return region, True


class Embedding(nn.Module):
    """Words by their embeddings, ids beyond them by the table's rows."""

    def __init__(self, words: nn.Embedding, rows: torch.Tensor) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("rows", rows, persistent=False)  # (S * T, D)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(..., L) -> (..., L, D)"""
        beyond = ids - self.words.num_embeddings
        words = self.words(ids.clamp(max=self.words.num_embeddings - 1))
        seen = self.rows[(beyond.clamp(min=0) % self.rows.shape[0]).long()]
        return torch.where((beyond >= 0).unsqueeze(-1), seen.to(words.dtype), words)


def with_table(
    model: FineCaptionForConditionalGeneration, rows: int
) -> tuple[FineCaptionForConditionalGeneration, torch.Tensor]:
    """A second model on the same weights whose embedding layer knows the table, and the table."""
    shared: dict[int, Any] = {id(value): value for value in model.parameters()}
    twin = copy.deepcopy(model, shared)
    words = twin.get_input_embeddings()
    table = torch.zeros(rows, words.weight.shape[-1], dtype=model.dtype, device=model.device)
    twin.set_input_embeddings(Embedding(words, table))
    return twin.eval(), table
