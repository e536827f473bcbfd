"""Weighted mixtures of stores: which draw comes from where is a pure function of its number.

Weights become whole numbers, and draws go in cycles: a cycle has exactly that many draws of each
part, in an order of its own, so shares are exact in every cycle and a run goes on at any draw
without a replay. A part that is drawn to its end begins anew with its next epoch's shuffle.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finecaption.data.store.read import BUFFER, Unit, open_store
from finecaption.data.store.rows import StoredItem
from finecaption.data.store.streams import Stream
from finecaption.errors import InputError
from finecaption.io.atomic import write_json

MOST_CYCLE = 1 << 16
"""Draws of a cycle; weights that need more are rounded to it."""

MIXTURE_VERSION = 1


class Part(Protocol):
    """What can be mixed: a `store.Store` or a `store.SampleList`."""

    def stream(
        self,
        *,
        seed: int | None = None,
        epoch: int = 0,
        buffer: int = BUFFER,
        by: Unit = "sample",
        origin: str = "",
    ) -> Stream: ...


@dataclass(frozen=True)
class MixturePlan:
    """What a mixture draws of one part."""

    name: str
    weight: str
    share: float
    """Of the draws, after rounding."""
    units: int
    """Samples (or images) that the part has."""
    draws: int

    @property
    def epochs(self) -> float:
        """Times that the part is drawn through."""
        return self.draws / self.units


class Mixture:
    """Draws from named parts by weight.

    Args:
        parts: name -> (store, weight).
        draws: length; None: as many as the parts have units.
        seed: of the choice of parts and of their shuffles.
        buffer, by: as `Store.stream`.

    Raises:
        InputError: no part, an empty part, a weight that is not a positive number.
    """

    def __init__(
        self,
        parts: Mapping[str, tuple[Part, float | int | str]],
        *,
        draws: int | None = None,
        seed: int = 0,
        buffer: int = BUFFER,
        by: Unit = "sample",
    ) -> None:
        if not parts:
            raise InputError("mixture: has no part; give at least one dataset")
        self.names = tuple(parts)
        self.seed, self._buffer, self._by = seed, buffer, by
        self._parts = [part for part, _ in parts.values()]
        self._weights = [str(weight) for _, weight in parts.values()]
        self._streams: dict[tuple[int, int], Stream] = {}
        self._units = [len(self._stream(k, 0)) for k in range(len(self._parts))]
        for name, units in zip(self.names, self._units, strict=True):
            if not units:
                raise InputError(f"mixture: {name} has no samples; leave it out")
        self._per_cycle = _whole_numbers(
            [_weight(name, weight) for name, (_, weight) in parts.items()]
        )
        self.cycle = sum(self._per_cycle)
        length = sum(self._units) if draws is None else draws
        if length < 1:
            raise InputError(f"draws: is {length}; it must be at least 1")
        self._length = length
        self._turn: tuple[int, np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return self._length

    def _stream(self, part: int, epoch: int) -> Stream:
        key = part, epoch
        if key not in self._streams:
            # draws near a turn come from two epochs; older ones are done with
            for old in [k for k in self._streams if k[0] == part and abs(k[1] - epoch) > 1]:
                del self._streams[old]
            self._streams[key] = self._parts[part].stream(
                # parts of equal length must not be shuffled alike
                seed=self.seed * 1_000_003 + part,
                epoch=epoch,
                buffer=self._buffer,
                by=self._by,
                origin=self.names[part],
            )
        return self._streams[key]

    def _cycle_of(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The part of each draw of a cycle, and how many of that part came before it there."""
        if self._turn is None or self._turn[0] != number:
            parts = np.repeat(np.arange(len(self._per_cycle)), self._per_cycle)
            parts = np.random.default_rng((self.seed, number)).permutation(parts)
            before = np.zeros(self.cycle, np.int64)
            for part, count in enumerate(self._per_cycle):
                before[parts == part] = np.arange(count)
            self._turn = number, parts, before
        return self._turn[1], self._turn[2]

    def at(self, draw: int) -> StoredItem:
        """The item of a draw, its position that of the draw."""
        number, inside = divmod(draw, self.cycle)
        parts, before = self._cycle_of(number)
        part = int(parts[inside])
        turn, place = divmod(
            number * self._per_cycle[part] + int(before[inside]), self._units[part]
        )
        return replace(self._stream(part, turn)[place], position=draw)

    def stream(self) -> Stream:
        """The draws as a sequence."""
        return Stream(self._length, self.at)

    def items(
        self, rank: int = 0, world: int = 1, worker: int = 0, workers: int = 1, start: int = 0
    ) -> Iterator[StoredItem]:
        """One reader's share of the draws, as `Stream.items`."""
        return self.stream().items(rank, world, worker, workers, start)

    def plan(self) -> list[MixturePlan]:
        """What is drawn of each part, exactly."""
        full, rest = divmod(self._length, self.cycle)
        last = np.bincount(self._cycle_of(full)[0][:rest], minlength=len(self.names))
        return [
            MixturePlan(
                name,
                self._weights[k],
                self._per_cycle[k] / self.cycle,
                self._units[k],
                full * self._per_cycle[k] + int(last[k]),
            )
            for k, name in enumerate(self.names)
        ]

    def describe(self) -> str:
        """The plan as a table of plain text."""
        unit = f"{self._by}s"
        rows = [("part", "weight", "share", unit, "draws", "epochs")]
        rows += [
            (
                plan.name,
                plan.weight,
                f"{100 * plan.share:.2f} %",
                f"{plan.units:,}",
                f"{plan.draws:,}",
                f"{plan.epochs:.2f}",
            )
            for plan in self.plan()
        ]
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines.append(f"{self._length:,} draws, seed {self.seed}, in cycles of {self.cycle:,}")
        return "\n".join(lines)


