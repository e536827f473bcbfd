"""Reading a store: in any order, by sample or by image, with a bounded number of blocks held."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from finecaption.data.store.layout import INFO, Info, load_info
from finecaption.data.store.order import Order
from finecaption.data.store.parquet import ParquetFile
from finecaption.data.store.rows import StoredItem, StoredRow, group, make_row
from finecaption.data.store.streams import Stream
from finecaption.errors import InputError
from finecaption.types import RegionSample

Unit: TypeAlias = Literal["sample", "picture"]
UNITS: tuple[Unit, ...] = get_args(Unit)

BUFFER = 1024
_OPEN_FILES = 8
_LEAST_BLOCKS = 4


class _Blocks(ABC):
    """Base: units in blocks, of which the last few are held."""

    def __init__(self, pictures: list[int], samples: list[int]) -> None:
        self._pictures, self._samples = pictures, samples
        self._held: OrderedDict[int, tuple[list[StoredRow], list[int]]] = OrderedDict()
        self._room = _LEAST_BLOCKS

    def __len__(self) -> int:
        """Samples."""
        return sum(self._samples)

    @property
    def pictures(self) -> int:
        """Rows; an image whose samples were not neighbors has several."""
        return sum(self._pictures)

    @abstractmethod
    def _read(self, block: int) -> list[StoredRow]:
        """The rows of a block."""

    def _block(self, block: int) -> tuple[list[StoredRow], list[int]]:
        """The rows of a block, and the number of samples up to and with each."""
        found = self._held.get(block)
        if found is None:
            rows = self._read(block)
            found = rows, list(accumulate(len(row.questions) for row in rows))
            self._held[block] = found
            while len(self._held) > self._room:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(block)
        return found

    def _item(self, place: int, block: int, unit: int, by: Unit, origin: str) -> StoredItem:
        rows, ends = self._block(block)
        if by == "picture":
            return StoredItem(place, rows[unit], 0, len(rows[unit].questions), origin)
        row = bisect_right(ends, unit)
        return StoredItem(place, rows[row], unit - (ends[row - 1] if row else 0), 1, origin)

    def stream(
        self,
        *,
        seed: int | None = None,
        epoch: int = 0,
        buffer: int = BUFFER,
        by: Unit = "sample",
        origin: str = "",
    ) -> Stream:
        """One epoch as a sequence with random access.

        Args:
            seed: shuffles; None keeps the order of the files.
            epoch: each has its own shuffle.
            buffer: samples (or images) that are shuffled among each other, beside the blocks.
                As many are in memory at most, and the blocks that they lie in.
            by: "sample" (one question) or "picture" (a row, with all its questions).
            origin: name that the items carry.

        Raises:
            InputError: unknown `by`, or a number out of range.
        """
        if by not in UNITS:
            raise InputError(f"by: must be one of {', '.join(UNITS)}; got {by!r}")
        counts = self._samples if by == "sample" else self._pictures
        order = Order(counts, seed, epoch, buffer)
        if seed is not None and counts:
            # a shuffled run touches this many blocks, in any order: hold them
            self._room = max(self._room, -(-buffer * len(counts) // max(1, sum(counts))) + 2)
        return Stream(len(order), lambda place: self._item(place, *order.locate(place), by, origin))

    def items(
        self,
        rank: int = 0,
        world: int = 1,
        worker: int = 0,
        workers: int = 1,
        start: int = 0,
        *,
        seed: int | None = None,
        epoch: int = 0,
        buffer: int = BUFFER,
        by: Unit = "sample",
    ) -> Iterator[StoredItem]:
        """One reader's share of one epoch: `stream(...)` and `Stream.items` in one."""
        stream = self.stream(seed=seed, epoch=epoch, buffer=buffer, by=by)
        return stream.items(rank, world, worker, workers, start)

    def samples(self) -> Iterator[RegionSample]:
        """All samples in the order in which they were written."""
        for item in self.items(by="picture"):
            yield from item.samples()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": OrderedDict()}


class Store(_Blocks):
    """A store on disk. Files are opened when they are needed, anew in each process.

    Args:
        folder: that `store.write` or `finecaption data convert` wrote.
        images: of a store without images, the folder that they are in now.

    Raises:
        InputError: no store, not finished, or a file is missing or cut.
    """

    def __init__(
        self, folder: str | os.PathLike[str], images: str | os.PathLike[str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.info: Info = load_info(folder)
        self.images = Path(images) if images is not None else self.folder / self.info.images
        self._places = [
            (shard, number)
            for shard in range(len(self.info.shards))
            for number in range(len(self.info.shards[shard].blocks))
        ]
        blocks = [block for shard in self.info.shards for block in shard.blocks]
        super().__init__([b.pictures for b in blocks], [b.samples for b in blocks])
        self._files: OrderedDict[tuple[int, int], ParquetFile] = OrderedDict()

    def _file(self, shard: int) -> ParquetFile:
        key = os.getpid(), shard
        found = self._files.get(key)
        if found is None:
            found = ParquetFile(self.folder / self.info.shards[shard].name)
            self._files[key] = found
            while len(self._files) > _OPEN_FILES:
                (process, _), old = self._files.popitem(last=False)
                if process == key[0]:
                    old.close()
        else:
            self._files.move_to_end(key)
        return found

    def _read(self, block: int) -> list[StoredRow]:
        shard, number = self._places[block]
        rows = self._file(shard).read(number)
        if self.info.embed:
            return rows
        return [_found(row, self.images) for row in rows]

    def blocks(self) -> Iterator[tuple[Path, int, Callable[[], list[StoredRow]]]]:
        """(file, number in it, reader of its rows) of each block: to go on after a broken one."""
        for block, (shard, number) in enumerate(self._places):
            name = self.info.shards[shard].name
            yield self.folder / name, number, functools.partial(self._read, block)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_files": OrderedDict()}

    def close(self) -> None:
        """Closes the files; reading opens them again."""
        while self._files:
            (process, _), file = self._files.popitem()
            if process == os.getpid():
                file.close()


def _found(row: StoredRow, images: Path) -> StoredRow:
    return replace(row, path=str(images / row.path))


class SampleList(_Blocks):
    """Samples in memory with the ways of a store: for small data, and for tests.

    Args:
        samples: whose images stay files; arrays are kept as PNG.
        block: images that make a block.
    """

    def __init__(self, samples: Iterable[RegionSample], block: int = 64) -> None:
        rows = []
        for members in group(samples):
            array = isinstance(members[0].image, np.ndarray)
            row = make_row(members, embed=array, images=".")
            rows.append(row if array else _found(row, Path(".")))
        self._rows = [rows[i : i + block] for i in range(0, len(rows), block)]
        super().__init__(
            [len(part) for part in self._rows],
            [sum(len(row.questions) for row in part) for part in self._rows],
        )

    def _read(self, block: int) -> list[StoredRow]:
        return self._rows[block]


def open_store(
    folder: str | os.PathLike[str], images: str | os.PathLike[str] | None = None
) -> Store:
    """Opens a store; arguments and errors as `Store`."""
    return Store(folder, images)


def is_store(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a finished store."""
    return (Path(folder) / INFO).is_file()
