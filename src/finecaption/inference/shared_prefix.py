"""Many questions about a region as one sequence, of which each question sees its own part.

A region's prefix (image tokens and the beginning of the prompt) is stored once, whatever the number
of its questions. The suffixes of all questions stand in the same sequence; an attention mask says
which columns each question sees: the prefix and its own tokens. So an answer that ends just leaves
the mask, and a beam that splits is one more row of it: no key or value is copied for either.

Legend: R regions, Q queries per region (a query is one question or one beam; regions with fewer are
padded), P tokens of the prefix, C columns of keys and values, M tokens put in at once,
D the language model's width, T image tokens per region, V the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from finecaption.model import FineCaptionForConditionalGeneration

_STEPS = 16  # for which a cache gets room when it grows
_MAX_DEAD = 0.25  # fraction of columns that no query sees, before they are removed
_PREFILL_TOKENS = 16384  # of prefixes through the language model at once


class _RoomyLayer(DynamicLayer):
    """A cache layer with room to spare: a step writes its tokens instead of copying all others."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
        """
        Args:
            keys, values: (R, heads, C, width).
            room: columns to grow by.
        """
        super().__init__()
        self.lazy_initialization(keys, values)
        self.room = room
        self._length = keys.shape[-2]
        self._all_keys, self._all_values = keys, values
        self._grow(self._length + room)

    def _grow(self, columns: int) -> None:
        for name in ("_all_keys", "_all_values"):
            old = getattr(self, name)[:, :, : self._length]
            new = old.new_empty((*old.shape[:-2], columns, old.shape[-1]))
            new[:, :, : self._length] = old
            setattr(self, name, new)
        self._show()

    def _show(self) -> None:
        self.keys = self._all_keys[:, :, : self._length]
        self.values = self._all_values[:, :, : self._length]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        end = self._length + key_states.shape[-2]
        if end > self._all_keys.shape[-2]:
            self._grow(end + self.room)
        self._all_keys[:, :, self._length : end] = key_states
        self._all_values[:, :, self._length : end] = value_states
        self._length = end
        self._show()
        return self.keys, self.values

    def keep_regions(self, regions: torch.Tensor) -> None:
        """Only these regions, (R') int64."""
        self._all_keys, self._all_values = self._all_keys[regions], self._all_values[regions]
        self._show()

    def keep_columns(self, start: int, columns: torch.Tensor) -> None:
        """Those before `start`, and then of each region its `columns`, (R, n) int64."""
        index = columns[:, None, :, None]
        for tensor in (self._all_keys, self._all_values):
            shape = (-1, tensor.shape[1], -1, tensor.shape[-1])
            tensor[:, :, start : start + columns.shape[1]] = tensor.gather(2, index.expand(shape))
        self._length = start + columns.shape[1]
        self._show()


