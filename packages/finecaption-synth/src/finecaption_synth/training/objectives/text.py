"""Text: the language model alone on the world's sentences, before it sees an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from finecaption.training.objectives import Batch
from finecaption.training.packing import Packed, collate_packed


class Text:
    """A causal language model; items are packed sequences."""

    metrics: Mapping[str, Sequence[str]] = {}

    def __init__(self, pad_token_id: int) -> None:
        """
        Args:
            pad_token_id: of the tokenizer.
        """
        self.pad_token_id = pad_token_id

    def wrap(self, model: nn.Module) -> nn.Module:
        """The language model itself."""
        return model

    def part_of(self, name: str) -> str | None:
        """All of it is the language model."""
        return "llm"

    def idle(self, module: nn.Module) -> frozenset[str]:
        """Nothing is known to be."""
        return frozenset()

    def collate(self, items: Sequence[Packed]) -> Batch:
        """Sequences padded on the right."""
        return dict(collate_packed(items, self.pad_token_id))