def _weight(name: str, weight: float | int | str) -> Fraction:
    try:
        value = Fraction(str(weight))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"weight of {name}: must be a number; got {weight!r}") from error
    if value <= 0:
        raise InputError(f"weight of {name}: is {weight}; it must be positive")
    return value


def _whole_numbers(weights: list[Fraction]) -> list[int]:
    """Weights as whole numbers of the smallest sum, or rounded to MOST_CYCLE, each at least 1."""
    scale = math.lcm(*(weight.denominator for weight in weights))
    counts = [int(weight * scale) for weight in weights]
    divisor = math.gcd(*counts)
    counts = [count // divisor for count in counts]
    if sum(counts) <= MOST_CYCLE:
        return counts
    total = sum(weights)
    return [max(1, round(weight / total * MOST_CYCLE)) for weight in weights]


def save_mixture(
    path: str | os.PathLike[str], parts: Mapping[str, tuple[str, str]], settings: dict[str, Any]
) -> None:
    """Writes a mixture's file: stores by path (relative to the file), weights, settings.

    Args:
        path: of the file.
        parts: name -> (folder of a store, weight).
        settings: draws, seed, buffer, by, as of `Mixture`.
    """
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "version": MIXTURE_VERSION,
        "parts": {
            name: {
                "store": Path(os.path.relpath(folder, file.parent)).as_posix(),
                "weight": weight,
            }
            for name, (folder, weight) in parts.items()
        },
        **settings,
    }
    write_json(file, record)


def load_mixture(path: str | os.PathLike[str]) -> Mixture:
    """The mixture of a file that `save_mixture` or `finecaption data mix` wrote.

    Raises:
        InputError: the file is missing or of another shape, or a store cannot be opened.
    """
    file = Path(path)
    try:
        record = json.loads(file.read_text("utf-8"))
        if record.pop("version") != MIXTURE_VERSION:
            raise InputError(f"{file}: is of another version; make it again with `data mix`")
        parts = {
            name: (file.parent / part["store"], part["weight"])
            for name, part in record.pop("parts").items()
        }
        settings = {name: record[name] for name in ("draws", "seed", "buffer", "by")}
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; check the path") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: is not a mixture ({error}); make it with `data mix`") from error
    return Mixture(
        {name: (open_store(folder), weight) for name, (folder, weight) in parts.items()}, **settings
    )