class SharedPrefix:
    """The language model's state for all queries of all regions."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        region_features: torch.Tensor,
        prefix: Sequence[int],
        suffixes: Sequence[Sequence[Sequence[int]]],
    ) -> None:
        """Runs prefixes and suffixes through the model; `logits` are those after the suffixes.

        Args:
            region_features: (R, T, D) from `encode_regions`.
            prefix: P token ids, T placeholders among them.
            suffixes: for each region, the token ids (one or more) that each query's prompt has
                after the prefix.
        """
        self._model = model
        self._prefix = len(prefix)
        self.regions = len(suffixes)
        self.queries = max(len(region) for region in suffixes)
        device = region_features.device

        longest = max(sum(map(len, region)) for region in suffixes)
        ids = torch.full((self.regions, longest), model.config.text_config.pad_token_id or 0)
        owner = torch.full((self.regions, longest), -1)
        positions = torch.zeros((self.regions, longest), dtype=torch.long)
        last = torch.zeros((self.regions, self.queries), dtype=torch.long)
        lengths = torch.zeros((self.regions, self.queries), dtype=torch.long)
        for region, queries in enumerate(suffixes):
            at = 0
            for query, suffix in enumerate(queries):
                end = at + len(suffix)
                ids[region, at:end] = torch.tensor(suffix)
                owner[region, at:end] = query
                positions[region, at:end] = torch.arange(len(suffix))
                last[region, query], lengths[region, query] = end - 1, len(suffix)
                at = end
        ids, owner, positions = ids.to(device), owner.to(device), positions.to(device)

        self._cache = self._prefill(region_features, prefix, longest + _STEPS * self.queries)
        column = torch.arange(longest, device=device)
        own = (owner[:, :, None] == owner[:, None, :]) & (column[:, None] >= column)  # (R, M, M)
        hidden = self._forward(ids, positions + len(prefix), _after(own, len(prefix)))
        query = torch.arange(self.queries, device=device)[:, None]
        self._attention_mask = _after(owner[:, None, :] == query, len(prefix))  # (R, Q, C), bool
        self._positions = lengths.to(device) + len(prefix)  # (R, Q), of the next token
        index = last.to(device)[..., None].expand(-1, -1, hidden.shape[-1])
        self.logits = self._head(hidden.gather(1, index))
        """(R, Q, V) float32: of the next token, after the suffixes."""

    def _prefill(self, region_features: torch.Tensor, prefix: Sequence[int], room: int) -> Cache:
        ids = torch.tensor([list(prefix)], device=region_features.device)
        parts = []
        for features in region_features.split(max(1, _PREFILL_TOKENS // max(1, len(prefix)))):
            seen = DynamicCache()
            # Without the LM head: the prefix's logits are not needed.
            self._model.model(
                input_ids=ids.expand(len(features), -1),
                region_features=features,
                past_key_values=seen,
                use_cache=True,
            )
            parts.append(seen)
        layers = []
        for number in range(len(parts[0].layers)):
            found = [part.layers[number] for part in parts]
            keys = torch.cat([layer.keys for layer in found])
            values = torch.cat([layer.values for layer in found])
            for layer in found:  # one layer at a time is there twice
                layer.keys = layer.values = None
            layers.append(_RoomyLayer(keys, values, room))
        return Cache(layers=layers)

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """(R, M) ids, positions and (R, M, C + M) attention mask -> (R, M, D)."""
        mask = attention_mask[:, None]
        if self._model.config.text_config._attn_implementation != "sdpa":  # which adds the mask
            dtype = self._model.dtype
            mask = torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
        hidden: torch.Tensor = self._model.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def _head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model.lm_head(hidden)
        return logits.float()

    def step(self, ids: torch.Tensor) -> torch.Tensor:
        """One token for every query.

        Args:
            ids: (R, Q) int64.

        Returns:
            (R, Q, V) float32, the logits of the tokens after them.
        """
        itself = torch.eye(self.queries, dtype=torch.bool, device=ids.device)
        self._attention_mask = torch.cat(
            [self._attention_mask, itself.expand(self.regions, -1, -1)], dim=2
        )
        hidden = self._forward(ids, self._positions, self._attention_mask)
        self._positions = self._positions + 1
        return self._head(hidden)

    def keep(self, regions: Sequence[int], queries: Sequence[Sequence[int]]) -> None:
        """Continue with some queries only, or with some of them several times.

        Args:
            regions: those that stay, R' of them, ascending.
            queries: for each of these, Q' former queries; each new query continues its own.
        """
        device = self._attention_mask.device
        if len(regions) < self.regions:
            index = torch.tensor(list(regions), device=device)
            for layer in self._cache.layers:
                layer.keep_regions(index)
            self._attention_mask, self._positions = (
                self._attention_mask[index],
                self._positions[index],
            )
        parents = torch.tensor([list(region) for region in queries], device=device)  # (R', Q')
        self.regions, self.queries = parents.shape
        self._positions = self._positions.gather(1, parents)
        columns = self._attention_mask.shape[2]
        self._attention_mask = self._attention_mask.gather(
            1, parents[..., None].expand(-1, -1, columns)
        )
        used = self._attention_mask[:, :, self._prefix :].any(1)  # (R, C - P)
        most = int(used.sum(1).max())
        if most <= (1 - _MAX_DEAD) * used.shape[1]:
            order = (~used).to(torch.uint8).argsort(dim=1, stable=True)[:, :most] + self._prefix
            for layer in self._cache.layers:
                layer.keep_columns(self._prefix, order)
            own = self._attention_mask.gather(2, order[:, None].expand(-1, self.queries, -1))
            self._attention_mask = _after(own, self._prefix)

    @property
    def bytes(self) -> int:
        """Bytes of keys and values, with the room to grow."""
        return sum(
            tensor.numel() * tensor.element_size()
            for layer in self._cache.layers
            for tensor in (layer._all_keys, layer._all_values)
        )


def _after(own: torch.Tensor, prefix: int) -> torch.Tensor:
    """The mask of the columns after the prefix, with the prefix, which all queries see, before."""
    return torch.nn.functional.pad(own, (prefix, 0), value=True)


__all__ = ["SharedPrefix"]
