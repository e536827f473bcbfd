"""How many rows are decoded together."""

from __future__ import annotations

from collections import deque
from typing import Protocol, TypeVar

import torch

from finecaption.decoding import Decoding
from finecaption.model import FineCaptionForConditionalGeneration

_CACHE_BYTES = 1 << 30  # of keys and values at a time, on a CPU
_FREE_SHARE = 0.6  # of a GPU's free memory that they may take; the rest is for activations
_MOST_ROWS = 512  # more gains nothing


class Waiting(Protocol):
    """A row to be."""

    @property
    def region(self) -> int: ...

    @property
    def suffix(self) -> list[int]: ...


Job = TypeVar("Job", bound=Waiting)


class Budget:
    """Takes rows off a queue as far as their keys and values fit: the prefix once per region, then
    what each row may get at most."""

    def __init__(
        self,
        model: FineCaptionForConditionalGeneration,
        decoding: Decoding,
        prefix: int,
        limit: int,
        max_rows: int | None,
    ) -> None:
        """
        Args:
            prefix: P, tokens that the rows of a region share.
            limit: tokens of an answer.
            max_rows: rows at once; None: no limit of its own.
        """
        text = model.config.text_config
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        size = torch.finfo(model.dtype).bits // 8
        copies = 2 if decoding.guidance else 1
        self._token = 2 * text.num_hidden_layers * heads * width * size * copies
        self._prefix, self._limit = prefix, limit * decoding.beams
        self._rows = max_rows or max(1, _MOST_ROWS // decoding.beams)
        self._bytes = _CACHE_BYTES
        if model.device.type == "cuda":
            self._bytes = int(_FREE_SHARE * torch.cuda.mem_get_info(model.device)[0])

    def take(self, waiting: deque[Job]) -> list[Job]:
        """The next rows, at least one."""
        taken: list[Job] = []
        columns, region = 0, -1
        while waiting and len(taken) < self._rows:
            job = waiting[0]
            columns += len(job.suffix) + self._limit + self._prefix * (job.region != region)
            if taken and columns * self._token > self._bytes:
                break
            region = job.region
            taken.append(waiting.popleft())
        return taken

    def halve(self, rows: int) -> None:
        """From now on at most half as many as these, which did not fit."""
        self._rows = max(1, rows // 2)


__all__ = ["Budget"]
