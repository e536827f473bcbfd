"""The order in which a store is read: a pure function of (seed, epoch, place), with random access.

Shuffled, the blocks of all shards are permuted, and within their sequence each run of `buffer`
units is permuted again: a shuffle by buffer whose state is one number, so that going on at any
place costs nothing and needs no replay. Memory: the block table and one run of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finecaption.errors import InputError


class Order:
    """A permutation of units (samples or images) that lie in blocks.

    Args:
        counts: units of each block.
        seed: None reads in the order of the files.
        epoch: each has its own permutation.
        buffer: units that are shuffled among each other.

    Raises:
        InputError: buffer, seed or epoch is out of range.
    """

    def __init__(
        self, counts: Sequence[int], seed: int | None = None, epoch: int = 0, buffer: int = 1024
    ) -> None:
        if buffer < 1:
            raise InputError(f"buffer: is {buffer}; it must be at least 1")
        if (seed is not None and seed < 0) or epoch < 0:
            raise InputError(f"seed and epoch: must not be negative; got {seed} and {epoch}")
        self.seed, self.epoch, self.buffer = seed, epoch, buffer
        blocks = np.arange(len(counts), dtype=np.int64)
        if seed is not None:
            blocks = np.random.default_rng((seed, epoch)).permutation(blocks)
        self._blocks = blocks
        self._ends = np.cumsum(np.asarray(counts, np.int64)[blocks])
        self._window: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, place: int) -> tuple[int, int]:
        """(block, unit within the block) at a place of the order.

        Raises:
            IndexError: outside the order.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"place {place} of an order of {len(self)}")
        if self.seed is not None:
            window, inside = divmod(place, self.buffer)
            if self._window[0] != window:
                size = min(self.buffer, len(self) - window * self.buffer)
                rng = np.random.default_rng((self.seed, self.epoch, window + 1))
                self._window = window, rng.permutation(size)
            place = window * self.buffer + int(self._window[1][inside])
        index = int(np.searchsorted(self._ends, place, side="right"))
        before = int(self._ends[index - 1]) if index else 0
        return int(self._blocks[index]), place - before
