"""Streams: sequences of items that ranks and workers share, and that go on at any place.

What training glue needs, without torch:

- `stream[i]` is a pure function of its number: wrap it as a map-style dataset, and a sampler that
  skips the items already seen resumes at the same batch.
- `stream.items(rank, world, worker, workers, start)` is one reader's share, in order. Shares are
  disjoint, together they are everything, and their lengths differ by one at most. `start` skips
  what this reader has already given, at no cost.
- `consumed(batches, batch, worker, workers)` says what `start` is, for a loader that takes whole
  batches from its workers in turn, as torch's does.
- A new epoch is a new stream: `store.stream(epoch=n, ...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from finecaption.data.store.rows import StoredItem
from finecaption.errors import InputError


def share(length: int, index: int, count: int) -> range:
    """The places of reader `index` of `count`: contiguous, disjoint, as even as can be."""
    return range(length * index // count, length * (index + 1) // count)


def consumed(batches: int, batch: int, worker: int = 0, workers: int = 1) -> int:
    """Items that a worker has given after the loader gave `batches` of `batch` items in turn."""
    return max(0, -(-(batches - worker) // workers)) * batch


def check_share(rank: int, world: int, worker: int, workers: int, start: int) -> None:
    """Raises InputError unless the numbers name a reader."""
    for name, value, count in (("rank", rank, world), ("worker", worker, workers)):
        if count < 1 or not 0 <= value < count:
            raise InputError(f"{name}: is {value} of {count}; it must be 0 to {count - 1}")
    if start < 0:
        raise InputError(f"start: is {start}; it must not be negative")


class Stream:
    """A sequence of items of known length.

    Args:
        length: items.
        at: place -> item.
    """

    def __init__(self, length: int, at: Callable[[int], StoredItem]) -> None:
        self._length, self._at = length, at

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> StoredItem:
        if not 0 <= place < self._length:
            raise IndexError(f"place {place} of a stream of {self._length}")
        return self._at(place)

    def items(
        self, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1, start: int = 0
    ) -> Iterator[StoredItem]:
        """The fraction of one reader.

        Args:
            rank, world: of the training process.
            worker, workers: of the loader within it.
            start: items of this share to leave out, because they were given before.

        Raises:
            InputError: numbers that name no reader; a file of the store is broken.
        """
        check_share(rank, world, worker, workers, start)
        places = share(self._length, rank * workers + worker, world * workers)
        for place in places[start:]:
            yield self._at(place)
